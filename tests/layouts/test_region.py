"""Regions: which mask is whose, in any of the three ways to give them, and each mistake in one sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import synthgen
from synthgen.errors import UsageError
from synthgen.layouts import open_normal, open_test_set, within
from synthgen.layouts.truth import Truth, truth_within

SIZE = (20, 30)  # of the images of `brick`


@pytest.fixture
def brick(mvtec, trees):
    """A category whose masks cover a part of their images."""
    trees.put(mvtec / "ground_truth" / "hole" / "030_mask.png", trees.mask_of((5, 5, 15, 25)))
    return mvtec


def half(side):
    """Return a mask file's pixels that are white on one side."""
    mask = np.zeros(SIZE, np.uint8)
    columns = slice(0, 15) if side == "left" else slice(15, 30)
    mask[:, columns] = 255
    return mask


def names(images):
    """Return the last folder and the stem of each image's file."""
    return [tuple(entry.name.removesuffix(".png").split("/")[-2:]) for entry in images.entries]


PLACES = {
    "names alone": lambda folder, kind, stem: folder / f"{stem}.png",
    "names of masks": lambda folder, kind, stem: folder / f"{stem}_mask.png",
    "folders of kinds": lambda folder, kind, stem: folder / kind / f"{stem}.png",
    "the whole tree": lambda folder, kind, stem: folder / "test" / kind / f"{stem}_mask.png",
}


@pytest.mark.parametrize("case", PLACES)
def test_each_image_has_the_mask_of_its_name(brick, trees, tmp_path, case):
    images = open_test_set(brick)
    sides = {}
    for number, (kind, stem) in enumerate(names(images)):
        sides[number] = "left" if number % 3 else "right"
        trees.put(PLACES[case](tmp_path / "masks", kind, stem), half(sides[number]))

    for number, item in enumerate(within(images, tmp_path / "masks")):
        inside = half(sides[number]) > 0
        np.testing.assert_array_equal(item.region, inside)
        np.testing.assert_array_equal(item.mask, images[number].mask & inside)
        np.testing.assert_array_equal(item.image, images[number].image)


def test_one_mask_holds_for_all_images_and_is_resized_with_them(brick, trees, tmp_path):
    trees.put(tmp_path / "plate.png", half("left"))
    images = open_test_set(brick, size=(10, 15))
    for item, whole in zip(within(images, tmp_path / "plate.png"), images, strict=True):
        assert item.region[:, :7].all()
        assert not item.region[:, 8:].any()
        assert not (item.mask & ~item.region).any()
        assert item.lost >= whole.lost


def test_a_region_may_be_a_field_of_the_data_set(tmp_path):
    changes = {"fields": ["region"], "size": "64x48", "per_class": 2, "field_of_view": 200, "stains": False}
    synthgen.generate(synthgen.load_recipe("tiny-plates", changes), tmp_path / "plates", workers=0)
    images = open_normal(tmp_path / "plates")
    for entry, item in zip(images.entries, within(images, "region"), strict=True):
        np.testing.assert_array_equal(item.region, entry.field("region") == 255)
        assert item.region.any()
        assert not item.region.all()
    with pytest.raises(UsageError, match=r"plates: must have a field clean, got .*image, .*region"):
        list(within(images, "clean"))


WRONG = {
    "a mask is missing": ("some", r"some: must hold a mask for each image, got none named \d+ for "),
    "two images of one name": ("twice", r"020\.png: must be the mask of one image, got .* and .*: use folders as"),
    "two masks of one image": (
        "double",
        r"double: must hold one mask for each image, got 020\.png and 020_mask",
    ),
    "no file of that name": ("regions", "^region must be a mask, a folder of masks, or a field of .*'regions' for"),
    "a black mask": ("black.png", r"black\.png: must show a region, got a mask that is black"),
    "another size": ("small.png", r"small\.png: must be as large as its image, 30x20, got 4x3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_regions_that_do_not_fit_are_refused(brick, trees, tmp_path, case):
    images = open_test_set(brick)
    given_as, message = WRONG[case]
    trees.put(tmp_path / "black.png", np.zeros(SIZE, np.uint8))
    trees.put(tmp_path / "small.png", np.full((3, 4), 255, np.uint8))
    trees.put(tmp_path / "some" / "999.png", half("left"))
    if given_as == "twice":
        trees.put(brick / "test" / "good" / "020.png", trees.picture(0))
        images = open_test_set(brick)
    trees.put(tmp_path / "double" / "020.png", half("left"))
    trees.put(tmp_path / "double" / "020_mask.png", half("left"))
    for _, stem in names(images):
        trees.put(tmp_path / "twice" / f"{stem}.png", half("left"))
    place = given_as if given_as == "regions" else tmp_path / given_as
    with pytest.raises(UsageError, match=message):
        list(within(images, place))


masks = arrays(bool, (4, 5))


@given(st.lists(masks, min_size=1, max_size=3), masks)
def test_of_a_region_that_saturates_the_same_share_is_enough(wholes, region):
    wholes = [whole for whole in wholes if whole.any()]
    enough = [float(whole.sum()) / 2 for whole in wholes]
    truth = truth_within(Truth((np.zeros((4, 5), np.int32),), tuple(wholes), tuple(enough)), region)
    left = [whole & region for whole in wholes if (whole & region).any()]
    assert len(truth.regions) == len(left)
    for found, wanted, pixels in zip(truth.regions, left, truth.saturation, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert pixels == pytest.approx(wanted.sum() / 2)
