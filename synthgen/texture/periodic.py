"""Periodic fields: gratings, checks, weaves, bricks, dots, hexagons and knits, no cell quite like another."""

import numba
import numpy as np

from synthgen.texture.lattice import clipped, derived, first_share, hashed, ramp, second_share, wave
from synthgen.texture.shape import Shape

NAME = "periodic"
VARIANTS = ("grating", "checks", "weave", "twill", "bricks", "dots", "hexagons", "knit")
# Those that are made of elements, which may be missing.
WITH_ELEMENTS = ("checks", "weave", "bricks", "dots")
_SHIFTS = (0.0, 0.5, 0.5, 1 / 3)
# Height of a hexagon of width 1, from corner to corner; its rows repeat after two.
_TWO_ROWS = 3**0.5
# The number of a thread, which runs through all cells of the other direction.
_THREAD = 2**40


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is the ratio of the periods; width: of a joint, a dot or a gap, or the sharpness of a wave; the shift of
    a row against the one before it; and how much cells differ.
    """
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    ratio = 4 ** rng.uniform(-0.5, 0.5)
    width = rng.uniform(0, 1)
    shift = _SHIFTS[rng.integers(len(_SHIFTS))]
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
    seed = derived(shape.seed, 0)
    fill(total, rows, columns, seed, shape.form, softness)
    return total


def elements(shape: Shape, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return row and column of the element at each point, int64 (N, 2), of a variant in `WITH_ELEMENTS`."""
    ratio, _, shift, _ = shape.form
    if shape.variant == "checks":
        # half a period long and wide
        rows = 2 * rows
        columns = 2 * columns
    if shape.variant == "dots":
        ratio = 1.0
    if shape.variant in ("checks", "weave"):
        shift = 0.0

    row = np.floor(rows)
    column = np.floor(columns / ratio + shift * row)
    both = np.stack([row, column], axis=1)
    return both.astype(np.int64)


@numba.njit(cache=True)
def _cell(place):
    """Return the number of the cell that a coordinate lies in."""
    return np.int64(np.floor(place))


@numba.njit(cache=True)
def _varied(bits, variety):
    """Return by how much a cell is brighter than the mean."""
    return variety * (first_share(bits) - 0.5)


@numba.njit(cache=True)
def _fill_grating(total, rows, columns, seed, form, softness):
    """Fill with stripes, from soft to sharp, each a little brighter or darker."""
    _, width, _, variety = form
    sharpness = 1 + 5 * width * width
    for i in range(len(total)):
        y = rows[i]
        level = sharpness * wave(y)
        stripe = hashed(seed, _cell(y + 0.25), 0)
        total[i] = clipped(level, -1.0, 1.0) + _varied(stripe, variety)


@numba.njit(cache=True)
def _fill_checks(total, rows, columns, seed, form, softness):
    """Fill with checks, from soft to sharp."""
    ratio, width, _, variety = form
    sharpness = 1 + 5 * width * width
    for i in range(len(total)):
        y = rows[i]
        x = columns[i] / ratio
        down = sharpness * wave(y)
        right = sharpness * wave(x)
        check = hashed(seed, _cell(2 * y), _cell(2 * x))
        total[i] = clipped(down * right, -1.0, 1.0) + _varied(check, variety)


@numba.njit(cache=True)
def _thread(across, along, gap):
    """Return the height of a thread: round across, arched along where it lies on top."""
    side = abs(2 * across - 1) / (1 - gap)
    if side >= 1:
        return 0.0
    bend = 2 * along - 1
    arch = 1 - 0.55 * bend * bend
    return arch * np.sqrt(1 - side * side)


@numba.njit(cache=True)
def _woven(total, rows, columns, seed, form, over):
    """Fill with threads: going along a row, `over` cells have the row's thread on top, and then as many another."""
    ratio, width, _, variety = form
    gap = 0.05 + 0.3 * width
    for i in range(len(total)):
        y = rows[i]
        x = columns[i] / ratio
        row = _cell(y)
        column = _cell(x)
        y -= row
        x -= column

        place = (column - row) % (2 * over)
        if place < over:
            along = (place + x) / over
            height = _thread(y, along, gap)
            thread = hashed(seed, row, _THREAD)
        else:
            # down a column the same order of cells runs backwards
            place = (row - column - 1) % (2 * over)
            along = (place + y) / over
            height = _thread(x, along, gap)
            thread = hashed(seed, _THREAD, column)
        total[i] = height * (1 + _varied(thread, variety))


