"""Intervals of an image AUROC that hold near 1 and for few images, where resampling is blind.

A test set of few images that are told apart has nearly the same AUROC in every resample, whatever the true one is.
Newcombe's interval takes the spread from the AUROC that is asked about, not from the one that was measured.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from synthgen.errors import UsageError
from synthgen.metrics.intervals import LEVEL

_STEPS = 60  # of halving an interval, to the last digit of a double


def auroc_interval(value: float, normal: int, anomalous: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the lower and the upper end of the interval of an AUROC: those that do not speak against it.

    An AUROC speaks against the measured one where they differ by more than the normal quantile times the standard
    deviation that Hanley and McNeil 1982 give for it, with both numbers of images replaced by their mean.

    Source: Newcombe 2006, method 5.

    Parameters
    ----------
    value : float
        Measured, in [0, 1].
    normal, anomalous : int
        Images.
    level : float
        In (0, 1).

    Raises
    ------
    UsageError
        If the value is no AUROC, or there are no images of a kind.

    Examples
    --------
    >>> low, high = auroc_interval(1.0, 30, 30)
    >>> round(low, 3), high
    (0.933, 1.0)
    """
    if not 0 <= value <= 1:
        raise UsageError(f"value must lie in [0, 1], got {value}")
    if min(normal, anomalous) < 1:
        raise UsageError(f"images must be normal and anomalous ones, got {normal} and {anomalous}")

    place = (1 + level) / 2
    deviations = NormalDist().inv_cdf(place)

    def speaks_against(asked: float) -> bool:
        reach = deviations * _deviation(asked, normal, anomalous)
        return abs(asked - value) > reach

    low = _end(0.0, value, speaks_against)
    high = _end(1.0, value, speaks_against)
    return low, high


def _deviation(auroc: float, normal: int, anomalous: int) -> float:
    """Return the standard deviation of measured AUROCs where the true one is this."""
    rest = 1 - auroc
    others = (normal + anomalous) / 2 - 1
    pairs = normal * anomalous

    of_defects = auroc / (1 + auroc)
    of_normal = rest / (1 + rest)
    shared = others * (of_defects + of_normal)
    variance = auroc * rest * (1 + shared) / pairs
    return math.sqrt(variance)


def _end(outside: float, inside: float, speaks_against) -> float:
    """Return where the values that do not speak against `inside` end, on the way to `outside`."""
    if outside == inside:
        return inside
    for _ in range(_STEPS):
        middle = (outside + inside) / 2
        if speaks_against(middle):
            outside = middle
        else:
            inside = middle
    return inside


def mean_interval(values: Sequence[float], of_each: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the interval of the mean of independent numbers, from the interval of each.

    The distances of each number to its ends add as deviations do: the root of the sum of their squares.

    Source: Zou and Donner 2008.

    Parameters
    ----------
    values : sequence of float
    of_each : sequence of (float, float)

    Examples
    --------
    >>> low, high = mean_interval([0.8, 0.6], [(0.7, 0.9), (0.5, 0.6)])
    >>> round(low, 3), round(high, 3)
    (0.629, 0.75)
    """
    below = []
    above = []
    for value, (low, high) in zip(values, of_each, strict=True):
        below.append(value - low)
        above.append(high - value)

    count = len(values)
    mean = sum(values) / count
    down = math.hypot(*below) / count
    up = math.hypot(*above) / count
    return mean - down, mean + up
