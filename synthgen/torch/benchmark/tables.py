"""The tables of a benchmark: models on a pool, by category, by kind of defect, by seed; and the files of all."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.machine import counted
from synthgen.metrics import registry
from synthgen.shards.files import write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.tables import write_csv
from synthgen.torch.benchmark.formats import Grid, rendered
from synthgen.torch.benchmark.pooling import (
    Line,
    differences,
    pooled_lines,
    pooled_mean,
    seed_mean,
    sorted_models,
)
from synthgen.torch.benchmark.record import Record
from synthgen.torch.benchmark.results import ALL, Cell, Results, read_results, spread

BY = ("class", "kind", "seed")
TABLES = ("table.json", "table.csv", "table.md")
_ENOUGH = 100  # normal images that a threshold needs for one of a hundred to reach it
_MOST_NOTES = 12
_COSTS = ("fit_s", "latency_ms", "peak_mb", "file_mb")
_MEAN = "mean"
_SD = "sd"


def default_metric(results: Results) -> str:
    """Return the metric of a table that nobody chose: the first of the configuration, or of the records."""
    wanted = [*results.benchmark.metrics, "image_auroc"]
    there = [name for name in wanted if name in results.metrics]
    return (there or results.metrics or ["image_auroc"])[0]


def check_metric(results: Results, metric: str) -> None:
    """Refuse a metric that no record has."""
    known = results.metrics
    if known and metric not in known:
        listed = ", ".join(known)
        raise UsageError(f"metric must be one of {listed}, got {metric}{did_you_mean(metric, known)}")


def check_pool(results: Results, pool: str) -> None:
    """Refuse a pool that is not there."""
    known = results.pools
    if pool not in known:
        listed = ", ".join(known)
        raise UsageError(f"pool must be one of {listed}, got {pool}{did_you_mean(pool, known)}")


def make_grid(results: Results, pool: str, metric: str, by: str | None = None, partial: bool = False) -> Grid:
    """Return a table of a pool by one metric.

    Parameters
    ----------
    results : Results
    pool, metric : str
    by : {'class', 'kind', 'seed'}, optional
        What the rows are; by default they are models, with all that is known of their means.
    partial : bool
        Show means over the categories that are there.

    Raises
    ------
    UsageError
        If there is no such pool or metric.
    """
    check_pool(results, pool)
    check_metric(results, metric)
    if by is None:
        return _by_model(results, pool, metric, partial)
    makers: dict[str, Callable] = {"class": _by_class, "kind": _by_kind, "seed": _by_seed}
    return makers[by](results, pool, metric, partial)


def _by_model(results: Results, pool: str, metric: str, partial: bool) -> Grid:
    head = [
        "model", "mean", "95 % interval", "sd classes", "sd seeds", "rank", "fit s", "latency ms", "peak MB",
        "file MB", "failed",
    ]  # fmt: skip
    lines = pooled_lines(results, pool, metric, better_of(metric), partial)
    cells = len(results.pool(pool))
    rows = [_row_of(line, cells, partial) for line in lines]
    title = title_of(results, pool, metric)
    notes = _notes(results, metric, lines)
    return Grid(title, head, rows, notes=notes)


def _row_of(line: Line, cells: int, partial: bool) -> list[str]:
    name = f"{line.model} =" if line.tied else line.model
    value = _number(line.mean)
    if partial and line.cells < cells:
        value += f" ({line.cells}/{cells})"

    interval = "-"
    if line.interval is not None and line.mean is not None:
        low, high = line.interval
        interval = f"{low:.3f}..{high:.3f}"

    failed = str(line.failed)
    if line.missing:
        why = "skipped" if line.skipped else "missing"
        failed += f" +{line.missing} {why}"
    return [
        name,
        value,
        interval,
        _number(line.sd_classes),
        _number(line.sd_seeds),
        _number(line.rank, ".1f"),
        _number(line.fit_s, ",.3g"),
        _number(line.latency_ms, ",.3g"),
        _number(line.peak_mb, ",.0f"),
        _number(line.file_mb, ",.1f"),
        failed,
    ]


def _by_class(results: Results, pool: str, metric: str, partial: bool) -> Grid:
    """Return categories down and models across, the best mean first (Taylor et al. 2025, tables 2 to 9)."""
    cells = results.pool(pool)
    rows = [(str(cell), cell, ALL) for cell in cells]
    return _across(results, pool, metric, rows, partial, summary=True)


def _by_kind(results: Results, pool: str, metric: str, partial: bool) -> Grid:
    rows = []
    for cell in results.pool(pool):
        rows += [(f"{cell} {kind}", cell, kind) for kind in _kinds(results, cell)]
    return _across(results, pool, metric, rows, partial, summary=False)


def _kinds(results: Results, cell: Cell) -> list[str]:
    """Return the kinds of defect of a category."""
    kinds: dict[str, None] = {}
    for record in results.of_cell(cell):
        kinds |= dict.fromkeys(row["kind"] for row in record.rows)
    return [kind for kind in kinds if kind != ALL]


def _across(
    results: Results,
    pool: str,
    metric: str,
    rows: Sequence[tuple[str, Cell, str]],
    partial: bool,
    summary: bool,
) -> Grid:
    """Return models across, and down the values on some categories or kinds."""
    table = {}
    for model in results.models:
        table[model] = [results.mean_of_seeds(model, cell, metric, kind) for _, cell, kind in rows]
    better = better_of(metric)
    models = sorted_models(table, better, partial)

    named = []
    for i, (name, _, _) in enumerate(rows):
        named.append((name, [table[model][i] for model in models]))
    if summary:
        named.append((_MEAN, [pooled_mean(table[model], partial) for model in models]))

    texts = []
    best: set[tuple[int, int]] = set()
    for i, (name, values) in enumerate(named):
        texts.append([name, *map(_number, values)])
        best |= {(i, j) for j in _best(values, better)}
    if summary:
        texts.append(_spreads(table, models))

    title = title_of(results, pool, metric)
    notes = _notes(results, metric, [])
    return Grid(title, ["class", *models], texts, frozenset(best), notes)


def _spreads(table: dict[str, list[float | None]], models: Sequence[str]) -> list[str]:
    """Return the row of standard deviations."""
    spreads = [spread(table[model]) for model in models]
    return [_SD, *map(_number, spreads)]


def _by_seed(results: Results, pool: str, metric: str, partial: bool) -> Grid:
    cells = results.pool(pool)
    table = {}
    for model in results.models:
        table[model] = [seed_mean(results, model, cells, seed, metric, partial) for seed in results.seeds]

    models = sorted_models(table, better_of(metric))
    texts = []
    for i, seed in enumerate(results.seeds):
        values = [table[model][i] for model in models]
        texts.append([str(seed), *map(_number, values)])
    texts.append(_spreads(table, models))

    title = title_of(results, pool, metric)
    notes = _notes(results, metric, [])
    return Grid(title, ["seed", *models], texts, notes=notes)


def _best(values: Sequence[float | None], better: str) -> list[int]:
    """Return the columns, from 1, of the best of some values."""
    known = {place: value for place, value in enumerate(values, 1) if value is not None}
    if not known:
        return []
    choose = max if better == "up" else min
    best = choose(known.values())
    return [place for place, value in known.items() if math.isclose(value, best)]


def better_of(metric: str) -> str:
    """Return whether higher values of a metric are better, 'up', or lower ones, 'down'."""
    base = metric.partition("@")[0]
    known = registry.METRICS.get(base)
    return known.better if known is not None else "up"


def heading_of(metric: str) -> str:
    """Return what a table calls a value of the records."""
    base = metric.partition("@")[0]
    if base in registry.REFINED:
        return registry.REFINED[base]
    if base in registry.METRICS:
        columns = registry.columns_of([metric])
        return registry.heading_of(metric, columns)

    # a value of a metric that returns several, such as oracle_f1
    owners = [name for name in registry.METRICS if base.startswith(f"{name}_")]
    if not owners:
        return metric
    owner = max(owners, key=len)
    columns = registry.columns_of([owner])
    return registry.heading_of(metric, columns)


def title_of(results: Results, pool: str, metric: str) -> str:
    """Return the line above a table: what it shows, of how many classes, seeds and images."""
    cells = results.pool(pool)
    classes = counted(len(cells), "class", "classes")
    seeds = counted(len(results.seeds), "seed", "seeds")
    return f"{pool}, {heading_of(metric)}, {classes}, {seeds}, {_tested(results, cells)} test images"


def _tested(results: Results, cells: Sequence[Cell]) -> str:
    """Return the number of test images on some categories."""
    total = 0
    for cell in cells:
        counts = [0]
        for record in results.of_cell(cell):
            tested = record.data.get("tested", {})
            counts.append(sum(tested.values()))
        total += max(counts)
    return f"{total:,}"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _notes(results: Results, metric: str, lines: Sequence[Line]) -> list[str]:
    """Return the lines below a table: what marks mean, and what makes its numbers hard to believe."""
    notes = []
    if any(line.tied for line in lines):
        notes.append("= tied with the first: the 95 % interval of the difference holds 0")
    missing = results.missing
    if missing:
        notes.append(f"{len(missing)} of {len(results.jobs)} jobs are not done: {missing[0]}, ..")

    for model, lacking in results.skipped.items():
        notes.append(f"{model} is skipped: {lacking}")
    for record in results.failures:
        notes.append(f"{record.name} failed: {record.error}")
    for record in results.records.values():
        notes += _limit_notes(record)
    notes += _threshold_notes(results, metric)
    notes += _comparisons(results, metric) if lines else []
    notes += results.warnings()
    if len(notes) > _MOST_NOTES:
        more = len(notes) - _MOST_NOTES
        notes[_MOST_NOTES:] = [f"and {more} other notes, see table.json"]
    return notes


def _limit_notes(record: Record) -> list[str]:
    """Return what the time limit did to a job."""
    if record.times is None or record.times.limit_kept:
        return []
    if record.times.stopped:
        return [f"{record.name} was stopped at the time limit, and measured as it was then"]
    return [f"{record.name} took longer than the time limit"]


def _threshold_notes(results: Results, metric: str) -> list[str]:
    """Return where the thresholds come from, for a metric that is measured at one."""
    base = metric.partition("@")[0]
    if base not in (*registry.AT_THRESHOLDS, *registry.REFINED):
        return []
    rule = results.benchmark.thresholds
    if rule == "test":
        return ["thresholds are the best for the test set itself (oracle): no threshold in use can be as good"]

    held = []
    for record in results.records.values():
        if record.thresholds:
            held.append(record.thresholds["images"])
    least = min(held, default=0)
    few = f", n < {_ENOUGH}" if least < _ENOUGH else ""
    return [f"thresholds from {rule} images, {least} of a category at least{few}; models are not fitted to those"]


def _comparisons(results: Results, metric: str) -> list[str]:
    """Return the differences between pools that the configuration asks for."""
    lines = []
    for pair in results.benchmark.compare:
        found = differences(results, pair, metric)
        words = [f"{model} {_number(value, '+.3f')}" for model, value in found.items()]
        listed = ", ".join(words)
        lines.append(f"{pair[0]} minus {pair[1]}: {listed}")
    return lines


def shown_metrics(results: Results) -> list[str]:
    """Return the metrics of the written tables: those of the configuration, or all that are no thresholds."""
    there = results.metrics
    wanted = [name for name in results.benchmark.metrics if name in there]
    return wanted or [name for name in there if not name.endswith("threshold")]


def write_tables(folder) -> list[str]:
    """Write ``table.json`` with everything, ``table.csv`` with a row a job, ``table.md``; return their names."""
    folder = Path(folder)
    results = read_results(folder)
    write_atomically(folder / "table.json", encode_json(as_values(results)))
    _write_jobs(folder / "table.csv", results)

    pages = []
    for pool in results.pools:
        for metric in shown_metrics(results):
            grid = make_grid(results, pool, metric)
            pages.append(rendered(grid, "md"))
    text = "\n\n".join(pages)
    write_atomically(folder / "table.md", f"{text}\n".encode())
    return list(TABLES)


def as_values(results: Results) -> dict:
    """Return everything as plain values: means of pools, values of jobs, costs apart from both."""
    pools: dict[str, dict[str, list]] = {}
    costs: dict[str, dict] = {}
    for pool in results.pools:
        pools[pool] = {}
        costs[pool] = {}
        for metric in shown_metrics(results):
            rows = []
            for line in pooled_lines(results, pool, metric, better_of(metric)):
                values = msgspec.to_builtins(line)
                costs[pool][line.model] = {name: values.pop(name) for name in _COSTS}
                rows.append(values)
            pools[pool][metric] = rows

    jobs = []
    for record in results.in_order:
        jobs.append({"job": record.name, "rows": record.rows, "error": record.error, "data": record.data})
    return {
        "benchmark": results.benchmark.to_dict(),
        "pools": pools,
        "jobs": jobs,
        "missing": results.missing,
        "skipped": results.skipped,
        "notes": results.warnings(),
        "costs": costs,
    }


def _write_jobs(path: Path, results: Results) -> None:
    rows = []
    for record in results.in_order:
        row = {"model": record.model, "set": record.set, "class": record.category, "seed": record.seed}
        if record.rows:
            row |= record.rows[0]
            del row["kind"]
        if record.times is not None:
            row |= msgspec.to_builtins(record.times)
        row["error"] = record.error
        rows.append(row)
    columns = dict.fromkeys(column for row in rows for column in row)
    write_csv(path, rows, list(columns))
