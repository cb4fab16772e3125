"""Intervals of the numbers of a table, by resampling the test images of each category."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.metrics import intervals
from synthgen.metrics.auroc_interval import auroc_interval, mean_interval
from synthgen.metrics.registry import METRICS
from synthgen.torch.evaluation.predictions import ALL, Predictions
from synthgen.torch.evaluation.table import MEAN, Row

_IMAGE_AUROC = "image_auroc"
_UNTOLD = "-: every draw of these images scores the same, so that the value may be far off"


def samples_of(
    predictions: Predictions, resamples: int = intervals.RESAMPLES, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Return the metrics of resamples, (R,), for each category.

    The draws depend on the seed, the name of the category and its images alone: they are the same for every model.

    Parameters
    ----------
    predictions : Predictions
    resamples, seed
        As for `synthgen.metrics.intervals.draws`.
    """
    found = {}
    for category, _ in predictions.parts():
        part = predictions.part(category)
        weights = intervals.draws(part.labels, resamples, seed, category)
        found[category] = intervals.resampled(intervals.count_part(part), weights)
    return found


def bounds_of(
    predictions: Predictions, rows: Sequence[Row], resamples: int = intervals.RESAMPLES, seed: int = 0
) -> list[dict[str, Any]]:
    """Return the 95 % intervals of the values of whole categories, and of their mean.

    Parameters
    ----------
    predictions, resamples, seed
        As for `samples_of`.
    rows : sequence of Row
        As `measure` gives them. What has no resamples (such as F1) has no interval.

    Returns
    -------
    list of dict
        ``category``, ``metric``, ``value``, ``low``, ``high`` and ``images``. ``low`` and ``high`` are None where
        the resamples are all alike, and do not tell.
    """
    of_categories = samples_of(predictions, resamples, seed)
    categories = [row for row in rows if row.kind == ALL and row.category != MEAN]
    bounds = []
    for row in rows:
        if row.kind != ALL:
            continue
        samples = _pooled(of_categories) if row.category == MEAN else of_categories[row.category]
        own = categories if row.category == MEAN else [row]
        bounds += _bounds_of(row, samples, own)
    return bounds


def _bounds_of(row: Row, samples: dict[str, np.ndarray], own: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the intervals of the values of a row that have resamples; it is the mean of its `own` rows."""
    images = row.normal + row.anomalous
    bounds = []
    for name, value in row.values.items():
        if name not in samples:
            continue
        low: float | None
        high: float | None
        low, high = intervals.interval(samples[name], value)
        if math.isnan(low):
            low = high = None
        if name == _IMAGE_AUROC:
            of_each = [auroc_interval(each.values[name], each.normal, each.anomalous) for each in own]
            low, high = mean_interval([each.values[name] for each in own], of_each)
        bound = {
            "category": row.category,
            "metric": name,
            "value": value,
            "low": low,
            "high": high,
            "images": images,
        }
        bounds.append(bound)
    return bounds


def _pooled(of_categories: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the samples of the mean over categories, of those metrics that all of them have."""
    first, *others = of_categories.values()
    pooled = {}
    for name in first:
        if all(name in samples for samples in others):
            of_each = [first[name], *(samples[name] for samples in others)]
            pooled[name] = intervals.pooled(of_each)
    return pooled


def format_bounds(bounds: Sequence[dict[str, Any]]) -> str:
    """Return the intervals as text."""
    width = max(len(bound["category"]) for bound in bounds)
    width = max(width, len("category"))
    lines = [f"{'category':{width}s}  {'metric':12s}  value  95 % interval  images"]
    for bound in bounds:
        heading = METRICS[bound["metric"]].heading
        place = f"{bound['category']:{width}s}  {heading:12s}"
        span = "-" if bound["low"] is None else f"{bound['low']:.3f}..{bound['high']:.3f}"
        lines.append(f"{place}  {bound['value']:.3f}  {span:>13s}  {bound['images']:6d}")
    if any(bound["low"] is None for bound in bounds):
        lines.append(_UNTOLD)
    return "\n".join(lines)
