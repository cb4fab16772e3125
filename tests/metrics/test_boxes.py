"""Rotated boxes, against geometry."""

import math

import numpy as np
import pytest
from skimage.measure import points_in_poly

from synthgen.metrics.boxes import Box, Boxes, convex_hull, corners, covered, most_overlap, overlap, smallest_box

BOXES = [
    Box((20.0, 30.0), (10.0, 24.0), 0.0),
    Box((22.5, 31.0), (14.0, 8.0), 0.6),
    Box((26.0, 41.0), (4.0, 30.0), -0.7),
    Box((18.0, 24.5), (20.0, 20.0), math.pi / 8),
    Box((90.0, 90.0), (9.0, 9.0), 0.3),
    Box((20.0, 30.0), (4.0, 6.0), 0.1),
]


def lattice_area(*boxes):
    """Area common to some boxes, by counting the points of a fine lattice."""
    axis = np.arange(0, 110, 0.1) + 0.05
    corner_sets = [corners(box) for box in boxes]
    low, high = corner_sets[0].min(axis=0), corner_sets[0].max(axis=0)
    points = np.array(np.meshgrid(*(axis[(axis > a) & (axis < b)] for a, b in zip(low, high, strict=True))))
    points = points.reshape(2, -1).T
    return np.logical_and.reduce([points_in_poly(points, c) for c in corner_sets]).sum() * 0.01


@pytest.mark.parametrize("first", BOXES)
@pytest.mark.parametrize("second", BOXES)
def test_overlap_is_the_common_area_over_that_of_the_smaller_box(first, second):
    smaller = min(math.prod(first.size), math.prod(second.size))
    assert overlap(first, second) == pytest.approx(lattice_area(first, second) / smaller, abs=0.02)
    assert overlap(first, second) == pytest.approx(overlap(second, first), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_box_holds_all_points_and_no_other_direction_is_smaller(seed):
    points = np.random.default_rng(seed).integers(0, 40, (seed * 4 + 3, 2)) * [1, 2]
    box = smallest_box(points)
    inside = np.abs((points - box.center) @ box.axes.T) <= np.array(box.size) / 2 + 1e-6
    assert inside.all()
    turns = np.linspace(0, math.pi / 2, 2000)
    spread = [
        np.ptp(points @ np.array(((math.cos(t), -math.sin(t)), (math.sin(t), math.cos(t)))), axis=0) for t in turns
    ]
    assert math.prod(box.size) <= min(np.prod(s) for s in spread) + 1e-6
    assert -math.pi / 4 <= box.angle < math.pi / 4


@pytest.mark.parametrize(
    ("points", "size", "angle"),
    [
        ([(3, 4)], (0, 0), 0),
        ([(3, 4), (3, 9), (3, 6)], (0, 5), 0),
        ([(3, 4), (8, 4)], (5, 0), 0),
        ([(0, 0), (1, 2), (2, 4), (3, 6)], (0, math.sqrt(45)), math.atan2(1, 2)),
        ([(0, 0), (0, 7), (3, 0), (3, 7), (2, 2)], (3, 7), 0),
    ],
)
def test_a_point_a_line_and_a_rectangle_have_the_box_one_expects(points, size, angle):
    box = smallest_box(np.array(points))
    assert box.size == pytest.approx(size, abs=1e-9)
    assert box.angle == pytest.approx(angle, abs=1e-9)


def test_the_hull_of_a_shape_has_its_corners_alone():
    points = np.argwhere(np.ones((4, 6), bool))
    assert {tuple(p) for p in convex_hull(points)} == {(0, 0), (0, 5), (3, 0), (3, 5)}


def test_a_box_covers_the_pixels_whose_centers_lie_in_it():
    for box in BOXES:
        inside = covered(box, (110, 120))
        grid = np.argwhere(np.ones((110, 120), bool))
        slightly = [box._replace(size=tuple(s + e for s in box.size)) for e in (-0.01, 0.01)]
        smaller, larger = (points_in_poly(grid, corners(b)).reshape(110, 120) for b in slightly)
        assert (smaller <= inside).all()
        assert (inside <= larger).all()


@pytest.mark.parametrize("first", BOXES)
def test_no_overlap_exceeds_its_bound(first):
    bounds = most_overlap(first, Boxes.of(BOXES))
    for second, bound in zip(BOXES, bounds, strict=True):
        assert overlap(first, second) <= bound + 1e-9
