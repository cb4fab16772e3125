"""The order of samples: a seeded permutation of the whole data set that needs no memory.

A Feistel network permutes the numbers below a power of four; numbers at or above the count walk on until they
fall below it (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). FORMAT.md has the constants.
"""

from collections.abc import Callable

import numpy as np

_ROUNDS = 6
# Constants of splitmix64.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Permutation:
    """A permutation of 0..count-1, the same on every machine.

    Parameters
    ----------
    count : int
        At least 1.
    seed : int
        0 <= seed < 2**63.

    Examples
    --------
    >>> order = Permutation(10, seed=0)
    >>> ids = order.forward(np.arange(10))
    >>> sorted(ids.tolist()) == list(range(10)), order.inverse(ids).tolist()
    (True, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """

    def __init__(self, count: int, seed: int):
        bits = (count - 1).bit_length()
        half = max(1, (bits + 1) // 2)
        rounds = np.arange(_ROUNDS, dtype=np.uint64)

        self.count = count
        self._half = np.uint64(half)
        self._mask = np.uint64((1 << half) - 1)
        self._keys = _mix(np.uint64(seed) + rounds)

    def forward(self, positions) -> np.ndarray:
        """Return the sample ids at `positions` of the stored order, int64."""
        return self._walk(positions, self._encrypt)

    def inverse(self, ids) -> np.ndarray:
        """Return the positions at which sample `ids` are stored, int64."""
        return self._walk(ids, self._decrypt)

    def _walk(self, values, step: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        start = np.asarray(values, dtype=np.uint64)
        # never a plain number: NumPy warns of these when they overflow
        found = step(np.atleast_1d(start))

        beyond = found >= self.count
        while beyond.any():
            outside = found[beyond]
            found[beyond] = step(outside)
            beyond = found >= self.count

        numbers = found.astype(np.int64)
        return numbers.reshape(start.shape)

    def _encrypt(self, values: np.ndarray) -> np.ndarray:
        left = values >> self._half
        right = values & self._mask
        for key in self._keys:
            mixed = _mix(right + key) & self._mask
            changed = left ^ mixed
            left = right
            right = changed
        return left << self._half | right

    def _decrypt(self, values: np.ndarray) -> np.ndarray:
        left = values >> self._half
        right = values & self._mask
        for key in self._keys[::-1]:
            mixed = _mix(left + key) & self._mask
            changed = right ^ mixed
            right = left
            left = changed
        return left << self._half | right


def _mix(z: np.ndarray) -> np.ndarray:
    """Scramble 64 bits (the finalizer of splitmix64)."""
    z = z + _STEP
    z ^= z >> np.uint64(30)
    z *= _FIRST
    z ^= z >> np.uint64(27)
    z *= _SECOND
    z ^= z >> np.uint64(31)
    return z
