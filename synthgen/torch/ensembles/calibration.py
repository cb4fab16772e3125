"""Calibration: the scores of one model become comparable with those of others, by held-out normal images.

Pure functions on tensors. A calibration is one vector of numbers, so that a file can keep it; `calibrated` maps
scores of any shape by it. All of these maps grow with the score, so they change no order of images or pixels.
"""

from __future__ import annotations

import math

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
_RIDGE = 1e-3


def length_of(way: str) -> int:
    """Return how many numbers a calibration has."""
    return {"z": 2, "tail": QUANTILES + 3, "synthetic": 2, "none": 0}[way]


def by_moments(scores: torch.Tensor) -> torch.Tensor:
    """Return the calibration ``z`` of scores of normal images: their mean and deviation, (2,)."""
    values = scores.double()
    deviation = values.std(correction=0)
    return torch.stack([values.mean(), _positive(deviation)]).float()


def by_tail(scores: torch.Tensor) -> torch.Tensor:
    """Return the calibration ``tail`` of scores of normal images.

    Returns
    -------
    Tensor, (QUANTILES + 3,)
        The quantiles from 0 to `TAIL`, evenly; then the number of scores, and scale and shape of the generalised
        Pareto distribution of what lies beyond, by its moments (Hosking and Wallis 1987).
    """
    ascending = scores.flatten().double().sort().values
    levels = torch.linspace(0, TAIL, QUANTILES, dtype=torch.float64)
    places = levels * (len(ascending) - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=len(ascending) - 1)
    share = places - below
    quantiles = ascending[below] * (1 - share) + ascending[above] * share

    beyond = ascending[ascending > quantiles[-1]] - quantiles[-1]
    scale, shape = _pareto(beyond, ascending)
    count = float(len(ascending))
    return torch.cat([quantiles, torch.tensor([count, scale, shape], dtype=torch.float64)]).float()


def _pareto(beyond: torch.Tensor, scores: torch.Tensor) -> tuple[float, float]:
    """Return scale and shape of what lies beyond a quantile."""
    spread = float(_positive(scores.std(correction=0)))
    if len(beyond) < 2:
        return spread, 0.0

    mean = float(beyond.mean())
    variance = float(beyond.var())
    if mean <= 0 or variance <= 0:
        return spread, 0.0
    ratio = mean**2 / variance
    shape = (1 - ratio) / 2
    shape = min(max(shape, 0.0), _MOST_SHAPE)
    return mean * (1 - shape), shape


def by_defects(normal: torch.Tensor, defects: torch.Tensor) -> torch.Tensor:
    """Return the calibration ``synthetic``: slope and offset of the log-odds of a defect, (2,).

    Parameters
    ----------
    normal, defects : Tensor
        Scores of normal images or pixels, and of drawn defects; both sides weigh the same.
    """
    weights = logistic(normal.reshape(-1, 1), defects.reshape(-1, 1))
    least = torch.tensor([1e-6, -math.inf])
    return torch.maximum(weights, least)


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

    rows = torch.cat([normal, defects]).double()
    mean = rows.mean(0)
    deviation = _positive(rows.std(0, correction=0))
    standard = (rows - mean) / deviation
    table = torch.cat([standard, torch.ones(len(rows), 1, dtype=torch.float64)], dim=1)

    truth = torch.cat([torch.zeros(len(normal)), torch.ones(len(defects))]).double()
    shares = torch.where(truth > 0, 0.5 / len(defects), 0.5 / len(normal)).double()
    found = _newton(table, truth, shares)

    weights = found[:-1] / deviation
    offset = found[-1] - weights @ mean
    return torch.cat([weights, offset[None]]).float()


def _newton(table: torch.Tensor, truth: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return the coefficients that make the weighed truth likeliest."""
    ridge = _RIDGE * torch.ones(table.shape[1], dtype=torch.float64)
    ridge[-1] = 0
    found = torch.zeros_like(ridge)
    for _ in range(_STEPS):
        likely = torch.sigmoid(table @ found)
        gradient = table.T @ (shares * (likely - truth)) + ridge * found
        curvature = shares * likely * (1 - likely)
        hessian = table.T @ (curvature[:, None] * table) + torch.diag(ridge + 1e-12)
        step = torch.linalg.solve(hessian, gradient)
        found = found - step
        if step.abs().max() < 1e-9:
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
    last = quantiles[-1]

    # between two quantiles, by interpolation
    above = torch.searchsorted(quantiles, scores.contiguous()).clamp(1, QUANTILES - 1)
    low = quantiles[above - 1]
    high = quantiles[above]
    between = ((scores - low) / _positive(high - low)).clamp(0, 1)
    level = (above - 1 + between) * (TAIL / (QUANTILES - 1))
    rank = (1 + (1 - level) * count) / (1 + count)
    inside = -rank.log()

    # beyond the last one, along the tail
    beyond = (scores - last).clamp(min=0) / scale
    grown = torch.log1p(shape * beyond) / shape if shape > 0 else beyond
    start = -((1 + (1 - TAIL) * count) / (1 + count)).log()
    return torch.where(scores > last, start + grown, inside)


def _positive(values: torch.Tensor) -> torch.Tensor:
    """Return values of which those that are 0 became 1: nothing varies there."""
    return torch.where(values > 0, values, torch.ones_like(values))
