"""Chance that belongs to places: 64 bits for each cell of an endless lattice, and numbers made of them."""

import numba
import numpy as np

from synthgen.splitmix import mix, u64

_ROW = u64(0xD6E8FEB86659FD93)
_COLUMN = u64(0xC2B2AE3D27D4EB4F)
_PARTS = 0x9E3779B97F4A7C15
_BITS_24 = u64(0xFFFFFF)
_BITS_16 = u64(0xFFFF)
_OF_24 = 2.0**-24
_OF_16 = 2.0**-16
# The sine of a number of turns, for a quarter turn to both sides: coefficients of odd powers, by least squares.
_SINE = (6.283156, -41.336031, 81.303237, -70.635165)


@numba.njit(cache=True)
def hashed(seed, row, column):
    """Return the 64 bits of a cell; `seed` is uint64, `row` and `column` are whole numbers."""
    down = u64(row) * _ROW
    right = u64(column) * _COLUMN
    return mix(seed + down + right)


@numba.njit(cache=True)
def first_share(bits):
    """Return a number in [0, 1) made of the upper 24 bits."""
    part = bits >> u64(40)
    return np.int64(part) * _OF_24


@numba.njit(cache=True)
def second_share(bits):
    """Return a number in [0, 1) made of the next 24 bits."""
    shifted = bits >> u64(16)
    part = shifted & _BITS_24
    return np.int64(part) * _OF_24


@numba.njit(cache=True)
def third_share(bits):
    """Return a number in [0, 1) made of the last 16 bits."""
    part = bits & _BITS_16
    return np.int64(part) * _OF_16


@numba.njit(cache=True)
def clipped(value, low, high):
    """Return a value, or the nearer one of two bounds."""
    return min(max(value, low), high)


@numba.njit(cache=True, error_model="numpy")
def ramp(distance, softness):
    """Return the share of a pixel that lies inside an edge, from the signed distance of its middle and its size."""
    share = 0.5 + distance / softness
    return clipped(share, 0.0, 1.0)


@numba.njit(cache=True)
def wave(turns):
    """Return the sine of a number of turns, to 1e-6: plain arithmetic, equal on every CPU."""
    place = turns - np.floor(turns + 0.5)
    # the sine of the second half of a half-turn is that of the first
    if place > 0.25:
        place = 0.5 - place
    elif place < -0.25:
        place = -0.5 - place

    square = place * place
    sum_of_last = _SINE[2] + square * _SINE[3]
    sum_of_later = _SINE[1] + square * sum_of_last
    return place * (_SINE[0] + square * sum_of_later)


def derived(seed: int | np.uint64, number: int) -> np.uint64:
    """Return the seed of a part of a thing with a seed of its own."""
    start = int(seed) + number * _PARTS
    wrapped = u64(start % 2**64)
    return u64(mix(wrapped))