@numba.njit(cache=True)
def _fill_weave(total, rows, columns, seed, form, softness):
    """Fill with a plain weave."""
    _woven(total, rows, columns, seed, form, 1)


@numba.njit(cache=True)
def _fill_twill(total, rows, columns, seed, form, softness):
    """Fill with a twill, two over and two under."""
    _woven(total, rows, columns, seed, form, 2)


@numba.njit(cache=True)
def _fill_bricks(total, rows, columns, seed, form, softness):
    """Fill with bricks in rows of shifted bond, with joints, each of another brightness."""
    ratio, width, shift, variety = form
    joint = 0.03 + 0.12 * width
    edge = max(softness, 0.02)
    for i in range(len(total)):
        y = rows[i]
        row = _cell(y)
        x = columns[i] / ratio + shift * row
        column = _cell(x)
        bits = hashed(seed, row, column)

        # distances from the middle of the brick, and so to its sides
        down = abs(y - row - 0.5)
        right = abs(x - column - 0.5)
        to_side = min(0.5 - down, ratio * (0.5 - right))
        own_joint = joint * (0.8 + 0.4 * second_share(bits))
        inside = to_side - own_joint

        # a rounded arris: steep at the joint, flat in the middle
        arris = 0.15 * ramp(inside, 0.3)
        brick = 0.85 + arris + _varied(bits, variety)
        total[i] = brick * ramp(inside, edge)


@numba.njit(cache=True)
def _fill_dots(total, rows, columns, seed, form, softness):
    """Fill with dots or holes on a lattice, some a little off their places and of other sizes."""
    _, width, shift, variety = form
    radius = 0.16 + 0.26 * width
    soft = 0.03 + 0.2 * (1 - width)
    edge = max(softness, soft)
    room = 0.6 * (0.5 - radius) * variety
    for i in range(len(total)):
        y = rows[i]
        row = _cell(y)
        x = columns[i] + shift * row
        column = _cell(x)
        bits = hashed(seed, row, column)

        first = first_share(bits)
        second = second_share(bits)
        down = y - row - 0.5 - room * (2 * first - 1)
        right = x - column - 0.5 - room * (2 * second - 1)
        own_radius = radius * (1 - 0.5 * variety * first)
        distance = np.sqrt(down * down + right * right)
        total[i] = ramp(own_radius - distance, edge)


@numba.njit(cache=True)
def _fill_hexagons(total, rows, columns, seed, form, softness):
    """Fill with a honeycomb: cells with walls, each of another brightness."""
    _, width, _, variety = form
    wall = 0.04 + 0.12 * width
    edge = max(softness, 0.06)
    for i in range(len(total)):
        y = rows[i] / _TWO_ROWS
        x = columns[i]

        # centers of hexagons lie on two rectangular lattices: the nearest of each
        even_row = _cell(y + 0.5)
        even_column = _cell(x + 0.5)
        odd_row = _cell(y)
        odd_column = _cell(x)
        even_down = _TWO_ROWS * (y - even_row)
        even_right = x - even_column
        odd_down = _TWO_ROWS * (y - odd_row - 0.5)
        odd_right = x - odd_column - 0.5

        down = abs(even_down)
        right = abs(even_right)
        row = 2 * even_row
        column = even_column
        if odd_down * odd_down + odd_right * odd_right < down * down + right * right:
            down = abs(odd_down)
            right = abs(odd_right)
            row = 2 * odd_row + 1
            column = odd_column

        slanted = 0.5 * right + 0.5 * _TWO_ROWS * down
        inside = 0.5 - max(right, slanted) - wall
        bits = hashed(seed, row, column)
        total[i] = ramp(inside, edge) * (1 + _varied(bits, variety))


@numba.njit(cache=True)
def _fill_knit(total, rows, columns, seed, form, softness):
    """Fill with the right side of a plain knit: columns of loops, each a V of two slanting strands."""
    ratio, width, _, variety = form
    gap = 0.05 + 0.25 * width
    for i in range(len(total)):
        x = 2 * columns[i] / ratio
        column = _cell(x)
        x -= column

        # the strands of a loop slant toward each other
        is_left = column % 2 == 0
        slant = 1 - x if is_left else x
        y = rows[i] + 0.9 * slant
        row = _cell(y)
        height = _thread(y - row, x, gap)
        loop = hashed(seed, row, column >> 1)
        total[i] = height * (1 + _varied(loop, variety))


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
