"""Regions, the places that they affect, and masks at the end."""

import numpy as np
import pytest

from synthgen.torch.refinement.region import affected, cleaned, dilated, neighbors, otsu, seen


def square(size=(64, 64), top=20, left=24, side=8):
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_a_mask_grows_by_its_share_of_the_side():
    grown = dilated(square(), 0.1)
    rows, columns = np.nonzero(grown)
    assert (rows.min(), rows.max()) == (14, 33)
    assert (columns.min(), columns.max()) == (18, 37)
    assert not grown[14, 18]  # a disk, not a square
    assert (dilated(square(), 0) == square()).all()


def test_affected_places_are_cells_of_the_region_and_two_more():
    places = affected(square(), (16, 16, 0))
    rows, columns = np.nonzero(places)
    assert (rows.min(), rows.max()) == (5 - 2, 6 + 2)
    assert (columns.min(), columns.max()) == (6 - 2, 7 + 2)
    inner = affected(square(), (12, 12, 2))
    assert (inner == places[2:14, 2:14]).all()


def test_a_wide_border_hides_what_lies_in_it():
    visible = seen((64, 64), [(8, 8, 4)])
    assert not visible[:8].any()
    assert visible[8:56, 8:56].all()
    assert seen((64, 64), [(14, 14, 1)]).all()


def test_otsu_parts_two_heaps_within_its_bounds():
    heaps = np.concatenate([np.full(50, 0.05), np.full(30, 0.9)])
    assert 0.2 <= otsu(heaps) < 0.9
    assert otsu(heaps / 100) == 0.2
    assert otsu(heaps * 100) == 0.8
    assert otsu(np.zeros(9)) == 0.2


def test_small_parts_are_removed_and_thin_ones_stay_unless_opened():
    mask = square()
    mask[50, 5:60] = True  # a scratch
    mask[2:4, 2:4] = True  # dust
    found = cleaned(mask, 6, opening=False)
    assert not found[2:4, 2:4].any()
    assert found[50, 5:60].all()
    assert (cleaned(mask, 6, opening=True) == square()).all()


@pytest.mark.parametrize("size", [(3, 5), (6, 2)])
def test_neighbors_are_all_pairs_with_a_pixel_in_the_region(size):
    region = np.random.default_rng(0).random(size) < 0.3
    expected = set()
    for row in range(size[0]):
        for column in range(size[1]):
            for above, left in ((row - 1, column), (row, column - 1)):
                if min(above, left) >= 0 and (region[row, column] or region[above, left]):
                    expected.add((row * size[1] + column, above * size[1] + left))
    assert {tuple(pair) for pair in neighbors(region).tolist()} == expected
