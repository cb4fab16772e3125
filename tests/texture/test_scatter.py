import numpy as np
import pytest

from synthgen.texture import scatter

HABIT = scatter.Habit(length=3.0, spread=1.0, corner=0.9)


@pytest.fixture
def levels():
    return scatter.power_law(seed=8, exponent=-0.5, span=4.0, cover=2.0)


def test_things_near_a_window_are_those_that_a_search_of_all_cells_finds(plain, levels):
    box = (-1.0, -1.0, 1.5, 1.0)
    table = scatter.gather(levels, HABIT, box)
    found = {(round(row, 4), round(column, 4)) for row, column in table[:, :2].tolist()}

    for thing in plain.things(levels, HABIT, 0.0, 0.0):
        if abs(thing["row"]) < 0.9 and abs(thing["column"]) < 0.9:
            assert (round(thing["row"], 4), round(thing["column"], 4)) in found


def test_a_window_within_another_sees_the_same_things_in_the_same_order(levels):
    large = scatter.gather(levels, HABIT, (-4.0, -4.0, 4.0, 4.0))
    small = scatter.gather(levels, HABIT, (-1.0, -1.0, 1.0, 1.0))
    order = [large[:, 0].tolist().index(row) for row in small[:, 0]]
    assert order == sorted(order)


def test_the_tiles_of_a_thing_hold_every_point_that_it_covers(levels):
    box = (-2.0, -2.0, 2.0, 2.0)
    table = scatter.gather(levels, HABIT, box)
    tiles = scatter.into_tiles(table, box, 0.4, 0.0)
    rng = np.random.default_rng(0)
    for y, x in rng.uniform(-2, 2, (200, 2)):
        k = int((y + 2) / 0.4) * tiles.window.across + int((x + 2) / 0.4)
        members = set(tiles.members[tiles.starts[k] : tiles.starts[k + 1]].tolist())
        down = y - table[:, scatter.ROW]
        right = x - table[:, scatter.COLUMN]
        along = table[:, scatter.COSINE] * right + table[:, scatter.SINE] * down
        across = table[:, scatter.COSINE] * down - table[:, scatter.SINE] * right
        covers = (np.abs(along) < table[:, scatter.LENGTH]) & (np.abs(across) < table[:, scatter.RADIUS])
        reaches = down**2 + right**2 < table[:, scatter.REACH] ** 2
        assert set(np.flatnonzero(covers & reaches).tolist()) <= members


def test_things_cover_the_plane_as_often_as_asked(levels):
    side = 60.0
    table = scatter.gather(levels, scatter.Habit(1.0, 1.0, 0.0), (0.0, 0.0, side, side))
    inside = (np.abs(table[:, :2] - side / 2) < side / 2).all(axis=1)
    area = np.pi * (table[inside, scatter.RADIUS] ** 2).sum()
    assert area / side**2 == pytest.approx(2.0, rel=0.08)
