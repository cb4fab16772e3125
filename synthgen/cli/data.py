"""Commands on recipes and finished data sets: recipes, info, verify, merge."""

import sys

import click
import msgspec

from synthgen.cli import EXIT_DAMAGED
from synthgen.cli.options import (
    LOCAL,
    Command,
    Suggesting,
    any_device_option,
    command,
    complete_recipe,
    json_option,
    print_json,
    progress_option,
)
from synthgen.machine import counted, human_bytes, human_time


@click.group(cls=Suggesting, invoke_without_command=True)
@click.option(
    "--time/--no-time", "with_time", default=True, help="Estimate the time on this machine, and the disk space."
)
@json_option
@click.pass_context
def recipes(context, with_time, as_json):
    """List the recipes that come with the package, or show one.

    The first time, a short probe of each recipe takes about a second; what it found is remembered.

    \b
    synthgen recipes
    synthgen recipes show fractals-1k > my.yaml
    """
    if context.invoked_subcommand is None:
        _list_recipes(with_time, as_json)


def _list_recipes(with_time: bool, as_json: bool) -> None:
    from synthgen.recipe import installed, load_recipe

    rows: list[dict] = []
    if not as_json:
        click.echo(_HEADER + _TIMES * with_time)

    for name in installed():
        recipe = load_recipe(name)
        row = {"name": name, "family": recipe.family, "classes": recipe.classes, "images": recipe.count}
        if with_time:
            row |= _estimated(recipe)
        rows.append(row)
        if not as_json:
            click.echo(_recipe_line(row))

    rows += _benchmarks()
    if as_json:
        print_json(rows)
        return
    click.echo("\nbenchmarks, for `synthgen benchmark NAME`")
    for row in rows:
        if "models" in row:
            click.echo(_benchmark_line(row))


def _benchmark_line(row: dict) -> str:
    sets = ", ".join(row["sets"])
    return f"{row['name']:26s} {row['models']} models on {sets}"


def _benchmarks() -> list[dict]:
    """Return a row for each benchmark that comes with the package."""
    from synthgen.recipe import installed_benchmarks
    from synthgen.torch.benchmark.config import load_benchmark

    rows: list[dict] = []
    for name in installed_benchmarks():
        made = load_benchmark(name)
        rows.append(
            {"name": name, "benchmark": made.benchmark, "models": len(made.models), "sets": list(made.sets)}
        )
    return rows


_HEADER = f"{'recipe':26s} {'classes':>8s} {'images':>12s}"
_TIMES = f" {'time here':>14s} {'disk':>9s}"


def _estimated(recipe) -> dict:
    """Return the time and the disk that a recipe takes here, or what it needs of the user."""
    from synthgen.errors import UsageError
    from synthgen.run import make_plan
    from synthgen.run.estimate import effective_workers, remembered_probe

    try:
        plan = make_plan(recipe)
        estimate = remembered_probe(plan)
    except UsageError as error:
        return {"needs": str(error)}
    workers = effective_workers(plan, None)
    return {"seconds": estimate.seconds(workers), "bytes": estimate.bytes}


def _recipe_line(row: dict) -> str:
    line = f"{row['name']:26s} {row['classes']:8,d} {row['images']:12,d}"
    if "seconds" in row:
        line += f" {human_time(row['seconds']):>14s} {human_bytes(row['bytes']):>9s}"
    return f"{line} {row['needs']}" if "needs" in row else line


@recipes.command(cls=Command, compiles=False)
@click.argument("name", shell_complete=complete_recipe)
@json_option
def show(name, as_json):
    """Print a recipe, with all defaults filled in, as YAML."""
    from synthgen.recipe import installed_benchmarks, load_recipe

    if name in installed_benchmarks():
        _show_benchmark(name, as_json)
        return
    recipe = load_recipe(name)
    if as_json:
        print_json(recipe.to_dict())
        return
    click.echo(recipe.to_yaml(), nl=False)


def _show_benchmark(name: str, as_json: bool) -> None:
    import yaml

    from synthgen.torch.benchmark.config import load_benchmark

    values = load_benchmark(name).to_dict()
    if as_json:
        print_json(values)
        return
    click.echo(yaml.safe_dump(values, sort_keys=False, default_flow_style=None), nl=False)


