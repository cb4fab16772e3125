"""Dead leaves (Matheron 1968): opaque discs, rectangles and sheared pieces of all sizes, over each other."""

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.lattice import ramp
from synthgen.texture.scatter import COLUMN, COSINE, LENGTH, RADIUS, REACH, ROW, SINE, VALUE
from synthgen.texture.shape import Shape

NAME = "leaves"
VARIANTS = ("discs", "rectangles", "sheared")
_DISCS = 0
_SHEARED = 2
# Half of the side of a square with the area of a disc of radius 1.
_SQUARE = 0.886
# A pixel of which less than this is left is done.
ENOUGH = 0.01
# How often the leaves cover the plane: exp(-5) of it, 0.7 %, shows the ground.
_COVER = 5.0
# How far leaves reach, see `synthgen.texture.scatter.Habit`.
_CORNERS = {"discs": 0.0, "rectangles": 0.9, "sheared": 1.2}


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is the exponent of the covered area over the radius, the ratio of the largest radius and the smallest,
    how long leaves may be, and how much their directions differ.
    """
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    exponent = rng.uniform(-1.2, 0.8)
    span = rng.uniform(3, 10)
    is_long = rng.random() < 0.5
    length = rng.uniform(1.3, 4) if is_long else 1.0
    spread = 1.0 if rng.random() < 0.5 else rng.uniform(0, 0.4)
    scale = 2.2 * span * 1.8 ** rng.uniform(0, 1)
    return {"variant": variant, "scale": scale, "form": [exponent, span, length, spread]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    levels, habit = scattered(shape)
    box = scatter.box_of(rows, columns, softness)
    things = scatter.gather(levels, habit, box)
    span = shape.form[1]
    side = max(2.5 / span, 5 * softness)
    tiles = scatter.into_tiles(things, box, side, softness)

    total = np.empty(len(rows))
    number = VARIANTS.index(shape.variant)
    _fill(total, rows, columns, things, tiles, number, softness)
    return total


def scattered(shape: Shape) -> tuple[list[scatter.Level], scatter.Habit]:
    """Return what leaves lie on the plane, and how they are shaped."""
    exponent, span, length, spread = shape.form
    # long leaves cover more
    cover = _COVER / (0.5 + 0.5 * length)
    levels = scatter.power_law(shape.seed, exponent, span, cover)
    habit = scatter.Habit(length, spread, _CORNERS[shape.variant])
    return levels, habit


@numba.njit(cache=True)
def _inside(along, across, radius, length, variant):
    """Return how far a point lies inside a leaf, given its place along and across; negative outside."""
    if variant == _DISCS:
        along *= radius / length
        return radius - np.sqrt(along * along + across * across)

    if variant == _SHEARED:
        along += 0.5 * across
    to_end = _SQUARE * length - abs(along)
    to_side = _SQUARE * radius - abs(across)
    return min(to_end, to_side)


@numba.njit(cache=True)
def _fill(total, rows, columns, things, tiles, variant, softness):
    # taken out of the tuple: arrays in a tuple are counted at each use, and so are those that a function is given
    starts = tiles.starts
    members = tiles.members
    window = tiles.window

    for i in range(len(total)):
        k = scatter.tile_at(window, rows[i], columns[i])

        # from the front: what is left of the pixel takes the next leaf
        left = 1.0
        level = 0.0
        for m in range(starts[k], starts[k + 1]):
            n = members[m]
            down = rows[i] - things[n, ROW]
            right = columns[i] - things[n, COLUMN]
            reach = things[n, REACH] + softness
            if down * down + right * right > reach * reach:
                continue

            cosine = things[n, COSINE]
            sine = things[n, SINE]
            along = cosine * right + sine * down
            across = cosine * down - sine * right
            inside = _inside(along, across, things[n, RADIUS], things[n, LENGTH], variant)
            share = ramp(inside, softness)
            level += left * share * things[n, VALUE]
            left *= 1 - share
            if left < ENOUGH:
                break
        total[i] = level
