"""Gradient noise on an endless lattice (Perlin 1985), with hashed gradients."""

import math

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, second_share

# Standard deviation of the noise, measured over a million points.
DEVIATION = 0.176


@numba.njit(cache=True)
def _gradient(seed, row, column):
    """Return the gradient of a corner of the lattice: a point of the square from -1 to 1."""
    bits = hashed(seed, row, column)
    down = 2 * first_share(bits) - 1
    right = 2 * second_share(bits) - 1
    return down, right


@numba.njit(cache=True)
def _fade(share):
    """Return the smooth step of Perlin 2002: its first two derivatives are 0 at 0 and 1."""
    return share * share * share * (share * (share * 6 - 15) + 10)


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
    last_row = np.int64(2**62)
    last_column = np.int64(2**62)
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
        weight = _fade(x)
        left = upper_left[0] * y + upper_left[1] * x
        right = upper_right[0] * y + upper_right[1] * (x - 1)
        upper = left + weight * (right - left)
        left = lower_left[0] * (y - 1) + lower_left[1] * x
        right = lower_right[0] * (y - 1) + lower_right[1] * (x - 1)
        lower = left + weight * (right - left)
        total[i] += gain * (upper + _fade(y) * (lower - upper))


def octave_turn(number: int) -> tuple[float, float]:
    """Return the turn of an octave: each has another, so that no grid shows."""
    angle = 0.6 + 2.4 * number
    return round(math.cos(angle), 9), round(math.sin(angle), 9)


def smooth_noise(rows: np.ndarray, columns: np.ndarray, seed: int, period: float) -> np.ndarray:
    """Return smooth noise of deviation 1, float64 (N,), whose bumps are about `period` wide."""
    total = np.zeros(len(rows))
    for number, gain in enumerate((0.9, 0.43)):
        frequency = 2**number / period
        turn = octave_turn(number)
        add_noise(total, rows, columns, derived(seed, number), turn, frequency, gain / DEVIATION)
    return total
