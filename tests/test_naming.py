"""A data set without a name is called after what makes it: other options, another name."""

import pytest

from synthgen import families
from synthgen.naming import default_name
from synthgen.recipe import Recipe, load_recipe

NAMES = [
    ("fractals", {}, "fractals-1000x1000"),
    ("fractals", {"classes": 10, "per_class": 20}, "fractals-10x20"),
    ("fractals", {"size": 128, "seed": 3}, "fractals-size128-seed3-1000x1000"),
    ("fractals", {"scheme": "fractaldb", "maps": "2:8"}, "fractals-fractaldb-maps2-8-1000x1000"),
    ("fractals", {"gray": True, "patch": False}, "fractals-no-patch-gray-1000x1000"),
    ("mandelbulb", {"hybrid": True, "classes": 4, "per_class": 1}, "mandelbulb-hybrid-4x1"),
    ("mandelbulb", {"classes": 4, "rules": "40,222"}, "mandelbulb-rules40-222-4x1"),
    ("mandelbulb", {"classes": 4, "fields": "depth,normal"}, "mandelbulb-depth-normal-4x1"),
    ("stains", {"mesh": "bolt", "per_class": 1}, "stains-bolt-1x1"),
    ("stains", {"stains": False, "size": "640x480"}, "stains-no-stains-size640x480-1x80"),
    ("stains", {"cell_size": 5}, "stains-1x80"),
    ("multiformula", {"source": "hybrid", "classes": 4, "per_class": 2}, "multiformula-hybrid-4x2"),
]


@pytest.mark.parametrize(("family", "options", "name"), NAMES)
def test_a_name_says_what_was_chosen(family, options, name):
    assert Recipe.from_dict({"family": family, **options}).name == name


# Options of each family, each in a few values; the first one is the default.
VALUES = {
    "fractals": {
        "points": [100_000, 20_000, 20_001],
        "scheme": ["grouped", "fractaldb", "1p-frac"],
        "maps": ["2:4", "2:3", "3:4"],
        "augment": [True, False],
        "gray": [False, True],
        "background": ["black", "diamond-square"],
        "size": [256, 64, "64x32", "32x64"],
        "seed": [0, 1, 2],
        "classes": [1000, 10],
        "per_class": [1000, 10],
    },
    "mandelbulb": {
        "hybrid": [False, True],
        "power": [None, "3:9", "9:9"],
        "latitude": [None, "-1:1", "-1:0.5"],
        "supersample": [2, 1],
        "background": ["white", "black"],
        "fields": [None, "depth", "normal", "depth,normal"],
        "per_class": [1, 2],
    },
    "stains": {
        "layout": ["train", "test"],
        "stains": [True, False],
        "cell_size": [5, 4, 4.25],
        "light": ["ring", "random"],
        "exposure": ["1:1", "0.5:1.123456789", "0.5:1.12345678"],
        "mesh": [None, "bolt", "ring"],
        "fields": [None, "clean"],
    },
    "multiformula": {
        "source": ["fractals", "hybrid", "mandelbulb"],
        "objects": ["4:10", "4:9"],
        "background": ["black", "diamond-square"],
        "blur": [False, True],
        "systems": [100, 99],
    },
}


@pytest.mark.parametrize("family", VALUES)
def test_data_sets_that_differ_in_options_differ_in_their_names(family):
    names = {}
    for key, values in VALUES[family].items():
        for value in values:
            given = {} if value is None else {key: value}
            recipe = Recipe.from_dict({"family": family, **given})
            names.setdefault(recipe.name, set()).add(recipe.data_fingerprint)
    assert all(len(prints) == 1 for prints in names.values())
    assert len(names) == 1 + sum(len(values) - 1 for values in VALUES[family].values())


@pytest.mark.parametrize("family", families.FAMILIES)
def test_every_family_is_called_by_its_name_where_nothing_is_changed(family, tmp_path):
    module = families.load(family)
    options = families.example_of(module, tmp_path)
    assert Recipe.from_dict({"family": family, **options}).name.startswith(f"{family}-")


def test_a_name_that_was_given_stays():
    assert load_recipe("tiny-fractals", {"size": 128}).name == "tiny-fractals"


def test_long_names_end_in_a_digest_and_stay_apart():
    recipes = [
        Recipe.from_dict({"family": "mandelbulb", "classes": 4, "rules": list(range(40, last))})
        for last in (90, 91)
    ]
    names = [default_name(recipe, families.load("mandelbulb")) for recipe in recipes]
    assert [len(name) for name in names] == [100, 100]
    assert names[0] != names[1]
    assert all(name.endswith("-4x1") for name in names)
