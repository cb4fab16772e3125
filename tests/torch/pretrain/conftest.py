"""Images whose places can be told apart, for trainings of both objectives."""

import pytest

import synthgen
from synthgen.recipe import Recipe


@pytest.fixture(scope="module")
def regions(tmp_path_factory):
    """Images with instances: objects of two source classes in each of 4 classes."""
    folder = tmp_path_factory.mktemp("pretrain") / "regions"
    recipe = Recipe.from_dict({
        "family": "multiformula", "source": "fractals", "source_classes": 8, "groups": 4, "classes": 4,
        "per_class": 6, "size": 48, "systems": 1, "points": 40_000, "objects": "2:3", "scale": "0.6:1.0",
    })  # fmt: skip
    synthgen.generate(recipe, folder, workers=0, progress=False)
    return folder


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    """Images of 4 textures, which are their classes."""
    folder = tmp_path_factory.mktemp("pretrain") / "textures"
    recipe = Recipe.from_dict({"family": "textures", "classes": 4, "per_class": 6, "size": 48})
    synthgen.generate(recipe, folder, workers=0, progress=False)
    return folder
