"""Pictures of a benchmark: bars of the pooled means, groups of categories, what metrics say of the same results.

Source: Taylor et al. 2025, figures 2 and 6; Ugwu et al. 2024, figure 5.
"""

import math
from pathlib import Path

from synthgen.look.charts import bars, behavior, grouped, spider
from synthgen.torch.benchmark.pooling import Line, pooled_lines
from synthgen.torch.benchmark.results import Results, mean
from synthgen.torch.benchmark.tables import default_metric, heading_of, shown_metrics

BEHAVIOR = "behavior.png"
_LEAST_AXES = 3  # of a spider chart
# What pictures show, of the metrics of the tables: areas and shares of all thresholds, beside each other.
_COMPARED = ("image_auroc", "pixel_auroc", "aupro", "spro", "pl")


def draw_results(results: Results) -> list[str]:
    """Draw the charts of each pool, and one of all metrics, into the folder of a benchmark; return their names.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    names = []
    for pool in results.pools:
        path = results.folder / f"{pool}.png"
        if _draw_pool(results, pool, path):
            names.append(path.name)
        path = results.folder / f"{pool}-groups.png"
        if _draw_groups(results, pool, path):
            names.append(path.name)
    if _draw_behavior(results, results.folder / BEHAVIOR):
        names.append(BEHAVIOR)
    return names


def _draw_pool(results: Results, pool: str, path: Path) -> bool:
    """Draw the pooled means with their standard deviations over the classes; False where there is none."""
    metrics = [name for name in shown_metrics(results) if name in _COMPARED]
    tables: dict[str, dict[str, Line]] = {}
    for metric in metrics:
        lines = pooled_lines(results, pool, metric)
        tables[metric] = {line.model: line for line in lines}

    models = [model for model in results.models if _has_mean(tables, model)]
    if not models:
        return False

    means = {}
    spreads = {}
    for metric, lines_of in tables.items():
        heading = heading_of(metric)
        means[heading] = [_or_nan(lines_of[model].mean) for model in models]
        spreads[heading] = [lines_of[model].sd_classes or 0.0 for model in models]
    bars(path, models, means, spreads, f"{pool}: mean and standard deviation over classes")
    return True


def _draw_groups(results: Results, pool: str, path: Path) -> bool:
    """Draw an axis for each model and a polygon for each group of categories; False where there is too little."""
    metric = default_metric(results)
    means = {model: _group_means(results, pool, model, metric) for model in results.models}
    means = {model: groups for model, groups in means.items() if groups}
    if len(means) < _LEAST_AXES:
        return False

    shared = set.intersection(*(set(groups) for groups in means.values()))
    polygons = {}
    for name in next(iter(means.values())):
        if name in shared:
            polygons[name] = [groups[name] for groups in means.values()]
    if not polygons:
        return False
    spider(path, list(means), polygons, f"{pool}: {heading_of(metric)}, mean over groups of categories")
    return True


def _group_means(results: Results, pool: str, model: str, metric: str) -> dict[str, float]:
    """Return the mean of a model on each group of categories of which none is missing."""
    found: dict[str, list[float | None]] = {}
    for cell in results.pool(pool):
        value = results.mean_of_seeds(model, cell, metric)
        found.setdefault(cell.category, []).append(value)

    values = {}
    for category, of_sets in found.items():
        known = mean(of_sets)
        if known is not None:
            values[category] = known
    return grouped(values, results.benchmark.groups or None)


def _has_mean(tables: dict[str, dict[str, Line]], model: str) -> bool:
    """Return whether a model has a mean in any of the tables."""
    means = [lines[model].mean for lines in tables.values()]
    return any(mean is not None for mean in means)


def _draw_behavior(results: Results, path: Path) -> bool:
    """Draw a column for each model and class; False where fewer than two metrics can be compared."""
    metrics = [name for name in shown_metrics(results) if name in _COMPARED]
    columns: dict[str, list[float]] = {}
    for metric in metrics:
        values = []
        for model in results.models:
            for cell in results.cells:
                values.append(_or_nan(results.mean_of_seeds(model, cell, metric)))
        columns[heading_of(metric)] = values

    whole = [column for column in zip(*columns.values(), strict=True) if all(map(math.isfinite, column))]
    if len(columns) < 2 or not whole:
        return False
    behavior(path, columns, "What metrics say of the same results")
    return True


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
