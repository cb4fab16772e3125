"""Outlines of objects: what they enclose is the object."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.ndimage import label

from synthgen.layouts.outlines import filled, joined_outline, outlines

MASKS = npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()).filter(
    np.any
)
TOUCHING = np.ones((3, 3))


def enclosed(points: np.ndarray, shape) -> np.ndarray:
    """Return which pixels have their middle within a polygon of corners, by counting edges to the left of it."""
    inside = np.zeros(shape, bool)
    for (row, column), (end_row, end_column) in zip(points, np.roll(points, -1, axis=0), strict=True):
        assert row == end_row or column == end_column  # outlines follow the sides of pixels
        inside[min(row, end_row) : max(row, end_row), column:] ^= True
    return inside


@given(MASKS)
def test_outlines_along_corners_enclose_the_object_to_the_pixel(mask):
    pieces = outlines(mask)
    assert len(pieces) == label(mask, TOUCHING)[1]
    total = sum(enclosed(points, mask.shape).astype(int) for points in pieces)
    np.testing.assert_array_equal(total, mask)


@given(MASKS)
def test_an_object_in_one_piece_is_one_polygon_that_gives_it_again(mask):
    regions, count = label(mask, TOUCHING)
    for number in range(1, count + 1):
        piece = regions == number
        points = joined_outline(piece)
        assert len(points) >= 3
        assert piece[tuple(points.T)].all()  # it goes through pixels of the object alone
        np.testing.assert_array_equal(filled(points, *piece.shape), piece)


def test_pieces_are_joined_where_that_costs_less_than_they_have():
    mask = np.zeros((9, 30), bool)
    mask[2:8, 1:7] = mask[3:7, 9:13] = True  # two pixels apart
    mask[4, 29] = True  # one pixel, far away
    mask[4:6, 3:5] = False  # a hole
    found = filled(joined_outline(mask), *mask.shape)
    assert found[4, 29] == 0
    assert (found & mask).sum() == mask.sum() - 1
    assert (found & ~mask).sum() == 2


def test_middles_of_straight_lines_are_left_out():
    assert len(joined_outline(np.ones((50, 70), bool))) == 4
    assert len(outlines(np.ones((50, 70), bool))[0]) == 4
