"""The order of samples: a seeded permutation of the whole data set that needs no memory.

A Feistel network permutes the numbers below a power of four; numbers at or above the count walk on until they
fall below it (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). FORMAT.md has the constants.
"""

import numpy as np

_ROUNDS = 6


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
        self.count = count
        self._half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = _mix(np.uint64(seed) + np.arange(_ROUNDS, dtype=np.uint64))

    def forward(self, positions) -> np.ndarray:
        """Return the sample ids at `positions` of the stored order, int64."""
        return self._walk(positions, self._encrypt)

    def inverse(self, ids) -> np.ndarray:
        """Return the positions at which sample `ids` are stored, int64."""
        return self._walk(ids, self._decrypt)

    def _walk(self, values, step) -> np.ndarray:
        values = step(np.asarray(values, dtype=np.uint64))
        beyond = values >= self.count
        while beyond.any():
            values = np.where(beyond, step(values), values)
            beyond = values >= self.count
        return values.astype(np.int64)

    def _encrypt(self, values):
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right + key) & self._mask)
        return left << self._half | right

    def _decrypt(self, values):
        left, right = values >> self._half, values & self._mask
        for key in self._keys[::-1]:
            left, right = right ^ (_mix(left + key) & self._mask), left
        return left << self._half | right


def _mix(z):
    """Scramble 64 bits (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
