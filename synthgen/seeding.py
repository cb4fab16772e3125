"""Random streams: the only place of synthgen that makes a generator.

Philox is counter based: its 128-bit key takes the seed and the name of the stream, the upper half of its
256-bit counter takes class and index. Streams never overlap, cost the same to reach in any order, and do
not depend on how many samples were asked for.
"""

from functools import lru_cache
from hashlib import blake2b

import numpy as np

MAX_SEED = 2**63 - 1
# Philox makes so many words of 32 bits of each number of its counter.
_WORDS_OF_A_BLOCK = 8


@lru_cache(maxsize=256)
def name_key(name: str) -> int:
    """Return the word that stands for the name of a stream."""
    data = name.encode()
    digest = blake2b(data, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def generator(seed: int, label: int, index: int, name: str) -> np.random.Generator:
    """Return the generator of one named stream of one sample.

    Parameters
    ----------
    seed : int
        Seed of the data set, 0 <= seed < 2**63.
    label, index : int
        Class and number of the sample (or of the system) within its class.
    name : str
        What the stream is for; streams of different names are independent.

    Returns
    -------
    numpy.random.Generator
        A Philox generator at the start of its stream.

    Examples
    --------
    >>> int(generator(7, 0, 3, "points").integers(100)) == int(generator(7, 0, 3, "points").integers(100))
    True
    """
    key = _Key(seed, name_key(name))
    counter = np.array([0, 0, index, label], dtype=np.uint64)
    stream = np.random.Philox(key, counter=counter)  # type: ignore[arg-type]
    return np.random.Generator(stream)


def noise_generator(seed: int) -> np.random.Generator:
    """Return a generator for a renderer's noise, from a seed that the sampler drew (0 <= seed < 2**64)."""
    key = _Key(seed, 0)
    stream = np.random.Philox(key)  # type: ignore[arg-type]
    return np.random.Generator(stream)


def noise_words(seed: int, first: int, count: int) -> np.ndarray:
    """Return words of 32 random bits for a renderer's noise, uint32 (count,), from a place of their stream on.

    Words ``first`` to ``first + count`` of ``noise_generator(seed).integers(0, 2**32, dtype=uint32, size=..)``.
    """
    blocks, skipped = divmod(first, _WORDS_OF_A_BLOCK)
    rng = noise_generator(seed)
    rng.bit_generator.advance(blocks)  # type: ignore[attr-defined]
    drawn = rng.integers(0, 2**32, skipped + count, np.uint32)
    return drawn[skipped:]


class _Key(np.random.bit_generator.ISeedSequence):
    """Hands a key to Philox as it is; ``Philox(key=...)`` first asks the system for entropy (17 -> 7 us)."""

    def __init__(self, *words: int):
        self._words = np.array(words, dtype=np.uint64)

    def generate_state(self, n_words, dtype=np.uint32):
        return self._words
