"""Fibers: thin strokes that lie over each other, as in felt, paper and carbon mats, or side by side, as scratches do."""

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.lattice import ramp
from synthgen.texture.scatter import COLUMN, COSINE, LENGTH, RADIUS, ROW, SINE, VALUE
from synthgen.texture.shape import Shape

NAME = "fibers"
VARIANTS = ("felt", "combed", "scratches")


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is how often fibers cover the plane, their length over their width, and how much their directions differ.
    """
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    cover = rng.uniform(2.5, 4)
    length = rng.uniform(8, 22)
    spread = 2.0
    if variant == "combed":
        spread = rng.uniform(0.05, 0.4)
    if variant == "scratches":
        cover = rng.uniform(0.15, 0.6)
        length = rng.uniform(25, 60)
        spread = rng.uniform(0.02, 0.3)
    scale = 1.2 * 2.2 ** rng.uniform(0, 1)
    if variant == "scratches":
        scale = 0.7 * 1.8 ** rng.uniform(0, 1)
    return {"variant": variant, "scale": scale, "form": [cover, length, spread]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    levels, habit = scattered(shape)
    box = scatter.box_of(rows, columns, softness)
    things = scatter.gather(levels, habit, box)
    tiles = scatter.into_tiles(things, box, 3.0, softness)

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
    for i in range(len(total)):
        y = rows[i]
        x = columns[i]
        row = np.int64((y - tiles.top) / tiles.side)
        column = np.int64((x - tiles.left) / tiles.side)
        k = row * tiles.across + column

        left = 1.0
        level = 0.0
        for m in range(starts[k], starts[k + 1]):
            n = members[m]
            down = y - things[n, ROW]
            right = x - things[n, COLUMN]
            across = abs(things[n, COSINE] * down - things[n, SINE] * right)
            radius = things[n, RADIUS]
            if across > radius + softness:
                continue
            along = abs(things[n, COSINE] * right + things[n, SINE] * down)
            share = ramp(radius - across, softness) * ramp(things[n, LENGTH] - 2 * radius - along, 4 * radius)
            if share <= 0:
                continue

            # a round thread is bright along its middle; a scratch has its own depth
            place = min(across / radius, 1.0)
            shade = things[n, VALUE] if engraved else 0.5 * things[n, VALUE] + 1 - 0.6 * place * place
            level += left * share * shade
            left *= 1 - share
            if left < 0.01:
                break
        total[i] = level
