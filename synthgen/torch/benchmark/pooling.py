"""One number for a model on several categories: the pooled mean, and how far it can be believed.

The mean is over all categories of a pool, each of which weighs the same; never the mean of the means of data sets
(Taylor et al. 2025, section 4.1). A category that is missing or failed makes it no number: a mean over what
happened to finish compares nothing.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from synthgen.metrics import intervals
from synthgen.metrics.auroc_interval import auroc_interval, mean_interval
from synthgen.torch.benchmark.record import Record
from synthgen.torch.benchmark.results import Cell, Results, mean, spread

_MEGABYTE = 1e6
_IMAGE_AUROC = "image_auroc"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A model on a pool, by one metric; None is what cannot be said.

    Parameters
    ----------
    model : str
    mean : float or None
        Over the categories of the pool, and for each of them over the seeds.
    cells : int
        Categories that have a value.
    interval : (float, float) or None
        95 %, by resampling the test images; that of an image AUROC by Newcombe 2006. None where all resamples are
        alike.
    sd_classes, sd_seeds : float or None
        Standard deviations over the categories, and of the pooled means of the seeds.
    rank : float or None
        Mean over the categories, among the models that have a value on each.
    tied : bool
        Whether the interval of the difference to the first model holds 0.
    failed, missing : int
        Jobs.
    skipped : bool
        Whether jobs are missing as a package was not installed.
    fit_s, latency_ms, peak_mb, file_mb : float or None
        Costs: mean of fitting, median latency, most memory, largest file.
    """

    model: str
    mean: float | None
    cells: int
    interval: tuple[float, float] | None
    sd_classes: float | None
    sd_seeds: float | None
    rank: float | None
    tied: bool
    failed: int
    missing: int
    skipped: bool
    fit_s: float | None
    latency_ms: float | None
    peak_mb: float | None
    file_mb: float | None


def pooled_lines(results: Results, pool: str, metric: str, better: str = "up", partial: bool = False) -> list[Line]:
    """Return a line for each model, the best first, those without a mean last.

    Parameters
    ----------
    results : Results
    pool : str
    metric : str
    better : {'up', 'down'}
    partial : bool
        Take means over the categories that are there.
    """
    cells = results.pool(pool)
    table = {}
    for model in results.models:
        table[model] = class_values(results, model, cells, metric)
    ranks = _mean_ranks(table, better)

    lines = []
    best = None
    for place, model in enumerate(sorted_models(table, better, partial)):
        samples = _samples(results, model, cells, metric)
        if place == 0:
            best = samples
        numbers = _Numbers(
            values=table[model],
            mean=pooled_mean(table[model], partial),
            samples=samples,
            rank=ranks.get(model),
            tied=place > 0 and _are_tied(best, samples),
        )
        lines.append(_line(results, model, cells, metric, numbers))
    return lines


class _Numbers(NamedTuple):
    """What is known of a model on the categories of a pool."""

    values: list[float | None]
    mean: float | None
    samples: np.ndarray | None
    rank: float | None
    tied: bool


