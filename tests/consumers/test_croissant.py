"""What mlcroissant makes of our descriptions. Skipped where it is not installed."""

import logging
from importlib import import_module

import mlcroissant
import numpy as np
import pytest

import synthgen
from synthgen.cards import CROISSANT, Details, write_card

# mlcroissant leaves files open, and the library that it reads descriptions with is about to change.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(autouse=True)
def no_older_archives(monkeypatch, tmp_path):
    """mlcroissant keeps what it has unpacked by the name of the archive: other data would come back."""
    extract = import_module("mlcroissant._src.operation_graph.operations.extract")
    monkeypatch.setattr(extract, "EXTRACT_PATH", type(extract.EXTRACT_PATH)(tmp_path))


@pytest.mark.parametrize("data", ["plates", "formulas"])
def test_a_description_is_valid_and_nothing_is_missing_that_we_know(request, copy_of, caplog, data):
    folder = copy_of(request.getfixturevalue(data))
    write_card(folder, Details(creator="A. Author", url="https://example.org/d", date="2026-11-26"))
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=str(folder / CROISSANT))
    assert not dataset.metadata.issues.errors
    assert not dataset.metadata.issues.warnings


def test_samples_of_tar_shards_are_read_with_their_keys_and_labels(plates):
    ours = {sample.key: sample for sample in synthgen.open(plates)}
    dataset = mlcroissant.Dataset(jsonld=str(plates / CROISSANT))
    found = {row["samples/key"].decode(): row for row in dataset.records("samples")}
    assert found.keys() == ours.keys()
    for key, sample in ours.items():
        assert found[key]["samples/label"] == sample.label
        assert np.array_equal(np.asarray(found[key]["samples/image"]), sample.image)


def test_classes_are_read_with_their_names(plates):
    dataset = mlcroissant.Dataset(jsonld=str(plates / CROISSANT))
    rows = [(row["classes/id"], row["classes/name"].decode()) for row in dataset.records("classes")]
    assert rows == [(row["id"], row["name"]) for row in synthgen.open(plates).classes]
