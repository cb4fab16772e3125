"""The scrambler behind seeds in compiled code."""

import numba
import numpy as np

u64 = np.uint64

_STEP = u64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = u64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = u64(0x94D049BB133111EB)


@numba.njit(cache=True)
def mix(z):
    """Return 64 bits scrambled, all of uint64: splitmix64 (Steele, Lea and Flood 2014)."""
    z = z + _STEP
    z = _folded(z, u64(30))
    z = z * _FIRST_FACTOR
    z = _folded(z, u64(27))
    z = z * _SECOND_FACTOR
    return _folded(z, u64(31))


@numba.njit(cache=True)
def _folded(z, bits):
    """Return 64 bits, changed by their own upper ones."""
    upper = z >> bits
    return z ^ upper
