"""The command that measures many models on many data sets: ``benchmark``. Its workers need the extra torch."""

from functools import partial
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from synthgen.cli.options import Words, command, json_option, out_option, print_json, progress_option, with_options
from synthgen.errors import MissingExtraError, UsageError
from synthgen.options import parse_scalar

EXIT_SOME_FAILED = 1
_BY = ("class", "kind", "seed")
_FORMATS = ("text", "md", "csv", "tex", "json")


def _complete(context, param, incomplete) -> list[CompletionItem]:
    """Return the installed benchmarks that begin so; shells add files and folders."""
    from synthgen.recipe import installed_benchmarks

    names = [name for name in installed_benchmarks() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


_RUN = (
    out_option("Folder of the results.", required=False),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace a key of CONFIG."),
    click.option("--dry-run", is_flag=True, help="Print jobs, time, memory and what is missing, and stop."),
    click.option("--part", help="Do part K/N only, 1-based; auto takes it from a Slurm job array."),
    click.option("--only", multiple=True, metavar="JOB", help="Do jobs that begin so: patchcore/mvtec/bottle."),
    click.option("--retry", type=click.Choice(["failed"]), help="Do jobs that failed once more."),
    click.option("--workers", type=int, default=1, help="Processes; 0 does the jobs in this one.  [default: 1]"),
    click.option("--trust", is_flag=True, help="Run classes and functions that CONFIG names as module:NAME."),
    click.option(
        "--overwrite", is_flag=True, help="Replace results of other settings, of the jobs of --only or all."
    ),
)
_TABLE = (
    click.option("--table", is_flag=True, help="Print a table of the results in the folder DIR."),
    click.option("--merge", is_flag=True, help="Bring the results of the folders DIR.. together in the first."),
    click.option("--metric", help="What the table shows, such as image_auroc, pl or aupro@0.05."),
    click.option("--pool", help="Data sets whose classes are pooled.  [default: the first of CONFIG]"),
    click.option("--against", metavar="MODEL", help="Compare all others with MODEL, class by class."),
    click.option("--by", type=Words(_BY), help="What the rows are, instead of models."),
    click.option("--format", "form", type=Words(_FORMATS), default="text", help="Of the table.  [default: text]"),
    click.option("--partial", is_flag=True, help="Show means over the classes that are there, with their number."),
)


@command(compiles=False)
@click.argument("places", metavar="CONFIG|DIR..", nargs=-1, required=True, shell_complete=_complete)
@partial(with_options, options=(*_RUN, *_TABLE, json_option, progress_option))
@click.pass_context
def benchmark(context, places, table, merge, as_json, **given):
    """Measure every model of CONFIG on every class of its data sets, and print a table.

    CONFIG is a YAML file or an installed benchmark; `synthgen recipes` lists those. Each job is a model, a class
    and a seed. What it found is written at once, and the same command goes on where a run ended, however it ended.
    A job that fails is recorded, the others go on, and the exit status is 1.

    \b
    synthgen benchmark tiny-benchmark --out tiny --dry-run
    synthgen benchmark tiny-benchmark --out tiny
    synthgen benchmark --table tiny --metric pl --by class --format md
    synthgen benchmark --table tiny --against floor
    synthgen benchmark vadi --out vadi-3 --part 3/8 --set sets.mvtec.path=/data/mvtec
    synthgen benchmark --merge vadi vadi-1 vadi-2 vadi-3
    """
    if table and merge:
        raise UsageError("merge must not go with --table")
    if merge:
        _merge(places, as_json)
        return

    (place,) = _one(places)
    if table:
        _print_table(place, as_json, given)
        return
    if given["dry_run"]:
        _print_plan(place, as_json, given)
        return
    context.exit(_run(place, as_json, given))


def _one(places) -> tuple[str]:
    if len(places) > 1:
        raise UsageError(f"{places[1]} must be left out: one benchmark or folder at a time, but for --merge")
    return places


def _loaded(config: str, given: dict):
    """Return the benchmark of CONFIG, with the values of --set."""
    from synthgen.torch.benchmark import load_benchmark

    overrides = {}
    for text in given["overrides"]:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--set must be KEY=VALUE, got {text!r}")
        overrides[key] = parse_scalar(value)
    return load_benchmark(config, overrides)


def _out(given: dict) -> Path:
    if given["out"] is None:
        raise UsageError("out must be a folder for the results, got none")
    return Path(given["out"])


def _run(config: str, as_json: bool, given: dict) -> int:
    """Do the jobs, print the table, and return the exit status."""
    from synthgen.torch.benchmark import run_benchmark
    from synthgen.torch.benchmark.tables import write_tables

    made = _loaded(config, given)
    report = run_benchmark(
        made,
        _out(given),
        workers=given["workers"],
        part=given["part"],
        only=given["only"],
        retry_failed=given["retry"] is not None,
        overwrite=given["overwrite"],
        trust=given["trust"],
        progress=given["progress"],
        log=_say,
    )
    files = write_tables(report.path) + _drawn(report.path)
    if as_json:
        print_json(report)
    else:
        _print_table(report.path, False, given)
        _say(_summary(report, files))
    return EXIT_SOME_FAILED if report.failed else 0


def _drawn(folder: str) -> list[str]:
    """Draw the pictures of the results, and write the page that shows them; without matplotlib say so."""
    from synthgen.torch.benchmark import read_results
    from synthgen.torch.benchmark.page import write_page
    from synthgen.torch.benchmark.plots import draw_results
    from synthgen.torch.benchmark.sheets import draw_sheets

    results = read_results(folder)
    pictures = []
    try:
        pictures = draw_results(results) + draw_sheets(results)
    except MissingExtraError as error:
        _say(f"no pictures: {error}")
    return [*pictures, write_page(results, pictures)]


def _summary(report, files: list[str]) -> str:
    from synthgen.machine import human_time

    words = [f"{report.done} of {report.jobs} jobs done in {human_time(report.seconds)}"]
    if report.resumed:
        words.append(f"{report.resumed} were done before")
    if report.left:
        words.append(f"{report.left} are left")
    if report.failed:
        words.append(f"{report.failed} failed (--retry failed does them again)")
    return f"{report.path}: {', '.join(words)}; {', '.join(files)}"


def _print_table(folder: str, as_json: bool, given: dict) -> None:
    from synthgen.torch.benchmark import read_results
    from synthgen.torch.benchmark.comparing import make_comparison
    from synthgen.torch.benchmark.formats import rendered
    from synthgen.torch.benchmark.tables import as_values, default_metric, make_grid

    results = read_results(folder)
    form = "json" if as_json else given["form"]
    if form == "json" and given["metric"] is None and given["against"] is None:
        print_json(as_values(results))
        return

    pool = given["pool"] or next(iter(results.pools))
    metric = given["metric"] or default_metric(results)
    if given["against"] is None:
        grid = make_grid(results, pool, metric, given["by"], given["partial"])
    else:
        grid = make_comparison(results, pool, metric, given["against"])
    if form == "json":
        print_json(grid._asdict() | {"best": sorted(grid.best)})
    else:
        click.echo(rendered(grid, form))


def _print_plan(config: str, as_json: bool, given: dict) -> None:
    """Print what a run would do, and what it would take."""
    from synthgen.torch.benchmark.probe import forecast, format_forecast

    made = _loaded(config, given)
    folder = Path(given["out"] or made.benchmark)
    found = forecast(made, folder, given["workers"], given["only"], given["trust"])
    if as_json:
        print_json(found)
    else:
        click.echo(format_forecast(found))


def _merge(places, as_json: bool) -> None:
    from synthgen.torch.benchmark import merge as bring_together

    out, *parts = places
    count = bring_together(out, parts)
    _drawn(out)
    if as_json:
        print_json({"path": out, "jobs": count})
    else:
        click.echo(f"{out}: {count} jobs")


def _say(line: str) -> None:
    click.echo(line, err=True)
