"""The report of a benchmark: one page with its tables and pictures, which opens from a file."""

from collections.abc import Sequence
from pathlib import Path

from synthgen.compose.pictures import one_picture, read_picture
from synthgen.look.report import Shot, Table, write_report
from synthgen.torch.benchmark.formats import Grid
from synthgen.torch.benchmark.results import Results
from synthgen.torch.benchmark.tables import default_metric, make_grid, shown_metrics

PAGE = "report.html"
_CHARTS = "Charts"
_SHEETS = "Image, truth, maps and masks"


def write_page(results: Results, pictures: Sequence[str]) -> str:
    """Write ``report.html`` into the folder of a benchmark, and return its name.

    Parameters
    ----------
    results : Results
    pictures : sequence of str
        Names of PNG files in the folder, in the order in which they are shown.
    """
    tables = []
    for pool in results.pools:
        for metric in shown_metrics(results):
            for by in (None, "class"):
                grid = make_grid(results, pool, metric, by)
                tables.append(_table(grid))
    shots = [_shot(results.folder, name) for name in pictures]
    write_report(
        results.folder / PAGE, f"Benchmark {results.benchmark.benchmark}", _facts(results), tables, (), shots
    )
    return PAGE


def _facts(results: Results) -> list[tuple[str, str]]:
    """Return what stands above all tables."""
    jobs = len(results.jobs)
    done = jobs - len(results.missing)
    failed = len(results.failures)
    seeds = ", ".join(map(str, results.seeds))
    facts = [
        ("jobs", f"{done} of {jobs} done, {failed} failed"),
        ("classes", str(len(results.cells))),
        ("seeds", seeds),
        ("thresholds", results.benchmark.thresholds),
    ]
    main = next(iter(results.pools))
    grid = make_grid(results, main, default_metric(results))
    notes = [("note", note) for note in grid.notes]
    return facts + notes


def _table(grid: Grid) -> Table:
    """Return a table of texts; the best values have a star."""
    rows = []
    for i, row in enumerate(grid.rows):
        cells = []
        for j, cell in enumerate(row):
            is_best = (i, j) in grid.best
            cells.append(f"{cell} *" if is_best else cell)
        rows.append(cells)
    return Table(grid.title, grid.head, rows)


def _shot(folder: Path, name: str) -> Shot:
    picture = one_picture(str(folder / name), "pictures")
    pixels = read_picture(picture.sha256, None, gray=False)
    return Shot(_SHEETS if "/" in name else _CHARTS, name, pixels)
