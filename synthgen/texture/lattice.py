"""Chance that belongs to places: 64 bits for each cell of an endless lattice, and numbers made of them."""

import numba
import numpy as np

from synthgen.splitmix import mix, u64

_ROW = u64(0xD6E8FEB86659FD93)
_COLUMN = u64(0xC2B2AE3D27D4EB4F)
_BITS = u64(0xFFFFFF)
_PART = 2.0**-24
_LAST = u64(0xFFFF)
_LAST_PART = 2.0**-16


@numba.njit(cache=True)
def hashed(seed, row, column):
    """Return the 64 bits of a cell; `seed` is uint64, `row` and `column` are whole numbers."""
    place = seed + u64(row) * _ROW + u64(column) * _COLUMN
    return mix(place)


@numba.njit(cache=True)
def first_share(bits):
    """Return a number in [0, 1) made of the upper 24 bits."""
    part = bits >> u64(40)
    return np.int64(part) * _PART


@numba.njit(cache=True)
def second_share(bits):
    """Return a number in [0, 1) made of the next 24 bits."""
    part = (bits >> u64(16)) & _BITS
    return np.int64(part) * _PART


@numba.njit(cache=True)
def third_share(bits):
    """Return a number in [0, 1) made of the last 16 bits."""
    part = bits & _LAST
    return np.int64(part) * _LAST_PART


@numba.njit(cache=True)
def ramp(distance, softness):
    """Return the share of a pixel that lies inside an edge, from the signed distance of its middle and its size."""
    share = 0.5 + distance / softness
    return min(max(share, 0.0), 1.0)


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
    tail = 81.303237 - 70.635165 * square
    return place * (6.283156 + square * (-41.336031 + square * tail))


def derived(seed: int, number: int) -> np.uint64:
    """Return the seed of a part of a thing with a seed of its own."""
    start = (int(seed) + number * 0x9E3779B97F4A7C15) % 2**64
    return u64(mix(u64(start)))
