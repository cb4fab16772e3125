"""Calibration: the scores of one model become comparable with those of others, by held-out normal images.

Pure functions on tensors. A calibration is one vector of numbers, so that a file can keep it; `calibrated` maps
scores of any shape by it. All of these maps grow with the score, so they change no order of images or pixels.
"""

from __future__ import annotations

import torch

from synthgen.errors import UsageError

#: Ways to calibrate.
WAYS = ("z", "tail", "synthetic", "none")
# Quantiles that `tail` keeps, and from which share of the scores on the tail is fitted.
QUANTILES = 4096
TAIL = 0.99
# How heavy a tail may be; 0.5 still has a variance.
_MOST_SHAPE = 0.5
_STEPS = 50
_SETTLED = 1e-9
_RIDGE = 1e-3
# So that a score that tells nothing still keeps its order.
_LEAST_SLOPE = 1e-6


def length_of(way: str) -> int:
    """Return how many numbers a calibration has."""
    if way == "none":
        return 0
    return QUANTILES + 3 if way == "tail" else 2


def by_moments(scores: torch.Tensor) -> torch.Tensor:
    """Return the calibration ``z`` of scores of normal images: their mean and deviation, (2,)."""
    values = scores.double()
    mean = values.mean()
    deviation = values.std(correction=0)
    numbers = torch.stack([mean, _positive(deviation)])
    return numbers.float()


def by_tail(scores: torch.Tensor) -> torch.Tensor:
    """Return the calibration ``tail`` of scores of normal images.

    Returns
    -------
    Tensor, (QUANTILES + 3,)
        The quantiles from 0 to `TAIL`, evenly; then the number of scores, and scale and shape of the generalised
        Pareto distribution of what lies beyond, by its moments (Hosking and Wallis 1987).
    """
    values = scores.flatten().double()
    ascending = values.sort().values
    quantiles = _quantiles(ascending)

    last = quantiles[-1]
    is_beyond = ascending > last
    beyond = ascending[is_beyond] - last
    scale, shape = _pareto(beyond, ascending)

    count = len(ascending)
    tail = torch.tensor([count, scale, shape]).double()
    numbers = torch.cat([quantiles, tail])
    return numbers.float()


def _quantiles(ascending: torch.Tensor) -> torch.Tensor:
    """Return the quantiles from 0 to `TAIL` of ascending scores, (QUANTILES,)."""
    last = len(ascending) - 1
    levels = torch.linspace(0, TAIL, QUANTILES, dtype=torch.float64)
    places = levels * last

    below = places.floor().long()
    above = (below + 1).clamp(max=last)
    share = places - below
    return torch.lerp(ascending[below], ascending[above], share)


def _pareto(beyond: torch.Tensor, scores: torch.Tensor) -> tuple[float, float]:
    """Return scale and shape of what lies beyond a quantile."""
    deviation = scores.std(correction=0)
    exponential = (float(_positive(deviation)), 0.0)
    if len(beyond) < 2:
        return exponential

    mean = float(beyond.mean())
    variance = float(beyond.var())
    if mean <= 0 or variance <= 0:
        return exponential

    ratio = mean**2 / variance
    shape = (1 - ratio) / 2
    shape = max(shape, 0.0)
    shape = min(shape, _MOST_SHAPE)
    return mean * (1 - shape), shape


def by_defects(normal: torch.Tensor, defects: torch.Tensor) -> torch.Tensor:
    """Return the calibration ``synthetic``: slope and offset of the log-odds of a defect, (2,).

    Parameters
    ----------
    normal, defects : Tensor
        Scores of normal images or pixels, and of drawn defects; both sides weigh the same.
    """
    of_normal = normal.reshape(-1, 1)
    of_defects = defects.reshape(-1, 1)
    slope, offset = logistic(of_normal, of_defects)
    slope = slope.clamp(min=_LEAST_SLOPE)
    return torch.stack([slope, offset])


def logistic(normal: torch.Tensor, defects: torch.Tensor) -> torch.Tensor:
    """Return a logistic regression with a small ridge, by Newton's method.

    Parameters
    ----------
    normal, defects : Tensor, (N, M) and (K, M)
        Rows of scores; both sides weigh the same.

    Returns
    -------
    Tensor of float32, (M + 1,)
        Weights of the M scores, and the offset: the log-odds that a row is a defect.

    Raises
    ------
    UsageError
        If one side has no row.
    """
    if not len(normal) or not len(defects):
        raise UsageError("normal images and drawn defects must be at least one each, got none")

    # standard scores, and a column for the offset
    rows = torch.cat([normal, defects]).double()
    mean = rows.mean(0)
    spread = rows.std(0, correction=0)
    deviation = _positive(spread)
    standard = (rows - mean) / deviation
    ones = torch.ones_like(rows[:, :1])
    table = torch.cat([standard, ones], dim=1)

    # each side weighs one half
    truth = torch.zeros_like(rows[:, 0])
    truth[len(normal) :] = 1
    shares = torch.full_like(truth, 0.5 / len(normal))
    shares[len(normal) :] = 0.5 / len(defects)
    found = _newton(table, truth, shares)

    weights = found[:-1] / deviation
    offset = found[-1:] - weights @ mean
    numbers = torch.cat([weights, offset])
    return numbers.float()


def _newton(table: torch.Tensor, truth: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return the coefficients that make the weighed truth likeliest."""
    ridge = torch.full_like(table[0], _RIDGE)
    ridge[-1] = _SETTLED  # hardly any on the offset
    found = torch.zeros_like(ridge)

    for _ in range(_STEPS):
        odds = table @ found
        likely = odds.sigmoid()
        missed = shares * (likely - truth)
        gradient = table.T @ missed + ridge * found

        curvature = shares * likely * (1 - likely)
        weighed = curvature[:, None] * table
        hessian = table.T @ weighed + ridge.diag()
        step = torch.linalg.solve(hessian, gradient)

        found = found - step
        if step.abs().max() < _SETTLED:
            break
    return found


def calibrated(scores: torch.Tensor, way: str, numbers: torch.Tensor) -> torch.Tensor:
    """Return scores as a calibration maps them, in the same shape."""
    if way == "z":
        mean, deviation = numbers
        return (scores - mean) / deviation
    if way == "tail":
        return _rarity(scores, numbers)
    if way == "synthetic":
        slope, offset = numbers
        return scores * slope + offset
    return scores


def _rarity(scores: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return minus the logarithm of the share of normal scores that are as high."""
    quantiles = numbers[:QUANTILES].contiguous()
    count, scale, shape = numbers[QUANTILES:]
    level = _level(scores, quantiles)
    as_high = 1 + (1 - level) * count
    rarity = (1 + count).log() - as_high.log()

    # beyond the last quantile, along the tail
    distance = scores - quantiles[-1]
    beyond = distance.clamp(min=0) / scale
    if shape > 0:
        beyond = torch.log1p(shape * beyond) / shape
    return rarity + beyond


def _level(scores: torch.Tensor, quantiles: torch.Tensor) -> torch.Tensor:
    """Return the share of normal scores that lie below each score, `TAIL` at most."""
    found = torch.searchsorted(quantiles, scores.contiguous())
    above = found.clamp(1, QUANTILES - 1)
    below = above - 1

    low = quantiles[below]
    width = quantiles[above] - low
    between = (scores - low) / _positive(width)
    place = below + between.clamp(0, 1)
    return place * TAIL / (QUANTILES - 1)


def _positive(values: torch.Tensor) -> torch.Tensor:
    """Return values of which those that are 0 became 1: nothing varies there."""
    return values.masked_fill(values <= 0, 1)
