"""Spans give the bytes of each sample, whether they lie close together or far apart."""

import numpy as np
import pytest

import synthgen
from synthgen.errors import FormatError


@pytest.fixture(scope="module", params=["hdf5", "webdataset"])
def dataset(request, make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spans") / request.param
    recipe = make_recipe(storage={"format": request.param})
    synthgen.generate(recipe, folder, workers=0, progress=False)
    return synthgen.open(folder)


@pytest.mark.parametrize("name", ["image", "mask", "params"])
def test_bytes_are_those_of_each_sample(dataset, name):
    reader, _ = dataset.locate(0)
    span = reader.span(range(1, 6), name)
    stored = span.read()
    for k, row in enumerate(range(1, 6)):
        assert stored.piece(k) == reader.read(row, name)
        assert stored.keys[k].tobytes().rstrip(b"\0").decode() == reader.key(row)
        span.check(k, stored.piece(k))


def test_bytes_of_another_sample_are_refused(dataset):
    reader, _ = dataset.locate(0)
    span = reader.span(range(4), "image")
    stored = span.read()
    with pytest.raises(FormatError, match=f"image of {reader.key(2)} is damaged: its checksum differs"):
        span.check(2, stored.piece(1))


def test_sizes_are_compared(dataset):
    reader, _ = dataset.locate(0)
    span = reader.span(range(4), "image")
    sizes = span.ends - span.begins
    same = span._replace(ends=span.begins + 5)
    same.check_sizes(5)
    wrong = same._replace(ends=same.ends + np.array([0, 0, 1, 0]))
    with pytest.raises(FormatError, match=f"image of {reader.key(2)} must have 5 bytes, got 6"):
        wrong.check_sizes(5)
    assert (sizes > 0).all()
