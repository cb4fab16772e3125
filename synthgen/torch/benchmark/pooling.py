"""One number for a model on several categories: the pooled mean, and how far it can be believed.

The mean is over all categories of a pool, each of which weighs the same; never the mean of the means of data sets
(Taylor et al. 2025, section 4.1). A category that is missing or failed makes it no number: a mean over what
happened to finish compares nothing.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from synthgen.metrics import intervals
from synthgen.torch.benchmark.record import Record
from synthgen.torch.benchmark.results import Cell, Results, mean, spread

_MEGABYTE = 1e6


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
        95 %, by resampling the test images.
    sd_classes, sd_seeds : float or None
        Standard deviations over the categories, and of the pooled means of the seeds.
    rank : float or None
        Mean over the categories, among the models that have a value on each.
    tied : bool
        Whether the interval of the difference to the first model holds 0.
    failed, missing : int
        Jobs.
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
    table = {model: class_values(results, model, cells, metric) for model in results.models}
    ranks = _mean_ranks(table, better)
    order = sorted_models(table, better, partial)
    samples = {model: _samples(results, model, cells, metric) for model in order}

    first = samples[order[0]] if order else None
    lines = []
    for place, model in enumerate(order):
        own = samples[model]
        tied = place > 0 and first is not None and own is not None and intervals.is_tied(first, own)
        lines.append(_line(results, model, cells, metric, table[model], ranks.get(model), own, tied, partial))
    return lines


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
    return dict(zip(whole, intervals.mean_ranks(numbers, better).tolist(), strict=True))


def _samples(results: Results, model: str, cells: Sequence[Cell], metric: str) -> np.ndarray | None:
    """Return the pooled mean of resamples, (R,)."""
    of_cells = [results.samples(model, cell, metric) for cell in cells]
    there = [samples for samples in of_cells if samples is not None]
    if not there or len(there) < len(of_cells):
        return None
    return intervals.pooled(there)


def _line(
    results: Results,
    model: str,
    cells: Sequence[Cell],
    metric: str,
    values: list[float | None],
    rank: float | None,
    samples: np.ndarray | None,
    tied: bool,
    partial: bool,
) -> Line:
    records = results.of_model(model, cells)
    failed = sum(record.failed for record in records)
    of_seeds = [mean([results.value(model, cell, seed, metric) for cell in cells]) for seed in results.seeds]
    return Line(
        model=model,
        mean=pooled_mean(values, partial),
        cells=sum(value is not None for value in values),
        interval=None if samples is None else intervals.interval(samples),
        sd_classes=spread(values),
        sd_seeds=spread(of_seeds),
        rank=rank,
        tied=tied,
        failed=failed,
        missing=len(cells) * len(results.seeds) - len(records),
        **_costs(records),
    )


def _costs(records: list[Record]) -> dict[str, float | None]:
    """Return what a model costs, over its jobs that did not fail."""
    times = [record.times for record in records if record.times is not None]
    memory = [record.memory for record in records if record.memory is not None]
    latencies = [each.latency_ms for each in times if each.latency_ms is not None]
    peaks = [each.gpu_peak or each.peak for each in memory if each.gpu_peak or each.peak]
    files = [each.file for each in memory if each.file is not None]
    return {
        "fit_s": float(np.mean([each.fit_s for each in times])) if times else None,
        "latency_ms": float(np.median(latencies)) if latencies else None,
        "peak_mb": max(peaks) / _MEGABYTE if peaks else None,
        "file_mb": max(files) / _MEGABYTE if files else None,
    }


def differences(results: Results, pair: tuple[str, str], metric: str) -> dict[str, float | None]:
    """Return for each model the pooled mean of the first pool or data set minus that of the second, and the mean.

    Source: Saghir 2024, section 6.1.
    """
    found: dict[str, float | None] = {}
    for model in results.models:
        first, second = (_mean_on(results, model, name, metric) for name in pair)
        found[model] = None if first is None or second is None else first - second
    known = [value for value in found.values() if value is not None]
    found["mean"] = mean(known)
    return found


def _mean_on(results: Results, model: str, name: str, metric: str) -> float | None:
    """Return the mean of a model on a pool, or on a data set."""
    sets = results.pools.get(name, (name,))
    cells = [cell for cell in results.cells if cell.set in sets]
    return pooled_mean(class_values(results, model, cells, metric))
