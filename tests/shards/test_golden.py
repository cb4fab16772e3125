"""Data sets of every format version stay readable, and give the pixels that they gave when they were made."""

from pathlib import Path

import pytest

import synthgen

GOLDEN = Path(__file__).parents[1] / "golden"
# content digests, noted when the files were made
DIGESTS = {
    "v1-hdf5": "1cedc5da2188ac189528e6383f55c3665e6ee30445d4ef34fba78367bd5f4f54",
    "v1-webdataset": "1cedc5da2188ac189528e6383f55c3665e6ee30445d4ef34fba78367bd5f4f54",
}


def test_all_golden_data_sets_are_listed():
    assert {p.name for p in GOLDEN.iterdir() if p.is_dir()} == set(DIGESTS)


@pytest.mark.parametrize("name", DIGESTS)
def test_golden_data_sets_are_read(name):
    found = synthgen.verify(GOLDEN / name, pixels=True)
    assert found.problems == []
    assert found.digest == DIGESTS[name]


@pytest.mark.parametrize("name", DIGESTS)
def test_golden_samples_have_what_they_had(name):
    sample = synthgen.open(GOLDEN / name)[0]
    assert sample.image.shape == (32, 32, 3)
    assert set(sample.fields) == {"mask"}
    assert sample.params["class"] == sample.label
