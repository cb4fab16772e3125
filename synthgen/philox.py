"""Many random streams at once, in compiled code: the words that NumPy's Philox draws, and what is made of them.

A generator of NumPy takes 9 us to make. Where a sample takes 50 us altogether, its numbers are drawn here, equal to
those of `synthgen.seeding.generator`.
"""

import numba
import numpy as np

from synthgen.seeding import name_key

u64 = np.uint64

# Philox 4x64 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
_ROUNDS = 10
_FIRST_FACTOR = u64(0xD2E7470EE14C6C93)
_SECOND_FACTOR = u64(0xCA5A826395121157)
_FIRST_STEP = u64(0x9E3779B97F4A7C15)
_SECOND_STEP = u64(0xBB67AE8584CAA73B)

_HALF = u64(32)
_LOWER = u64(0xFFFFFFFF)
_PRECISION = u64(11)


def words(seed: int, labels: np.ndarray, indices: np.ndarray, name: str, count: int) -> np.ndarray:
    """Return the first words of the streams of many samples.

    Parameters
    ----------
    seed, name
        As for `synthgen.seeding.generator`.
    labels, indices : ndarray of int64, (n,)
    count : int
        Words of each stream.

    Returns
    -------
    ndarray of uint64, (n, count)
        What ``generator(seed, label, index, name).bit_generator.random_raw(count)`` returns, for each sample.
    """
    blocks = -(-count // 4)
    drawn = np.empty((len(labels), 4 * blocks), u64)
    _fill(u64(seed), u64(name_key(name)), labels.astype(u64), indices.astype(u64), drawn)
    return drawn[:, :count]


@numba.njit(cache=True)
def _fill(seed, name, labels, indices, drawn):
    blocks = drawn.shape[1] // 4
    for i in range(len(labels)):
        for block in range(blocks):
            counter = u64(block + 1), u64(0), indices[i], labels[i]
            first = 4 * block
            numbers = _scrambled(counter, seed, name)
            drawn[i, first] = numbers[0]
            drawn[i, first + 1] = numbers[1]
            drawn[i, first + 2] = numbers[2]
            drawn[i, first + 3] = numbers[3]


@numba.njit(cache=True)
def _scrambled(counter, first_key, second_key):
    """Return the four words of a counter."""
    a, b, c, d = counter
    for _ in range(_ROUNDS):
        upper_a, lower_a = _product(_FIRST_FACTOR, a)
        upper_c, lower_c = _product(_SECOND_FACTOR, c)
        a = upper_c ^ b ^ first_key
        b = lower_c
        c = upper_a ^ d ^ second_key
        d = lower_a
        first_key = first_key + _FIRST_STEP
        second_key = second_key + _SECOND_STEP
    return a, b, c, d


@numba.njit(cache=True)
def _product(x, y):
    """Return the upper and the lower 64 bits of a product of two words."""
    x_high = x >> _HALF
    x_low = x & _LOWER
    y_high = y >> _HALF
    y_low = y & _LOWER

    low = x_low * y_low
    cross = x_high * y_low + (low >> _HALF)
    other = x_low * y_high + (cross & _LOWER)
    high = x_high * y_high + (cross >> _HALF) + (other >> _HALF)
    return high, x * y


@numba.njit(cache=True)
def uniform(words):
    """Return numbers of [0, 1), float64, one for each word, as `numpy.random.Generator.random` makes them."""
    shifted = words >> _PRECISION
    return shifted * 2.0**-53


@numba.njit(cache=True)
def below(words, count):
    """Return a whole number below `count`, at most 2**32 - 1, and how many words it took.

    It is what ``Generator.integers(count)`` draws first from a stream: halves of words, the lower one first, until
    one is not refused (Lemire, "Fast random integer generation in an interval", 2019).
    """
    if count == 1:
        return 0, 0

    exclusive = u64(count)
    refused = (u64(2**32) - exclusive) % exclusive
    halves = 2 * len(words)
    for k in range(halves):
        word = words[k // 2]
        half = word >> _HALF if k % 2 else word & _LOWER
        product = half * exclusive
        if product & _LOWER >= refused:
            return np.int64(product >> _HALF), k // 2 + 1
    return 0, len(words)