@command(compiles=False)
@click.argument("folder", type=click.Path())
@json_option
def info(folder, as_json):
    """Print what a finished data set is: counts, fields, storage, recipe, fingerprints.

    \b
    synthgen info fractals-1000x1000
    synthgen info fractals-1000x1000 --json | jq .recipe
    """
    from synthgen.shards import open_dataset

    manifest = open_dataset(folder).manifest
    if as_json:
        print_json(manifest)
        return
    size = sum(entry.bytes for entry in manifest.shard_list)
    click.echo(f"{folder}: {manifest.recipe['name']} ({manifest.recipe['family']})")
    images = counted(manifest.count, "image")
    classes = counted(manifest.classes, "class", "classes")
    shards = counted(manifest.shards, f"{manifest.storage} shard")
    click.echo(f"  {images}, {classes} x {manifest.per_class:,}")
    click.echo(f"  {shards} of {manifest.shard_size:,}, {human_bytes(size)}")
    for stage in manifest.grown_from:
        classes = counted(stage.classes, "class", "classes")
        click.echo(f"  grew from {classes} x {stage.per_class:,}, shards of {stage.shard_size:,}")
    for name, entry in manifest.fields.items():
        shape = "x".join(map(str, entry.shape))
        click.echo(f"  {name}: {entry.dtype} {shape}, stored as {entry.codec}")
    if manifest.tolerance:
        click.echo(f"  other devices may differ by {manifest.tolerance:g} gray levels on average")
    click.echo(f"  data fingerprint    {manifest.fingerprints.data}")
    click.echo(f"  storage fingerprint {manifest.fingerprints.storage}")
    versions = (f"{name} {version}" for name, version in manifest.versions.items())
    click.echo("  made with " + ", ".join(versions))
    devices = {entry.device for entry in manifest.shard_list}
    for device in sorted(devices):
        click.echo(f"  made on {device}")
    click.echo("  recipe " + msgspec.json.encode(manifest.recipe).decode())


@command()
@click.argument("folder", type=click.Path())
@click.option("--pixels", is_flag=True, help="Decode every field, check its values, print the content digest.")
@click.option("--workers", type=int, help="Processes; by default one for each CPU.")
@json_option
@progress_option
def verify(folder, pixels, workers, as_json, progress):
    """Check a finished data set: bytes, order, on request every pixel. Exit code 3 if a file is damaged or unread.

    \b
    synthgen verify fractals-1000x1000
    synthgen verify fractals-1000x1000 --pixels
    """
    from synthgen.errors import FormatError
    from synthgen.run.progress import Progress
    from synthgen.shards import open_dataset
    from synthgen.shards import verify as check

    try:
        dataset = open_dataset(folder)
    except FormatError as error:
        raise FormatError(f"{error}; where it was finished, running the same recipe again makes it anew") from None
    with Progress(progress, len(dataset)) as bar:
        found = check(folder, pixels, bar.advance, workers)
    found = _with_classes(dataset, found)

    if as_json:
        print_json({"ok": found.ok, **msgspec.to_builtins(found)})
    else:
        _print_verification(folder, found)
    _advise(found)
    if not found.ok:
        raise SystemExit(EXIT_DAMAGED)


def _with_classes(dataset, found):
    """Return a verification to which the class table, where its bytes are right, is compared with the recipe."""
    from synthgen.run.classes import compared_classes
    from synthgen.shards.manifest import CLASSES

    named = [name for name, _ in (*found.problems, *found.unread)]
    if CLASSES in named:
        return found

    _ = dataset.classes  # fetches it, where the data set lies in a store
    table = compared_classes(dataset.path, dataset.manifest)
    problems = found.problems + table.problems
    unread = found.unread + table.unread
    digest = None if problems or unread else found.digest
    return msgspec.structs.replace(found, problems=problems, unread=unread, digest=digest)


def _print_verification(folder, found) -> None:
    for name, reason in (*found.problems, *found.unread):
        click.echo(f"{name}: {reason}")

    counts = [counted(len(found.problems), "problem")] if found.problems else []
    counts += [f"{counted(len(found.unread), 'file')} not read"] if found.unread else []
    state = ", ".join(counts) or "ok"
    shards = counted(found.shards, "shard")
    samples = counted(found.samples, "sample")
    click.echo(f"{folder}: {shards}, {samples}: {state}")
    if found.digest:
        click.echo(f"content digest {found.digest}")


def _advise(found) -> None:
    """Say on stderr what to do; nothing is to be deleted because the system could not read it."""
    if found.unread:
        print("synthgen: files that could not be read may be whole: verify them again", file=sys.stderr)
    if found.problems:
        print(
            "synthgen: delete the files named above and run the same recipe again: only they are made anew",
            file=sys.stderr,
        )


@command(compiles=False)
@click.argument("out", type=click.Path())
@click.argument("parts", type=LOCAL, nargs=-1, required=True)
@click.option("--link", is_flag=True, help="Hard links instead of copies, where the file system can.")
@any_device_option
@json_option
def merge(out, parts, link, any_device, as_json):
    """Bring PARTS, drawn with --part into several folders, together in OUT.

    \b
    synthgen merge whole part-1 part-2 part-3
    """
    from synthgen.run import merge as bring_together

    manifest = bring_together(parts, out, link, any_device)
    if as_json:
        print_json({"path": str(out), "images": manifest.count, "shards": manifest.shards, "finished": True})
        return
    images = counted(manifest.count, "image")
    shards = counted(manifest.shards, "shard")
    click.echo(f"{out}: finished. {images} in {shards}")
