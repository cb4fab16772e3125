"""Contact sheets: rows of classes, columns of images, fields in place of images or over them."""

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.look.sheet import contact_sheet
from synthgen.recipe import Recipe


def cell_of(sheet, row, column, cell=32):
    """Return the pixels of one image on a sheet, which are below the name of its class."""
    top = 4 + row * (cell + 4 + 16) + 16
    left = 4 + column * (cell + 4)
    return np.asarray(sheet)[top : top + cell, left : left + cell]


def test_a_sheet_shows_classes_spread_over_all_and_their_first_images(data_set):
    dataset = synthgen.open(data_set)
    sheet = contact_sheet(data_set, classes=3, per_class=2, cell=32)
    assert sheet.size == (2 * 36 + 4, 3 * 52 + 4)
    for row, label in enumerate((0, 2, 4)):
        for column in range(2):
            sample = dataset[dataset.find(label, column)]
            np.testing.assert_array_equal(cell_of(sheet, row, column), sample.image)


def test_a_recipe_that_was_not_drawn_gives_the_same_sheet(data_set, make_recipe):
    drawn = contact_sheet(make_recipe(), classes=2, per_class=2, cell=32)
    assert drawn.tobytes() == contact_sheet(data_set, classes=2, per_class=2, cell=32).tobytes()


def test_a_mask_is_laid_over_in_red_or_shown_alone(data_set):
    dataset = synthgen.open(data_set)
    sample = dataset[dataset.find(0, 0)]
    mask = sample.fields["mask"] > 0
    over = cell_of(contact_sheet(data_set, 1, 1, overlay="mask", cell=32), 0, 0)
    np.testing.assert_array_equal(over[~mask], sample.image[~mask])
    assert (over[mask][:, 0] >= 0.55 * 255 - 1).all()
    alone = cell_of(contact_sheet(data_set, 1, 1, field="mask", cell=32), 0, 0)
    np.testing.assert_array_equal(alone[..., 0] > 0, mask)


def test_wide_images_fill_their_cells(make_recipe):
    sheet = contact_sheet(make_recipe(size="64x32"), classes=1, per_class=2, cell=48)
    assert sheet.size == (2 * 52 + 4, 4 + 16 + 24 + 4)


def test_small_images_keep_their_size(make_recipe):
    recipe = make_recipe()
    sheet = contact_sheet(recipe, classes=1, per_class=1, cell=64)
    shown = cell_of(sheet, 0, 0, cell=64)
    np.testing.assert_array_equal(shown[:32, :32], synthgen.render(recipe, 0, 0).image)
    assert (shown[32:] == 255).all()


def test_ids_are_shown_in_colors():
    recipe = Recipe.from_dict({"family": "multiformula", "classes": 1, "per_class": 1, "size": 64})
    ids = synthgen.render(recipe, 0, 0).fields["instances"]
    shown = cell_of(contact_sheet(recipe, 1, 1, field="instances", cell=64), 0, 0, cell=64)
    assert not shown[ids == 0].any()
    for number in np.unique(ids[ids > 0]):
        colors = np.unique(shown[ids == number], axis=0)
        assert len(colors) == 1
        assert len(set(colors[0].tolist())) > 1  # no gray


def test_fields_that_are_not_there_and_sheets_that_are_too_large_are_refused(data_set):
    with pytest.raises(UsageError, match=r"^overlay must be one of .*mask.*, got 'depth'$"):
        contact_sheet(data_set, overlay="depth")
    with pytest.raises(UsageError, match="must have at most 100,000,000 pixels"):
        contact_sheet(data_set, 5, 8, cell=5000)
