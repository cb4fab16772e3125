"""Intervals of an image AUROC that hold near 1 and for few images, where resampling is blind.

A test set of few images that are told apart has nearly the same AUROC in every resample, whatever the true one is.
Newcombe's interval takes the spread from the AUROC that is asked about, not from the one that was measured.
"""

import math
from collections.abc import Sequence

from synthgen.errors import UsageError
from synthgen.metrics.inputs import numbers, share
from synthgen.metrics.intervals import LEVEL, deviations_of

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
        If the value is no AUROC, there are no images of a kind, or the level is out of range.

    Examples
    --------
    >>> low, high = auroc_interval(1.0, 30, 30)
    >>> round(low, 3), high
    (0.933, 1.0)
    """
    value = share(value, "value")
    if not (1 <= normal < math.inf and 1 <= anomalous < math.inf):
        raise UsageError(f"images must be normal and anomalous ones, got {normal} and {anomalous}")

    # numbers of a narrow type would wrap around
    normal = int(normal)
    anomalous = int(anomalous)
    deviations = deviations_of(level)

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

    Raises
    ------
    UsageError
        If there is no number, or one is not finite.

    Examples
    --------
    >>> low, high = mean_interval([0.8, 0.6], [(0.7, 0.9), (0.5, 0.6)])
    >>> round(low, 3), round(high, 3)
    (0.629, 0.75)
    """
    measured = numbers(values, "values").tolist()
    ends = numbers(of_each, "of_each").tolist()
    if not measured:
        raise UsageError("values must hold a number, got none")

    below = []
    above = []
    for value, (low, high) in zip(measured, ends, strict=True):
        below.append(value - low)
        above.append(high - value)

    count = len(measured)
    mean = sum(measured) / count
    down = math.hypot(*below) / count
    up = math.hypot(*above) / count
    return mean - down, mean + up
