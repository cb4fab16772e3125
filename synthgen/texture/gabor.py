"""Gabor noise: many short waves that lie scattered over the plane and add up (Lagae et al. 2009, section 3).

Waves of one direction look like brushed or ground metal, waves of all directions like hammered glass or leather.
"""

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.lattice import wave
from synthgen.texture.scatter import COLUMN, COSINE, ROW, SINE, VALUE
from synthgen.texture.shape import Shape

NAME = "gabor"
VARIANTS = ("directed", "scattered")
# How many waves reach a place, on average: from about eight on, their sum shows no parts.
_COVER = 8.0


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters: `form` is the waves over a radius, and how much their directions differ."""
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    size, often, differ = rng.random(3).tolist()
    waves = 1.2 + 2.3 * often

    spread = 2.0
    if variant == "directed":
        spread = 0.02 + 0.3 * differ

    # a wave is 4 pixels long or longer
    scale = 4 * waves * 3**size
    return {"variant": variant, "scale": scale, "form": [waves, spread]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    levels, habit = scattered(shape)
    box = scatter.box_of(rows, columns, softness)
    things = scatter.gather(levels, habit, box)
    tiles = scatter.into_tiles(things, box, 0.3, 0.0)

    total = np.empty(len(rows))
    waves = shape.form[0]
    _add_waves(total, rows, columns, things, tiles, waves)
    return total


def scattered(shape: Shape) -> tuple[list[scatter.Level], scatter.Habit]:
    """Return what waves lie on the plane: all of radius 1, in directions that differ."""
    spread = shape.form[1]
    levels = scatter.power_law(shape.seed, 0.0, 1.0, _COVER)
    return levels, scatter.Habit(1.0, spread, 0.0)


@numba.njit(cache=True)
def _add_waves(total, rows, columns, things, tiles, waves):
    starts = tiles.starts
    members = tiles.members
    order, ends, ys, xs = scatter.by_tile(tiles.window, rows, columns)
    sums = np.zeros(len(total))

    for k in range(len(starts) - 1):
        first = ends[k]
        last = ends[k + 1]
        if first < last:
            own = members[starts[k] : starts[k + 1]]
            _add_to_tile(sums[first:last], ys[first:last], xs[first:last], things, own, waves)

    for place in range(len(order)):
        total[order[place]] = sums[place]


@numba.njit(cache=True)
def _add_to_tile(sums, ys, xs, things, members, waves):
    for n in members:
        row = things[n, ROW]
        column = things[n, COLUMN]
        weight = 2 * things[n, VALUE] - 1
        cosine = things[n, COSINE]
        sine = things[n, SINE]

        for i in range(len(sums)):
            down = ys[i] - row
            right = xs[i] - column
            square = down * down + right * right

            # a bell that ends at the radius, where the published one would be cut off
            near = 1 - square
            bell = near * near
            across = cosine * down - sine * right
            turns = waves * across + 0.25
            value = weight * bell * wave(turns)
            sums[i] += value if square < 1 else 0.0
