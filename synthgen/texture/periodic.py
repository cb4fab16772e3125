"""Periodic fields: gratings, checks, weave, twill, bricks, tiles, dots and hexagons, no cell like another."""

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, ramp, second_share, wave
from synthgen.texture.shape import Shape

NAME = "periodic"
VARIANTS = ("grating", "checks", "weave", "twill", "bricks", "dots", "hexagons", "knit")

# Those that are made of elements, which may be missing, and how wide an element is along the columns.
WITH_ELEMENTS = ("checks", "weave", "bricks", "dots")


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is the ratio of the periods; width: of a joint, a dot or a gap, or the sharpness of a wave; the shift of
    a row against the one before it; and how much cells differ.
    """
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    ratio = 4 ** rng.uniform(-0.5, 0.5)
    width = rng.uniform(0, 1)
    shift = (0.0, 0.5, 0.5, 1 / 3)[rng.integers(4)]
    variety = rng.uniform(0, 1) ** 2
    scale = 5 * 10 ** rng.uniform(0, 1)
    if variant == "bricks":
        ratio = rng.uniform(1.2, 3.5)
        scale = 8 * 6 ** rng.uniform(0, 1)
    return {"variant": variant, "scale": scale, "form": [ratio, width, shift, variety]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    fill = _FILLS[shape.variant]
    total = np.empty(len(rows))
    fill(total, rows, columns, derived(shape.seed, 0), shape.form, softness)
    return total


def elements(shape: Shape, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return row and column of the element at each point, int64 (N, 2), of a variant in `WITH_ELEMENTS`."""
    ratio, _, shift, _ = shape.form
    if shape.variant == "checks":
        # half a period long and wide
        return np.floor([2 * rows, 2 * columns / ratio]).astype(np.int64).T

    row = np.floor(rows)
    if shape.variant == "dots":
        ratio = 1.0
    if shape.variant == "weave":
        shift = 0.0
    column = np.floor(columns / ratio + shift * row)
    return np.stack([row, column], axis=1).astype(np.int64)


@numba.njit(cache=True)
def _fill_grating(total, rows, columns, seed, form, softness):
    """Fill with stripes, from soft to sharp, each a little brighter or darker."""
    _, width, _, variety = form
    sharpness = 1 + 5 * width * width
    for i in range(len(total)):
        y = rows[i]
        level = wave(y) * sharpness
        level = min(max(level, -1.0), 1.0)
        stripe = hashed(seed, np.int64(np.floor(y + 0.25)), 0)
        total[i] = level + variety * (first_share(stripe) - 0.5)


@numba.njit(cache=True)
def _fill_checks(total, rows, columns, seed, form, softness):
    """Fill with checks, from soft to sharp."""
    ratio, width, _, variety = form
    sharpness = 1 + 5 * width * width
    for i in range(len(total)):
        y = rows[i]
        x = columns[i] / ratio
        level = sharpness * sharpness * wave(y) * wave(x)
        level = min(max(level, -1.0), 1.0)
        check = hashed(seed, np.int64(np.floor(2 * y)), np.int64(np.floor(2 * x)))
        total[i] = level + variety * (first_share(check) - 0.5)


@numba.njit(cache=True)
def _thread(across, along, gap):
    """Return the height of a thread: round across, arched along where it lies on top."""
    side = abs(2 * across - 1) / (1 - gap)
    if side >= 1:
        return 0.0
    bend = 2 * along - 1
    return np.sqrt(1 - side * side) * (1 - 0.55 * bend * bend)


@numba.njit(cache=True)
def _woven(total, rows, columns, seed, form, over, under):
    """Fill with threads: going along a row, `over` cells with the row's thread on top, then `under` others."""
    ratio, width, _, variety = form
    gap = 0.05 + 0.3 * width
    length = over + under
    for i in range(len(total)):
        y = rows[i]
        x = columns[i] / ratio
        row = np.int64(np.floor(y))
        column = np.int64(np.floor(x))
        y -= row
        x -= column

        place = (column - row) % length
        if place < over:
            along = (place + x) / over
            height = _thread(y, along, gap)
            thread = hashed(seed, row, 2**40)
        else:
            # down a column the same order of cells runs backwards
            other = (row - column - 1) % length
            along = (other + y) / under
            height = _thread(x, along, gap)
            thread = hashed(seed, 2**40, column)
        total[i] = height * (1 + variety * (first_share(thread) - 0.5))


@numba.njit(cache=True)
def _fill_weave(total, rows, columns, seed, form, softness):
    """Fill with a plain weave."""
    _woven(total, rows, columns, seed, form, 1, 1)


