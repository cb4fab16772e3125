"""Craters: round dents over each other, the wider the deeper, as blasting, peening and hammering leave them."""

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.scatter import COLUMN, RADIUS, ROW
from synthgen.texture.shape import Shape

NAME = "craters"
VARIANTS = ("blasted", "peened", "hammered")
# How often craters cover the plane: little of the first surface is left.
_COVER = {"blasted": 5.0, "peened": 3.0, "hammered": 4.0}


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is the exponent of the covered area over the radius, and the ratio of the largest and smallest radius.
    """
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    size, exponent, span = rng.random(3).tolist()
    if variant == "blasted":
        return {"variant": variant, "scale": 3 * 2.5**size, "form": [exponent - 0.5, 2 + 3 * span]}
    if variant == "peened":
        return {"variant": variant, "scale": 6 * 2.5**size, "form": [0.5, 1.2 + 0.8 * span]}
    return {"variant": variant, "scale": 14 * 2**size, "form": [0.5, 1.1 + 0.3 * span]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    levels, habit = scattered(shape)
    box = scatter.box_of(rows, columns, softness)
    things = scatter.gather(levels, habit, box)
    side = max(0.4, 3 * softness)
    tiles = scatter.into_tiles(things, box, side, 0.0)

    total = np.empty(len(rows))
    _dent(total, rows, columns, things, tiles)
    return total


def scattered(shape: Shape) -> tuple[list[scatter.Level], scatter.Habit]:
    """Return what craters lie on the plane."""
    exponent, span = shape.form
    levels = scatter.power_law(shape.seed, exponent, span, _COVER[shape.variant])
    return levels, scatter.Habit(1.0, 0.0, 0.0)


@numba.njit(cache=True)
def _dent(total, rows, columns, things, tiles):
    """Lower each point to the deepest of the craters that it lies in."""
    starts = tiles.starts
    members = tiles.members
    order, ends, ys, xs = scatter.by_tile(tiles.window, rows, columns)
    deepest = np.zeros(len(total))

    for k in range(len(starts) - 1):
        first = ends[k]
        last = ends[k + 1]
        if first < last:
            own = members[starts[k] : starts[k + 1]]
            _dent_tile(deepest[first:last], ys[first:last], xs[first:last], things, own)

    for place in range(len(order)):
        total[order[place]] = deepest[place]


@numba.njit(cache=True, error_model="numpy")
def _dent_tile(deepest, ys, xs, things, members):
    for n in members:
        row = things[n, ROW]
        column = things[n, COLUMN]
        radius = things[n, RADIUS]
        for i in range(len(deepest)):
            down = ys[i] - row
            right = xs[i] - column
            square = down * down + right * right
            height = square / radius - radius
            deepest[i] = min(deepest[i], height)
