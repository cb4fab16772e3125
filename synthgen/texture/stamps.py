"""Fractal stamps: attractors of one iterated function system, scattered and turned (Ugwu et al. 2024, 3.1)."""

from functools import lru_cache

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.scatter import COLUMN, COSINE, RADIUS, REACH, ROW, SINE, VALUE
from synthgen.texture.shape import Shape

NAME = "stamps"
VARIANTS = ("sum", "most")
# Pixels of a side of the drawn attractor, and points of its chaos game.
_SIDE = 96
_POINTS = 15_000
_NUMBERS_OF_A_MAP = 6


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters: `form` is how often stamps cover the plane, and the maps of the system."""
    from synthgen import ifs

    variant = VARIANTS[rng.integers(len(VARIANTS))]
    cover = rng.uniform(0.8, 2.8)
    scale = 10 * 6 ** rng.uniform(0, 1)
    system = ifs.sample_system(rng, maps=(2, 5))
    return {"variant": variant, "scale": scale, "form": [cover, *system.maps.ravel().tolist()]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    levels, habit = scattered(shape)
    box = scatter.box_of(rows, columns, 0.0)
    things = scatter.gather(levels, habit, box)
    tiles = scatter.into_tiles(things, box, 0.5, 0.0)

    total = np.empty(len(rows))
    stamp = attractor(shape.form[1:])
    _fill(total, rows, columns, things, tiles, stamp, shape.variant == "sum")
    return total


def scattered(shape: Shape) -> tuple[list[scatter.Level], scatter.Habit]:
    """Return what stamps lie on the plane, and how they are shaped."""
    cover = shape.form[0]
    levels = scatter.power_law(shape.seed, 0.3, 2.0, cover)
    return levels, scatter.Habit(1.0, 2.0, 1.0)


@lru_cache(maxsize=256)
def attractor(maps: tuple[float, ...]) -> np.ndarray:
    """Return the attractor of a system as gray levels, float32 (_SIDE + 2, _SIDE + 2), with an empty border."""
    from synthgen import ifs

    rows = np.reshape(maps, (-1, 2, 3))
    density = ifs.render(ifs.System(rows), size=_SIDE, points=_POINTS, seed=0)
    return np.pad(np.sqrt(density), 1)


@numba.njit(cache=True)
def _fill(total, rows, columns, things, tiles, stamp, adds):
    starts = tiles.starts
    members = tiles.members
    window = tiles.window
    last = len(stamp) - 1
    middle = last / 2

    for i in range(len(total)):
        k = scatter.tile_at(window, rows[i], columns[i])
        level = 0.0
        for m in range(starts[k], starts[k + 1]):
            n = members[m]
            down = rows[i] - things[n, ROW]
            right = columns[i] - things[n, COLUMN]
            reach = things[n, REACH]
            if down * down + right * right > reach * reach:
                continue

            cosine = things[n, COSINE]
            sine = things[n, SINE]
            zoom = (middle - 0.5) / things[n, RADIUS]
            y = middle + zoom * (cosine * down - sine * right)
            x = middle + zoom * (cosine * right + sine * down)
            if min(y, x) < 0 or max(y, x) >= last:
                continue

            # between four pixels of the stamp, read here: a call would count the array, which took half of all time
            row = int(y)
            column = int(x)
            y -= row
            x -= column
            upper = _mixed(stamp[row, column], stamp[row, column + 1], x)
            lower = _mixed(stamp[row + 1, column], stamp[row + 1, column + 1], x)
            bright = 0.5 + 0.5 * things[n, VALUE]
            value = bright * _mixed(upper, lower, y)
            level = level + value if adds else max(level, value)
        total[i] = level


@numba.njit(cache=True)
def _mixed(first, second, share):
    return first * (1 - share) + second * share