@numba.njit(cache=True)
def _fill_twill(total, rows, columns, seed, form, softness):
    """Fill with a twill, two over and two under."""
    _woven(total, rows, columns, seed, form, 2, 2)


@numba.njit(cache=True)
def _fill_bricks(total, rows, columns, seed, form, softness):
    """Fill with bricks in rows of shifted bond, with joints, each of another brightness."""
    ratio, width, shift, variety = form
    joint = 0.03 + 0.12 * width
    for i in range(len(total)):
        y = rows[i]
        row = np.int64(np.floor(y))
        x = columns[i] / ratio + shift * row
        column = np.int64(np.floor(x))
        bits = hashed(seed, row, column)

        y = abs(y - row - 0.5)
        x = abs(x - column - 0.5)
        inside = min(0.5 - y, (0.5 - x) * ratio) - joint * (0.8 + 0.4 * second_share(bits))
        # a rounded arris: steep at the joint, flat in the middle
        rim = 0.15 * ramp(inside, 0.3)
        brick = 0.85 + rim + variety * (first_share(bits) - 0.5)
        total[i] = brick * ramp(inside, max(softness, 0.02))


@numba.njit(cache=True)
def _fill_dots(total, rows, columns, seed, form, softness):
    """Fill with dots or holes on a lattice, some a little off their places and of other sizes."""
    _, width, shift, variety = form
    radius = 0.16 + 0.26 * width
    edge = max(softness, 0.03 + 0.2 * (1 - width))
    for i in range(len(total)):
        y = rows[i]
        row = np.int64(np.floor(y))
        x = columns[i] + shift * row
        column = np.int64(np.floor(x))
        bits = hashed(seed, row, column)

        room = 0.6 * (0.5 - radius) * variety
        y = y - row - 0.5 - room * (2 * first_share(bits) - 1)
        x = x - column - 0.5 - room * (2 * second_share(bits) - 1)
        own = radius * (1 - 0.5 * variety * first_share(bits))
        distance = own - np.sqrt(y * y + x * x)
        total[i] = ramp(distance, edge)


@numba.njit(cache=True)
def _fill_hexagons(total, rows, columns, seed, form, softness):
    """Fill with a honeycomb: cells with walls, each of another brightness."""
    _, width, _, variety = form
    wall = 0.04 + 0.12 * width
    height = np.sqrt(3.0)
    for i in range(len(total)):
        # centers of hexagons lie on two rectangular lattices; the nearer center is the cell's
        first_row = np.int64(np.floor(rows[i] / height + 0.5))
        first_column = np.int64(np.floor(columns[i] + 0.5))
        second_row = np.int64(np.floor(rows[i] / height))
        second_column = np.int64(np.floor(columns[i]))
        first_y = rows[i] - height * first_row
        first_x = columns[i] - first_column
        second_y = rows[i] - height * (second_row + 0.5)
        second_x = columns[i] - second_column - 0.5

        nearer = first_y * first_y + first_x * first_x <= second_y * second_y + second_x * second_x
        y = abs(first_y if nearer else second_y)
        x = abs(first_x if nearer else second_x)
        row = 2 * first_row if nearer else 2 * second_row + 1
        column = first_column if nearer else second_column
        bits = hashed(seed, row, column)

        side = max(x, 0.5 * x + 0.5 * height * y)
        inside = 0.5 - side - wall
        total[i] = ramp(inside, max(softness, 0.06)) * (1 + variety * (first_share(bits) - 0.5))


@numba.njit(cache=True)
def _fill_knit(total, rows, columns, seed, form, softness):
    """Fill with the right side of a plain knit: columns of loops, each a V of two slanting strands."""
    ratio, width, _, variety = form
    for i in range(len(total)):
        x = columns[i] / ratio
        column = np.int64(np.floor(2 * x))
        x = 2 * x - column

        # the strands of a loop slant toward each other
        slant = 1 - x if column % 2 == 0 else x
        y = rows[i] + 0.9 * slant
        row = np.int64(np.floor(y))
        height = _thread(y - row, x, 0.05 + 0.25 * width)
        loop = hashed(seed, row, column >> 1)
        total[i] = height * (1 + variety * (first_share(loop) - 0.5))


_FILLS = {
    "grating": _fill_grating,
    "checks": _fill_checks,
    "weave": _fill_weave,
    "twill": _fill_twill,
    "bricks": _fill_bricks,
    "dots": _fill_dots,
    "hexagons": _fill_hexagons,
    "knit": _fill_knit,
}
