"""Dead leaves (Matheron 1968): opaque discs, rectangles and sheared pieces of all sizes, over each other."""

import numba
import numpy as np

from synthgen.texture import scatter
from synthgen.texture.lattice import ramp
from synthgen.texture.scatter import COLUMN, COSINE, LENGTH, RADIUS, REACH, ROW, SINE, VALUE
from synthgen.texture.shape import Shape

NAME = "leaves"
VARIANTS = ("discs", "rectangles", "sheared")
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
def inside(things, n, down, right, variant):
    """Return how far a point lies inside a leaf, given its offset from the middle; negative outside."""
    cosine = things[n, COSINE]
    sine = things[n, SINE]
    along = cosine * right + sine * down
    across = cosine * down - sine * right
    if variant == 2:
        along += 0.5 * across

    radius = things[n, RADIUS]
    length = things[n, LENGTH]
    if variant == 0:
        along *= radius / length
        return radius - np.sqrt(along * along + across * across)
    # a square of the area of the disc
    rest = 0.886 * length - abs(along)
    return min(rest, 0.886 * radius - abs(across))


@numba.njit(cache=True)
def _fill(total, rows, columns, things, tiles, variant, softness):
    # taken out of the tuple: arrays in a tuple are counted at each use
    starts = tiles.starts
    members = tiles.members

    for i in range(len(total)):
        y = rows[i]
        x = columns[i]
        row = np.int64((y - tiles.top) / tiles.side)
        column = np.int64((x - tiles.left) / tiles.side)
        k = row * tiles.across + column

        # from the front: what is left of the pixel takes the next leaf
        left = 1.0
        level = 0.0
        for m in range(starts[k], starts[k + 1]):
            n = members[m]
            down = y - things[n, ROW]
            right = x - things[n, COLUMN]
            far = things[n, REACH] + softness
            if down * down + right * right > far * far:
                continue

            share = ramp(inside(things, n, down, right, variant), softness)
            if share > 0:
                level += left * share * things[n, VALUE]
                left *= 1 - share
                if left < 0.01:
                    break
        total[i] = level
