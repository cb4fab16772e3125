"""Options that several commands share, and options made of a family's `Options`."""

import json
from typing import Annotated, Literal, get_args, get_origin

import click
import msgspec

from synthgen import families
from synthgen.options import sequence_in
from synthgen.recipe import Recipe, Storage

COMMAND_LINE = "command line"

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
progress_option = click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "none"]),
    default="auto",
    help="A bar, a line every ten seconds, or nothing.",
)


def run_options(command, devices: bool = True):
    """Add the options of commands that draw a data set; `devices`: also those that choose a compute device."""
    chosen = (
        click.option("--device", help="OpenCL device, by name or number; see `synthgen doctor`."),
        click.option("--any-device", is_flag=True, help="Resume what was begun on another device."),
    )
    for option in reversed((
        click.option("--out", type=click.Path(), help="Folder of the data set.  [default: the recipe's name]"),
        click.option("--workers", type=int, help="Processes; 0 draws in this one.  [default: one for each CPU]"),
        click.option("--part", help="Draw part K/N only, 1-based; auto takes it from a Slurm job array."),
        click.option("--dry-run", is_flag=True, help="Print the plan, with time and disk, and stop."),
        click.option("--overwrite", is_flag=True, help="Replace a data set that lies in the folder."),
        *(chosen if devices else ()),
        json_option,
        progress_option,
    )):  # fmt: skip
        command = option(command)
    return command


def recipe_options(family):
    """Return a decorator that adds an option for each key of a recipe, the family's own from its ``Options``."""
    options = family.Options
    usual = family.defaults(options())
    size = "{1}x{0}".format(*usual["size"]) if isinstance(usual["size"], list) else usual["size"]
    common = [
        click.option("--classes", metavar="N", help=f"Number of classes.  [default: {usual['classes']:,}]"),
        click.option("--per-class", metavar="N", help=f"Images in each.  [default: {usual['per_class']:,}]"),
        click.option("--size", metavar="N|WxH", help=f"Size in pixels, 16 to 4096.  [default: {size}]"),
        click.option("--seed", metavar="N", help="Seed of all chance.  [default: 0]"),
    ]
    own = [option_of(field) for field in msgspec.structs.fields(options)]
    storage = [option_of(field) for field in msgspec.structs.fields(Storage)]

    def decorate(command):
        for option in reversed(common + own + storage):
            command = option(command)
        return command

    return decorate


def option_of(field):
    """Return the command-line option of a field of a struct."""
    flag = field.name.replace("_", "-")
    hint, meta = get_args(field.type) if get_origin(field.type) is Annotated else (field.type, None)
    kind = sequence_in(field.type)
    several = kind is not None and get_args(kind)[-1] is Ellipsis
    shown = "" if field.default in (None, ()) else f"  [default: {_show(field.default, ',' if several else ':')}]"
    text = f"{meta.description if meta else ''}{shown}"
    if hint is bool:
        return click.option(f"--{flag}/--no-{flag}", default=None, help=text)
    if get_origin(hint) is Literal:
        return click.option(f"--{flag}", type=click.Choice(get_args(hint)), help=text)
    if kind is None and str in (hint, *get_args(hint)):
        return click.option(f"--{flag}", metavar="TEXT", help=text)
    metavar = "N" if kind is None else "A,B,.." if several else "LOW:HIGH"
    return click.option(f"--{flag}", metavar=metavar, help=text)


def _show(value, between: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return between.join(map(str, value)) if isinstance(value, tuple) else str(value)


def recipe_of(family: str, given: dict) -> Recipe:
    """Take the recipe's options, as typed, out of all that were given; those that were not are None."""
    keys = {"classes", "per_class", "size", "seed", *families.load(family).Options.__struct_fields__}
    taken = {key: given.pop(key) for key in list(given) if key in keys or key in Storage.__struct_fields__}
    given = {key: value for key, value in taken.items() if value is not None}
    storage = {key: given.pop(key) for key in Storage.__struct_fields__ if key in given}
    return Recipe.from_dict({"family": family, **given, "storage": storage}, COMMAND_LINE)


def print_json(value) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2))
