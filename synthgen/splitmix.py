"""The scrambler behind seeds in compiled code."""

import numba
import numpy as np

u64 = np.uint64


@numba.njit(cache=True)
def mix(z):
    """Scramble 64 bits: splitmix64 (Steele, Lea and Flood 2014)."""
    z = u64(z + u64(0x9E3779B97F4A7C15))
    z = u64((z ^ (z >> u64(30))) * u64(0xBF58476D1CE4E5B9))
    z = u64((z ^ (z >> u64(27))) * u64(0x94D049BB133111EB))
    return u64(z ^ (z >> u64(31)))
