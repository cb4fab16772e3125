"""The scrambler of compiled code."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.splitmix import mix

ALL = 2**64 - 1


def plain_mix(z):
    """splitmix64 in whole numbers."""
    z = (z + 0x9E3779B97F4A7C15) & ALL
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL
    return z ^ (z >> 31)


@given(st.integers(0, ALL))
def test_all_64_bits_are_those_of_whole_numbers(z):
    assert int(mix(np.uint64(z))) == plain_mix(z)


def test_the_first_number_of_seed_0_is_the_published_one():
    assert int(mix(np.uint64(0))) == 0xE220A8397B1DCDAF
