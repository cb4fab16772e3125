"""Small data sets that many tests read."""

import os

import pytest
from hypothesis import settings

import synthgen
from synthgen.recipe import Recipe

# Before torch is loaded, here and in the processes that tests start: small work gains nothing from threads, and on
# a busy machine they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests check behaviour, never time: the first call of a compiled function may take seconds. The same examples on
# each run, so that a failure is due to the change at hand; `pytest --hypothesis-profile=explore` looks for new
# ones.
settings.register_profile("synthgen", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("synthgen")


def small_recipe(**changes) -> Recipe:
    """Return a recipe that draws in a blink: 5 classes x 8 images of 32 x 32 in 5 shards of 9."""
    values = {
        "family": "fractals", "classes": 5, "per_class": 8, "size": 32, "points": 500, "systems": 3,
        "storage": {"shard_size": 9},
    }  # fmt: skip
    storage = {**values["storage"], **changes.pop("storage", {})}
    return Recipe.from_dict({**values, **changes, "storage": storage})


@pytest.fixture(scope="session")
def make_recipe():
    return small_recipe


@pytest.fixture(scope="session", params=["hdf5", "webdataset"])
def data_set(request, tmp_path_factory):
    """A finished small data set in each format; tests must not change it."""
    folder = tmp_path_factory.mktemp("data") / request.param
    synthgen.generate(small_recipe(storage={"format": request.param}), folder, workers=0, progress=False)
    return folder


@pytest.fixture
def copy_of(tmp_path):
    """Return a function that copies a data set, so that a test may damage it."""
    import shutil

    def copy(folder):
        target = tmp_path / "copy"
        shutil.copytree(folder, target)
        return target

    return copy
