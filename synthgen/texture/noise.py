"""Gradient noise on an endless lattice (Perlin 1985), with hashed gradients."""

import math

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, second_share

# Standard deviation of one octave, measured over a million points.
DEVIATION = 0.176
# No cell of any window has this number.
NOWHERE = np.int64(2**62)
# The octaves of smooth noise have these shares of its deviation.
_SMOOTH = (0.9, 0.43)
# Points at a time, and numbers of the gradients at the four corners of a cell.
_BLOCK = 256
_CORNERS = 8


@numba.njit(cache=True)
def _gradient(seed, row, column):
    """Return the gradient of a corner of the lattice: a point of the square from -1 to 1."""
    bits = hashed(seed, row, column)
    down = first_share(bits)
    right = second_share(bits)
    return 2 * down - 1, 2 * right - 1


@numba.njit(cache=True)
def _fade(share):
    """Return the smooth step of Perlin 2002: its first two derivatives are 0 at 0 and 1."""
    cube = share * share * share
    factor = share * (share * 6 - 15) + 10
    return cube * factor


@numba.njit(cache=True)
def _between(first, second, share):
    return first + share * (second - first)


@numba.njit(cache=True)
def add_noise(total, rows, columns, seed, turn, frequency, gain):
    """Add one octave of noise to float64 `total` (N,).

    Parameters
    ----------
    total, rows, columns : ndarray of float64, (N,)
    seed : uint64
    turn : (float, float)
        Cosine and sine of the angle by which the lattice is turned.
    frequency : float
        Cells in a unit of the coordinates.
    gain : float
        Factor of the noise.
    """
    points = len(total)
    ys = np.empty(_BLOCK)
    xs = np.empty(_BLOCK)
    cells = np.empty((2, _BLOCK))
    corners = np.empty((_CORNERS, _BLOCK))

    # in blocks, so that all but the gradients is vector code: 13 -> 6 ns a point
    for first in range(0, points, _BLOCK):
        end = min(first + _BLOCK, points)
        _place(rows[first:end], columns[first:end], turn, frequency, ys, xs, cells)
        _find_gradients(cells, end - first, seed, corners)
        _add_slopes(total[first:end], ys, xs, corners, gain)


@numba.njit(cache=True)
def _place(rows, columns, turn, frequency, ys, xs, cells):
    """Fill in the cells of the lattice that points lie in, and their places in these."""
    cosine, sine = turn
    cell_rows, cell_columns = cells
    for i in range(len(rows)):
        y = frequency * (cosine * rows[i] + sine * columns[i])
        x = frequency * (cosine * columns[i] - sine * rows[i])
        row = np.floor(y)
        column = np.floor(x)
        cell_rows[i] = row
        cell_columns[i] = column
        ys[i] = y - row
        xs[i] = x - column


@numba.njit(cache=True)
def _find_gradients(cells, count, seed, corners):
    """Fill in the gradients at the four corners around each point."""
    cell_rows, cell_columns = cells
    last_row = np.nan
    last_column = np.nan
    upper_left = upper_right = lower_left = lower_right = (0.0, 0.0)

    for i in range(count):
        # neighbors in a line of pixels mostly lie in one cell: half the time of coarse octaves
        if cell_rows[i] != last_row or cell_columns[i] != last_column:
            last_row = cell_rows[i]
            last_column = cell_columns[i]
            row = np.int64(last_row)
            column = np.int64(last_column)
            upper_left = _gradient(seed, row, column)
            upper_right = _gradient(seed, row, column + 1)
            lower_left = _gradient(seed, row + 1, column)
            lower_right = _gradient(seed, row + 1, column + 1)

        corners[0, i], corners[1, i] = upper_left
        corners[2, i], corners[3, i] = upper_right
        corners[4, i], corners[5, i] = lower_left
        corners[6, i], corners[7, i] = lower_right


@numba.njit(cache=True)
def _add_slopes(total, ys, xs, corners, gain):
    """Add the noise of points whose gradients are known."""
    for i in range(len(total)):
        y = ys[i]
        x = xs[i]
        right = _fade(x)
        down = _fade(y)

        # from corner to corner along the row, and then from row to row
        one = corners[0, i] * y + corners[1, i] * x
        other = corners[2, i] * y + corners[3, i] * (x - 1)
        upper = _between(one, other, right)
        one = corners[4, i] * (y - 1) + corners[5, i] * x
        other = corners[6, i] * (y - 1) + corners[7, i] * (x - 1)
        lower = _between(one, other, right)
        total[i] += gain * _between(upper, lower, down)


def octave_turn(number: int) -> tuple[float, float]:
    """Return the turn of an octave: each has another, so that no grid shows."""
    angle = 0.6 + 2.4 * number
    cosine = round(math.cos(angle), 9)
    sine = round(math.sin(angle), 9)
    return cosine, sine


def smooth_noise(rows: np.ndarray, columns: np.ndarray, seed: int | np.uint64, period: float) -> np.ndarray:
    """Return smooth noise of deviation 1, float64 (N,), whose bumps are about `period` wide."""
    total = np.zeros(len(rows))
    for number, share in enumerate(_SMOOTH):
        own_seed = derived(seed, number)
        turn = octave_turn(number)
        frequency = 2**number / period
        add_noise(total, rows, columns, own_seed, turn, frequency, share / DEVIATION)
    return total
