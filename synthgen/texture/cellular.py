"""Cellular fields (Worley 1996): distances to hashed centers, cracks between cells, a value for each cell."""

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, ramp, second_share, third_share
from synthgen.texture.noise import NOWHERE
from synthgen.texture.shape import Shape

NAME = "cellular"
VARIANTS = ("distance", "walls", "cracks", "values", "pebbles")
_DISTANCE = 0
_WALLS = 1
_CRACKS = 2
_VALUES = 3
# A cell and its eight neighbors have the centers that may be nearest.
_AROUND = 9


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters: `form` is how far centers lie off the lattice, and a width."""
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    jitter = 0.95 - 0.6 * rng.uniform(0, 1) ** 2
    width = rng.uniform(0.03, 0.25)
    scale = 4 * 12 ** rng.uniform(0, 1)
    return {"variant": variant, "scale": scale, "form": [jitter, width]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    total = np.empty(len(rows))
    number = VARIANTS.index(shape.variant)
    seed = derived(shape.seed, 0)
    _fill(total, rows, columns, seed, number, shape.form, softness)
    return total


@numba.njit(cache=True)
def _find_centers(ys, xs, seed, row, column, jitter):
    """Fill the centers of a cell and its eight neighbors, relative to the cell."""
    for k in range(_AROUND):
        down = k // 3 - 1
        right = k % 3 - 1
        bits = hashed(seed, row + down, column + right)
        y = first_share(bits) - 0.5
        x = second_share(bits) - 0.5
        ys[k] = down + 0.5 + jitter * y
        xs[k] = right + 0.5 + jitter * x


@numba.njit(cache=True)
def _nearest(ys, xs, y, x):
    """Return the squared distances to the nearest two of nine centers, and the numbers of both."""
    first = 9.0
    second = 9.0
    nearest = 0
    next_one = 0
    for k in range(_AROUND):
        down = ys[k] - y
        right = xs[k] - x
        square = down * down + right * right
        if square < first:
            second = first
            next_one = nearest
            first = square
            nearest = k
        elif square < second:
            second = square
            next_one = k
    return first, second, nearest, next_one


@numba.njit(cache=True)
def _to_border(ys, xs, squares, nearest, next_one):
    """Return the distance to the border between the cells of two centers."""
    first, second = squares
    down = ys[next_one] - ys[nearest]
    right = xs[next_one] - xs[nearest]
    apart = np.sqrt(down * down + right * right)
    return (second - first) / (2 * apart + 1e-9)


@numba.njit(cache=True)
def _value(seed, row, column, nearest):
    """Return the number of the cell around one of nine centers."""
    down = nearest // 3 - 1
    right = nearest % 3 - 1
    bits = hashed(seed, row + down, column + right)
    return third_share(bits)


@numba.njit(cache=True)
def _fill(total, rows, columns, seed, variant, form, softness):
    jitter, width = form
    ys = np.empty(_AROUND)
    xs = np.empty(_AROUND)
    last_row = NOWHERE
    last_column = NOWHERE

    for i in range(len(total)):
        row = np.int64(np.floor(rows[i]))
        column = np.int64(np.floor(columns[i]))
        if row != last_row or column != last_column:
            _find_centers(ys, xs, seed, row, column, jitter)
            last_row = row
            last_column = column

        y = rows[i] - row
        x = columns[i] - column
        first, second, nearest, next_one = _nearest(ys, xs, y, x)
        if variant == _DISTANCE:
            total[i] = np.sqrt(first)
            continue

        border = _to_border(ys, xs, (first, second), nearest, next_one)
        if variant == _WALLS:
            total[i] = border
        elif variant == _CRACKS:
            half = width / 2
            total[i] = ramp(border - half, max(softness, half))
        else:
            value = _value(seed, row, column, nearest)
            total[i] = _filled(value, border, variant, width, softness)


@numba.njit(cache=True)
def _filled(value, border, variant, width, softness):
    """Return the level of a point in a cell of a value: flat, or a pebble."""
    if variant == _VALUES:
        share = ramp(border, softness)
        return 0.5 + share * (value - 0.5)

    reach = 2 * width + 0.1
    place = min(border / reach, 1.0)
    dome = np.sqrt(place * (2 - place))
    return dome * (0.5 + 0.5 * value)