def _are_tied(first: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Return whether the resamples of two models do not tell them apart; they do not say without any."""
    if first is None or other is None:
        return False
    return intervals.is_tied(first, other)


def class_values(results: Results, model: str, cells: Sequence[Cell], metric: str) -> list[float | None]:
    """Return the mean over the seeds for each category."""
    return [results.mean_of_seeds(model, cell, metric) for cell in cells]


def pooled_mean(values: Sequence[float | None], partial: bool = False) -> float | None:
    """Return the mean over categories; with `partial` over those that have a value.

    Examples
    --------
    >>> pooled_mean([0.5, 1.0]), pooled_mean([0.5, None]), pooled_mean([0.5, None], partial=True)
    (0.75, None, 0.5)
    """
    if partial:
        values = [value for value in values if value is not None]
    return mean(values)


def sorted_models(table: dict[str, list[float | None]], better: str = "up", partial: bool = False) -> list[str]:
    """Return the models of a table of categories, the best mean first, those without a mean last."""
    sign = -1 if better == "up" else 1

    def key(model: str) -> tuple[bool, float]:
        value = pooled_mean(table[model], partial)
        return value is None, 0.0 if value is None else sign * value

    return sorted(table, key=key)


def _mean_ranks(table: dict[str, list[float | None]], better: str) -> dict[str, float]:
    """Return the mean rank of each model that has a value on every category."""
    whole = {model: values for model, values in table.items() if values and None not in values}
    if not whole:
        return {}
    numbers = np.array(list(whole.values()), float)
    ranks = intervals.mean_ranks(numbers, better)
    return dict(zip(whole, ranks.tolist(), strict=True))


def _samples(results: Results, model: str, cells: Sequence[Cell], metric: str) -> np.ndarray | None:
    """Return the pooled mean of resamples, (R,)."""
    of_cells = [results.samples(model, cell, metric) for cell in cells]
    there = [samples for samples in of_cells if samples is not None]
    if not there or len(there) < len(of_cells):
        return None
    return intervals.pooled(there)


def _line(results: Results, model: str, cells: Sequence[Cell], metric: str, numbers: _Numbers) -> Line:
    records = results.of_model(model, cells)
    expected = len(cells) * len(results.seeds)
    of_seeds = [seed_mean(results, model, cells, seed, metric) for seed in results.seeds]
    known = [value for value in numbers.values if value is not None]

    interval = None
    if numbers.samples is not None:
        interval = _interval(results, model, cells, metric, numbers)
    return Line(
        model=model,
        mean=numbers.mean,
        cells=len(known),
        interval=interval,
        sd_classes=spread(numbers.values),
        sd_seeds=spread(of_seeds),
        rank=numbers.rank,
        tied=numbers.tied,
        failed=sum(record.failed for record in records),
        missing=expected - len(records),
        skipped=model in results.skipped,
        **_costs(records),
    )


def _interval(
    results: Results, model: str, cells: Sequence[Cell], metric: str, numbers: _Numbers
) -> tuple[float, float] | None:
    """Return the interval of a pooled mean; that of an image AUROC holds near 1, too."""
    known = [value for value in numbers.values if value is not None]
    if metric != _IMAGE_AUROC or len(known) < len(cells) or numbers.samples is None:
        return None if numbers.samples is None else _resampled_interval(numbers.samples, numbers.mean)

    of_each = []
    for value, cell in zip(known, cells, strict=True):
        normal = results.value(model, cell, results.seeds[0], "normal") or 0
        anomalous = results.value(model, cell, results.seeds[0], "anomalous") or 0
        of_each.append(auroc_interval(value, int(normal), int(anomalous)))
    return mean_interval(known, of_each)


def _resampled_interval(samples: np.ndarray, value: float | None) -> tuple[float, float] | None:
    """Return the interval that resamples tell, None where they are all alike."""
    low, high = intervals.interval(samples, value)
    return None if math.isnan(low) else (low, high)


def seed_mean(
    results: Results, model: str, cells: Sequence[Cell], seed: int, metric: str, partial: bool = False
) -> float | None:
    """Return the pooled mean of one seed."""
    values = [results.value(model, cell, seed, metric) for cell in cells]
    return pooled_mean(values, partial)


def _costs(records: list[Record]) -> dict[str, float | None]:
    """Return what a model costs, over its jobs that did not fail."""
    fits = []
    latencies = []
    peaks = []
    files = []
    for record in records:
        if record.times is not None:
            fits.append(record.times.fit_s)
            latencies.append(record.times.latency_ms)
        if record.memory is not None:
            peaks.append(record.memory.gpu_peak or record.memory.peak)
            files.append(record.memory.file)
    return {
        "fit_s": _of_known(fits, np.mean),
        "latency_ms": _of_known(latencies, np.median),
        "peak_mb": _of_known(peaks, _most_megabytes),
        "file_mb": _of_known(files, _most_megabytes),
    }


def _of_known(values: Sequence[float | None], summary: Callable) -> float | None:
    """Return the summary of those values that are known, None of none."""
    known = [value for value in values if value is not None]
    return float(summary(known)) if known else None


def _most_megabytes(values: Sequence[float]) -> float:
    return max(values) / _MEGABYTE


def differences(results: Results, pair: tuple[str, str], metric: str) -> dict[str, float | None]:
    """Return for each model the pooled mean of the first pool or data set minus that of the second, and the mean.

    Source: Saghir 2024, section 6.1.
    """
    found: dict[str, float | None] = {}
    for model in results.models:
        first = _mean_on(results, model, pair[0], metric)
        second = _mean_on(results, model, pair[1], metric)
        found[model] = None
        if first is not None and second is not None:
            found[model] = first - second
    found["mean"] = pooled_mean(list(found.values()), partial=True)
    return found


def _mean_on(results: Results, model: str, name: str, metric: str) -> float | None:
    """Return the mean of a model on a pool, or on a data set."""
    sets = results.pools.get(name, (name,))
    cells = [cell for cell in results.cells if cell.set in sets]
    return pooled_mean(class_values(results, model, cells, metric))
