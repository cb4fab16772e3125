"""Visual atoms and RCDB: what a class has in common, and in what its images differ."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.families import radial
from synthgen.recipe import Recipe, load_recipe

KINDS = ("visualatom", "rcdb")
OF_A_CLASS = {
    "visualatom": {"vertices", "orbits", "noise", "drift", "waves", "radius", "oval"},
    "rcdb": {"vertices", "orbits", "noise", "drift", "waves"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_a_class_share_its_numbers_and_nothing_else(kind):
    options = radial.Options(kind=kind)
    found = [radial.sample(options, 0, 5, index) for index in range(6)]
    for name in found[0]:
        values = {str(params[name]) for params in found}
        shared = name in OF_A_CLASS[kind] | {"class", "kind"}
        assert len(values) == 1 if shared else len(values) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_lie_in_the_ranges_of_the_authors(kind):
    options = radial.Options(kind=kind)
    classes = [radial.sample_class(options, 0, label) for label in range(300)]
    vertices = np.array([own["vertices"] for own in classes])
    assert (vertices.min() >= 200) == (kind == "visualatom")
    assert vertices.max() <= (1000 if kind == "visualatom" else 200)
    assert {own["orbits"] for own in classes} <= set(range(1, 201))
    if kind == "visualatom":
        assert all(first != second or first == 0 for first, second in (own["waves"] for own in classes))
        assert {wave for own in classes for wave in own["waves"]} == set(range(21))
    else:
        # exponential: few vertices are more frequent
        assert (vertices < 70).sum() > (vertices > 130).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_is_what_an_orbit_covers(kind):
    options = radial.Options(kind=kind, noise=(2.0, 4.0), orbits=(5, 9))
    for label in range(6):
        pixels, fields, _ = radial.draw(radial.sample(options, 0, label, 0), (64, 96))
        background = 0 if kind == "visualatom" else 255
        assert (pixels[fields["mask"] == 0] == background).all()


def test_a_larger_image_shows_the_same_contour():
    options = radial.Options(orbits=(30, 60))
    params = radial.sample(options, 0, 6, 1)
    little, large = (radial.draw(params, (side, side))[1]["mask"] > 0 for side in (64, 256))
    covered = large.reshape(64, 4, 64, 4).any(axis=(1, 3))
    assert (little & ~covered).mean() < 0.02


def test_recipes_have_the_counts_of_their_papers():
    for name in ("visualatom-1k", "rcdb-1k"):
        recipe = load_recipe(name)
        assert (recipe.classes, recipe.per_class, recipe.size) == (1000, 1000, (512, 512))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices": "2:9"}, "vertices must be int >= 3"),
        ({"frequencies": "9:2"}, "frequencies must be LOW:HIGH with LOW <= HIGH, got 9:2"),
        ({"kind": "atom"}, "kind must be one of visualatom, rcdb"),
    ],
)
def test_wrong_options_are_named(change, message):
    with pytest.raises(UsageError, match=message):
        Recipe.from_dict({"family": "radial", **change})
