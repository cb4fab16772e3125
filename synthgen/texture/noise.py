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
def _slope(gradient, y, x):
    down, right = gradient
    return down * y + right * x


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
    cosine, sine = turn
    last_row = NOWHERE
    last_column = NOWHERE
    upper_left = upper_right = lower_left = lower_right = (0.0, 0.0)

    for i in range(len(total)):
        y = frequency * (cosine * rows[i] + sine * columns[i])
        x = frequency * (cosine * columns[i] - sine * rows[i])
        row = np.int64(np.floor(y))
        column = np.int64(np.floor(x))

        # neighbors in a line of pixels mostly lie in one cell: half the time of coarse octaves
        if row != last_row or column != last_column:
            upper_left = _gradient(seed, row, column)
            upper_right = _gradient(seed, row, column + 1)
            lower_left = _gradient(seed, row + 1, column)
            lower_right = _gradient(seed, row + 1, column + 1)
            last_row = row
            last_column = column

        y -= row
        x -= column
        right = _fade(x)
        down = _fade(y)

        # from corner to corner along the row, and then from row to row
        one = _slope(upper_left, y, x)
        other = _slope(upper_right, y, x - 1)
        upper = _between(one, other, right)
        one = _slope(lower_left, y - 1, x)
        other = _slope(lower_right, y - 1, x - 1)
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
