"""The outline of a plate, against a slow twin of single points."""

import math

import numpy as np
import pytest

from synthgen.surface.connector.draw import view_of
from synthgen.surface.connector.plan import break_rule, sample_plate
from synthgen.surface.connector.plate import changed_between, edges_of, grid_of, outline_of, pose_of

SHAPE = (40, 56)
POSE = {"angle": 7.0, "at": [2.0, -1.5]}


def distance_of(plate: dict, u: float, v: float) -> float:
    """Return the distance of one point from the outline, below 0 on the metal."""
    over_u = abs(u) - 41
    over_v = abs(v) - 13
    distance = math.hypot(max(over_u, 0), max(over_v, 0)) + min(max(over_u, over_v), 0) - 4
    if plate["cut"]:
        a, b, c = plate["cut"]
        distance = max(distance, a * u + b * v - c)
    for x, y, radius in plate["bites"]:
        distance = max(distance, radius - math.dist((u, v), (x, y)))
    if distance < 0:
        for hole in plate["holes"]:
            distance = max(distance, hole["radius"] - math.dist((u, v), hole["at"]))
    return distance


@pytest.mark.parametrize("kind", ["additional", "cut_corner", "damaged_edge"])
def test_edges_equal_those_of_single_points(kind):
    rng = np.random.default_rng(4)
    plate, _ = break_rule(rng, sample_plate(rng, 7), kind)
    view = view_of(SHAPE)
    grid = grid_of(view)
    edges = edges_of(outline_of(plate), pose_of(POSE), grid, SHAPE)

    turn = math.radians(POSE["angle"])
    for row in range(0, SHAPE[0], 3):
        for column in range(0, SHAPE[1], 3):
            x = grid.left + column * grid.pitch - 2.0
            y = grid.top + row * grid.pitch + 1.5
            u = x * math.cos(turn) + y * math.sin(turn)
            v = y * math.cos(turn) - x * math.sin(turn)
            assert edges.distance[row, column] == pytest.approx(distance_of(plate, u, v), abs=1e-4)
    length = np.hypot(edges.right, edges.down)
    assert np.allclose(length, 1, atol=1e-5)


def test_only_what_shows_an_edge_that_moved_has_changed():
    rng = np.random.default_rng(4)
    plate = sample_plate(rng, 6)
    made, finding = break_rule(rng, plate, "missing")
    view = view_of((128, 128))
    grid = grid_of(view)
    before, after = (edges_of(outline_of(one), pose_of(POSE), grid, view.shape) for one in (plate, made))
    assert not changed_between(before, before, view.pitch).any()
    ((_, _, radius),) = finding["regions"]
    area = changed_between(before, after, view.pitch).sum() * view.pitch**2
    assert math.pi * radius**2 < area < math.pi * (radius + 2) ** 2
