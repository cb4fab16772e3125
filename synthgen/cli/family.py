"""Commands that draw: one for each family, ``run`` for recipes, ``plan`` for a look ahead."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from synthgen import families
from synthgen.cli.options import (
    command,
    json_option,
    out_option,
    print_json,
    recipe_argument,
    recipe_of,
    recipe_options,
    run_options,
)
from synthgen.machine import counted, human_bytes, human_time
from synthgen.options import parse_scalar

if TYPE_CHECKING:
    from synthgen.recipe import Recipe


def family_command(name: str) -> click.Command:
    """Return the command of a family; its help is the ``HELP`` of the family's module."""
    module = families.load(name)

    def draw(**given):
        recipe = recipe_of(name, given)
        start(recipe, **given)

    draw = run_options(draw, devices=hasattr(module, "device"))
    draw = recipe_options(module)(draw)
    return command(name, help=inspect.cleandoc(module.HELP))(draw)


@command()
@recipe_argument
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Replace a key of the recipe.")
@run_options
def run(recipe, changes, **options):
    """Draw the data set of RECIPE: an installed name, a YAML file, or a finished data set to draw again.

    \b
    synthgen run tiny-fractals --out /tmp/tiny
    synthgen run my.yaml --set per_class=10 --set storage.format=webdataset
    """
    start(_loaded(recipe, changes), **options)


@command()
@recipe_argument
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Replace a key of the recipe.")
@click.option("--workers", type=int, help="Processes to plan for.  [default: one for each CPU]")
@click.option("--jobs", type=int, help="Plan for an array of so many jobs, each of as many processes.")
@click.option("--slurm", is_flag=True, help="Print the script of such an array for Slurm's sbatch.")
@out_option("Where the jobs of the script draw.  [default: the recipe's name]", required=False)
@json_option
def plan(recipe, changes, workers, jobs, slurm, out, as_json):
    """Print what drawing RECIPE would take: images, shards, disk, workers that can work, time from a short probe.

    \b
    synthgen plan fractals-1k
    synthgen plan fractals-1k --set per_class=10 --workers 16
    synthgen plan fractals-1k --jobs 64 --workers 8 --slurm > draw.sbatch
    """
    from synthgen.run.executors import Crew

    Crew(workers=workers).check()
    if slurm and as_json:
        raise click.UsageError("--slurm must not go with --json: it prints a script")
    if out is not None and not slurm:
        raise click.UsageError("--out must go with --slurm: a plan writes nothing")
    loaded = _loaded(recipe, changes)
    if slurm:
        _print_script(loaded, recipe, changes, workers, jobs, out)
        return
    look_ahead(loaded, workers, as_json, jobs)


def _print_script(loaded: Recipe, recipe: str, changes, workers, jobs, out) -> None:
    """Print the job script of a recipe."""
    from synthgen.machine import available_cpus
    from synthgen.run import make_plan, probe
    from synthgen.run.estimate import effective_workers
    from synthgen.run.scripts import slurm_script

    if jobs is None:
        raise click.UsageError("--slurm needs --jobs N")
    words = ["synthgen", "run", recipe]
    for change in changes:
        words += ["--set", change]
    words += ["--out", out or loaded.name]

    what = make_plan(loaded)
    workers = available_cpus() if workers is None else workers
    processes = effective_workers(what, workers)
    click.echo(slurm_script(loaded.name, probe(what), jobs, workers, words, processes), nl=False)


def _loaded(recipe, texts) -> Recipe:
    """Return a recipe with the changes of ``--set``."""
    from synthgen.recipe import load_recipe

    changes = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set must be KEY=VALUE, got {text!r}")
        changes[key.strip()] = parse_scalar(value)
    return load_recipe(recipe, changes)


def start(recipe: Recipe, dry_run: bool, as_json: bool, **options) -> None:
    """Draw a checked recipe, or print its plan; `options` are those of `generate`."""
    from synthgen.families import chosen_device
    from synthgen.run import generate

    if dry_run:
        _check_request(recipe, options)
        with chosen_device(options.get("device")):
            look_ahead(recipe, options["workers"], as_json)
        return
    report = generate(recipe, **options)
    if as_json:
        print_json(report)
        return
    state = "finished" if report.finished else "this part is finished; other parts are missing"
    images = counted(report.drawn, "image")
    shards = counted(report.shards, "shard")
    drawn = f"{images} drawn in {report.seconds:.1f} s, {report.resumed:,} were there"
    click.echo(f"{report.path}: {state}. {drawn}; {shards}, {human_bytes(report.bytes)}")


def _check_request(recipe: Recipe, options: dict) -> None:
    """Refuse options that a run would refuse."""
    from synthgen.run.executors import Crew
    from synthgen.run.job import check_request

    crew = Crew(**{name: options[name] for name in Crew.__struct_fields__})
    out = options["out"] or recipe.name
    names = ("part", "overwrite", "scratch", "drop_growth")
    check_request(out, crew, *(options[name] for name in names))


def look_ahead(recipe: Recipe, workers, as_json, jobs=None) -> None:
    """Print the plan of a recipe, on request also what each of some jobs takes."""
    from synthgen.run import make_plan, probe
    from synthgen.run.estimate import drawer_of, effective_workers
    from synthgen.run.scripts import share_of_job
    from synthgen.run.work import describe

    what = make_plan(recipe)
    workers = effective_workers(what, workers)
    estimate = probe(what)
    share = None if jobs is None else share_of_job(estimate, jobs)
    if as_json:
        of_a_job = {} if share is None else {"jobs": jobs, "seconds_of_a_job": share.seconds(workers)}
        print_json({
            "name": recipe.name,
            "classes": recipe.classes,
            "images": recipe.count,
            "shards": what.run.shards,
            "shard_size": what.run.shard_size,
            "bytes": estimate.bytes,
            "seconds": estimate.seconds(workers),
            "cpu_seconds": estimate.cpu_seconds,
            "workers": estimate.workers(workers),
            "threads": estimate.threads(workers),
            "most_workers": 1 if drawer_of(what).exclusive else estimate.shards,
            "fingerprint": what.run.fingerprints.data,
            **of_a_job,
        })  # fmt: skip
        return

    click.echo(describe(what, estimate, workers))
    if share is not None:
        size = human_bytes(share.bytes)
        time_needed = human_time(share.seconds(workers))
        shards = counted(share.shards, "shard")
        click.echo(f"{counted(jobs, 'job')} of up to {shards}, {size} and {time_needed} each")
