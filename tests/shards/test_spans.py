"""Spans give the bytes of each sample, in any order, of one shard or of several."""

import os

import numpy as np
import pytest

import synthgen
from synthgen.errors import FormatError
from synthgen.shards.spans import joined


@pytest.fixture(scope="module", params=["hdf5", "webdataset"])
def dataset(request, make_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spans") / request.param
    recipe = make_recipe(storage={"format": request.param})
    synthgen.generate(recipe, folder, workers=0, progress=False)
    return synthgen.open(folder)


@pytest.mark.parametrize("name", ["image", "mask", "params"])
def test_bytes_are_those_of_each_sample(dataset, name):
    reader, _ = dataset.locate(0)
    rows = np.array([5, 1, 2, 2, 8])
    span = reader.span(rows, name)
    stored = span.stored()
    for k, row in enumerate(rows):
        data = span.read(k)
        assert data == reader.read(row, name)
        assert os.pread(stored.descriptors[k], stored.sizes[k], stored.begins[k]) == data
        assert stored.keys[k].tobytes().rstrip(b"\0").decode() == reader.key(row) == span.key(k)
        span.check(k, data)


def test_spans_of_several_shards_are_one(dataset):
    spans = []
    expected = []
    for position in (3, 20, 38):
        reader, row = dataset.locate(position)
        spans.append(reader.span(np.array([row, row]), "mask"))
        expected += 2 * [dataset.encoded(position, "mask")]

    span = joined(spans)
    for k, data in enumerate(expected):
        assert span.read(k) == data
        span.check(k, data)


def test_bytes_of_another_sample_are_refused(dataset):
    reader, _ = dataset.locate(0)
    span = reader.span(np.arange(4), "image")
    with pytest.raises(FormatError, match=f"image of {reader.key(2)} is damaged: its checksum differs"):
        span.check(2, span.read(1))


def test_sizes_are_compared(dataset):
    reader, _ = dataset.locate(0)
    span = reader.span(np.arange(4), "image")
    sizes = span.ends - span.begins
    same = span._replace(ends=span.begins + 5)
    same.check_sizes(5)
    wrong = same._replace(ends=same.ends + np.array([0, 0, 1, 0]))
    with pytest.raises(FormatError, match=f"image of {reader.key(2)} must have 5 bytes, got 6"):
        wrong.check_sizes(5)
    assert (sizes > 0).all()
