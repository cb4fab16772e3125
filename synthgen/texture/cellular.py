"""Cellular fields (Worley 1996): distances to hashed centers, cracks between cells, a value for each cell."""

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, ramp, second_share, third_share
from synthgen.texture.shape import Shape

NAME = "cellular"
VARIANTS = ("distance", "walls", "cracks", "values", "pebbles")


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
    _fill(total, rows, columns, derived(shape.seed, 0), number, shape.form, softness)
    return total


@numba.njit(cache=True)
def _find_centers(ys, xs, seed, row, column, jitter):
    """Fill the centers of a cell and its eight neighbors, relative to the cell."""
    for k in range(9):
        down = k // 3 - 1
        right = k % 3 - 1
        bits = hashed(seed, row + down, column + right)
        ys[k] = down + 0.5 + jitter * (first_share(bits) - 0.5)
        xs[k] = right + 0.5 + jitter * (second_share(bits) - 0.5)


@numba.njit(cache=True)
def _nearest(ys, xs, y, x):
    """Return the squared distances to the nearest two of nine centers, and the numbers of both."""
    first = 9.0
    second = 9.0
    nearest = 0
    next_one = 0
    for k in range(9):
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
def _fill(total, rows, columns, seed, variant, form, softness):
    jitter, width = form
    ys = np.empty(9)
    xs = np.empty(9)
    last_row = np.int64(2**62)
    last_column = np.int64(2**62)

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
        if variant == 0:
            total[i] = np.sqrt(first)
            continue

        # distance to the border between both centers
        down = ys[next_one] - ys[nearest]
        right = xs[next_one] - xs[nearest]
        border = (second - first) / (2 * np.sqrt(down * down + right * right) + 1e-9)
        if variant == 1:
            total[i] = border
        elif variant == 2:
            total[i] = ramp(border - width / 2, max(softness, width / 2))
        else:
            bits = hashed(seed, row + nearest // 3 - 1, column + nearest % 3 - 1)
            value = third_share(bits)
            if variant == 3:
                total[i] = 0.5 + (value - 0.5) * ramp(border, softness)
            else:
                dome = min(border / (2 * width + 0.1), 1.0)
                total[i] = (0.5 + 0.5 * value) * np.sqrt(dome * (2 - dome))
