"""Wilcoxon's signed-rank test: whether one model is better than another over classes.

Source: Wilcoxon 1945; recommended for such tables by Demšar 2006.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from synthgen.metrics.inputs import numbers
from synthgen.metrics.intervals import ranks

_ROUNDING = 1e-12  # between differences of scores in 0..1 that are meant to be equal


class SignedRanks(NamedTuple):
    """What a test says of paired differences.

    Attributes
    ----------
    positive, negative, equal : int
        Differences above, below and at 0; those at 0 are left out of the test.
    statistic : float
        The smaller of the sums of ranks of positive and of negative differences.
    p : float
        How often as uneven sums come by chance, either way, if neither is better; 1 where nothing differs.
    """

    positive: int
    negative: int
    equal: int
    statistic: float
    p: float


def signed_ranks(differences: Sequence[float]) -> SignedRanks:
    """Return the exact two-sided signed-rank test of paired differences, (N,).

    The lengths of the differences are ranked, equal ones share the mean of their ranks. Under chance every sign is
    as likely as the other: all 2^N ways are counted, ties included. Differences of scores in 0..1 are rounded, so
    that lengths count as equal where they are no further than 1e-12 apart, and as 0 up to there.

    Raises
    ------
    UsageError
        If a difference is no finite number.

    Examples
    --------
    >>> signed_ranks([0.3, 0.1, 0.4, 0.2, 0.5])
    SignedRanks(positive=5, negative=0, equal=0, statistic=0.0, p=0.0625)
    """
    given = _without_rounding(numbers(differences, "differences"))
    unequal = given[given != 0]
    positive = int(np.count_nonzero(unequal > 0))
    negative = len(unequal) - positive
    equal = len(given) - len(unequal)
    if not len(unequal):
        return SignedRanks(0, 0, equal, 0.0, 1.0)

    # ranks may end in a half: twice of each is a whole number
    lengths = np.abs(unequal)
    doubled = 2 * ranks(lengths, "down")
    doubled = np.rint(doubled).astype(int)
    of_positive = doubled[unequal > 0]
    upper = int(of_positive.sum())
    lower = int(doubled.sum()) - upper
    least = min(upper, lower)

    chances = _chances(doubled)
    tail = chances[: least + 1]
    p = 2 * float(tail.sum())
    return SignedRanks(positive, negative, equal, least / 2, min(1.0, p))


def _without_rounding(differences: np.ndarray) -> np.ndarray:
    """Return differences whose lengths are equal where they differ by no more than rounding; short ones are 0."""
    lengths = np.abs(differences)
    order = np.argsort(lengths, kind="stable")
    rising = np.append(0.0, lengths[order])

    # a length that is hardly above the one before belongs to it
    steps = np.diff(rising)
    is_new = steps > _ROUNDING
    groups = np.append(0, np.cumsum(is_new))
    first_of = np.flatnonzero(np.append(True, is_new))

    equal = np.empty_like(lengths)
    equal[order] = rising[first_of[groups[1:]]]
    return np.copysign(equal, differences)


def _chances(weights: np.ndarray) -> np.ndarray:
    """Return the probability of each sum of those weights that are drawn, each with probability 1/2."""
    largest = int(weights.sum())
    chances = np.zeros(largest + 1)
    chances[0] = 1.0
    for weight in weights:
        drawn = np.zeros_like(chances)
        drawn[weight:] = chances[:-weight]
        chances = (chances + drawn) / 2
    return chances


def holm(values: Sequence[float]) -> np.ndarray:
    """Return probabilities of several tests, corrected for their number (Holm 1979), (M,).

    Raises
    ------
    UsageError
        If a probability is no finite number.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    given = numbers(values, "values")
    count = len(given)
    order = np.argsort(given, kind="stable")
    rising = given[order]
    factors = np.arange(count, 0, -1)
    raised = np.maximum.accumulate(factors * rising)

    corrected = np.empty(count)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected
