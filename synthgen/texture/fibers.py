"""Fibers: thin strokes that lie over each other, as in felt and paper, or side by side, as scratches do."""

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.lattice import ramp
from synthgen.texture.leaves import ENOUGH
from synthgen.texture.scatter import COLUMN, COSINE, LENGTH, RADIUS, ROW, SINE, VALUE
from synthgen.texture.shape import Shape

NAME = "fibers"
VARIANTS = ("felt", "combed", "scratches")


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is how often fibers cover the plane, their length over their width, and how much their directions differ.
    """
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    size, often, long, differ = rng.random(4).tolist()
    if variant == "scratches":
        form = [0.15 + 0.45 * often, 25 + 35 * long, 0.02 + 0.28 * differ]
        return {"variant": variant, "scale": 0.7 * 1.8**size, "form": form}

    # felt lies any way
    spread = 2.0 if variant == "felt" else 0.05 + 0.35 * differ
    form = [2 + often, 8 + 14 * long, spread]
    return {"variant": variant, "scale": 1.2 * 2.2**size, "form": form}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    levels, habit = scattered(shape)
    box = scatter.box_of(rows, columns, softness)
    things = scatter.gather(levels, habit, box)
    side = max(1.6, 4 * softness)
    tiles = scatter.into_tiles(things, box, side, softness)

    total = np.empty(len(rows))
    engraved = shape.variant == "scratches"
    _fill(total, rows, columns, things, tiles, engraved, softness)
    return total


def scattered(shape: Shape) -> tuple[list[scatter.Level], scatter.Habit]:
    """Return what fibers lie on the plane, and how they are shaped."""
    cover, length, spread = shape.form
    once = cover / (0.5 + 0.5 * length)
    levels = scatter.power_law(shape.seed, 0.0, 2.0, once)
    return levels, scatter.Habit(length, spread, 0.0)


@numba.njit(cache=True)
def _fill(total, rows, columns, things, tiles, engraved, softness):
    starts = tiles.starts
    members = tiles.members
    window = tiles.window

    for i in range(len(total)):
        y = rows[i]
        x = columns[i]
        k = scatter.tile_at(window, y, x)
        left = 1.0
        level = 0.0
        for m in range(starts[k], starts[k + 1]):
            n = members[m]
            down = y - things[n, ROW]
            right = x - things[n, COLUMN]
            radius = things[n, RADIUS]
            across = abs(things[n, COSINE] * down - things[n, SINE] * right)
            if across > radius + softness:
                continue

            along = abs(things[n, COSINE] * right + things[n, SINE] * down)
            to_end = things[n, LENGTH] - 2 * radius - along
            share = ramp(radius - across, softness) * ramp(to_end, 4 * radius)
            shade = things[n, VALUE]
            if not engraved:
                # a round thread is bright along its middle
                place = min(across / radius, 1.0)
                shade = 1 + 0.5 * shade - 0.6 * place * place

            level += left * share * shade
            left *= 1 - share
            if left < ENOUGH:
                break
        total[i] = level
