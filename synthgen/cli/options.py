"""Options that several commands share, and options made of a struct of options.

All commands are a `Command`, which spells an argument that an error of the library names as an option, and says
where it compiles for long.
"""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

import click
import msgspec
from click.shell_completion import CompletionItem

from synthgen import families
from synthgen.compiled import announced
from synthgen.errors import UsageError, did_you_mean
from synthgen.options import sequence_in

if TYPE_CHECKING:
    from synthgen.recipe import Recipe

COMMAND_LINE = ""  # values typed as options come from no place that a message could name

_ARGUMENT = re.compile(r"([a-z][a-z0-9_.]*)(:?)(?= )")


class Command(click.Command):
    """A command whose errors name options: ``workers must be`` becomes ``--workers must be``."""

    def __init__(self, *arguments, compiles: bool = True, **given):
        super().__init__(*arguments, **given)
        self.compiles = compiles
        self.params.append(_log_option())

    def invoke(self, context):
        """Run the command; one that may compile says so where it takes long."""
        try:
            with announced(_note) if self.compiles else nullcontext():
                return super().invoke(context)
        except UsageError as error:
            raise UsageError(self.spelled(str(error))) from None

    def spelled(self, message: str) -> str:
        """Return a message with the argument that begins it spelled as this command's option."""
        match = _ARGUMENT.match(message)
        if match is None:
            return message

        name = match[1].rpartition(".")[2]
        for option in self.params:
            if isinstance(option, click.Option) and option.name == name:
                return max(option.opts, key=len) + message[match.end() :]
        return message


def _log_option() -> click.Option:
    """Return the option that every command has."""
    return click.Option(
        ["--log"],
        metavar="FILE",
        expose_value=False,
        is_eager=True,
        callback=_start_log,
        help="Add all messages to this file, with the time.",
    )


def _start_log(context, option, path) -> None:
    if path and not context.resilient_parsing:
        from synthgen.cli.log import start_log

        start_log(path)


class Words(click.Choice):
    """A choice among words that suggests one for a word that is misspelt."""

    def convert(self, value, param, ctx):
        """Return the word."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            rule = error.message.rstrip(".")
            hint = did_you_mean(value, self.choices)
            raise click.BadParameter(rule + hint, ctx, param) from None


class Local(click.Path):
    """A file or a folder of this machine: an address of a store is refused before anything is done."""

    def convert(self, value, param, ctx):
        """Return the path."""
        from synthgen.shards.files import check_local  # late: help needs no NumPy

        check_local(value)
        return super().convert(value, param, ctx)


LOCAL = Local()


class Suggesting(click.Group):
    """A group that suggests a command where the name is misspelt."""

    noun = "command"

    def resolve_command(self, context, arguments):
        """Return the command that is meant, or fail with the closest name."""
        name = arguments[0]
        names = self.list_commands(context)
        hint = did_you_mean(name, names)
        if hint and name not in names and not name.startswith("-"):
            context.fail(f"No such {self.noun} '{name}'{hint}")
        return super().resolve_command(context, arguments)


class Lazy(Suggesting):
    """A group whose commands are loaded when they are used: its help and completion need none of them."""

    def summaries(self) -> dict[str, str]:
        """Return what each command does, by its name."""
        raise NotImplementedError

    def list_commands(self, context):
        """Return the names of all commands."""
        return list(self.summaries())

    def format_commands(self, context, formatter):
        """Write the list of commands into a help page."""
        with formatter.section(f"{self.noun.capitalize()}s"):
            formatter.write_dl(list(self.summaries().items()))

    def shell_complete(self, context, incomplete):
        """Return the commands that begin so, then the options."""
        rows = self.summaries().items()
        found = [CompletionItem(name, help=text) for name, text in rows if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, context, incomplete)]


def complete_recipe(context, param, incomplete) -> list[CompletionItem]:
    """Return the installed recipes that begin so; shells add files and folders."""
    from synthgen.recipe import installed

    names = [name for name in installed() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


recipe_argument = click.argument("recipe", shell_complete=complete_recipe)


def _note(sentence: str) -> None:
    click.echo(f"synthgen: {sentence}", err=True)


command = partial(click.command, cls=Command)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
progress_option = click.option(
    "--progress",
    type=Words(["auto", "plain", "none"]),
    default="auto",
    help="A bar, a line every ten seconds, or nothing.",
)
threads_option = click.option(
    "--threads", type=int, help="Threads of torch on a CPU.  [default: one for each core]"
)
training_device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to train.  [default: auto]"
)
any_device_option = click.option(
    "--any-device", is_flag=True, help="Accept shards that were drawn on another device."
)


def checkpoint_option(what: str):
    """Return the decorator of the interval between checkpoints, which `what` describes."""
    return click.option(
        "--checkpoint-seconds",
        type=click.FloatRange(0),
        default=300,
        help=f"Seconds between {what}.  [default: 300]",
    )


def out_option(text: str, required: bool = True):
    """Return the option for what a command writes."""
    return click.option("-o", "--out", type=click.Path(), required=required, help=text)


def run_options(draw, devices: bool = True):
    """Add the options of commands that draw a data set; `devices`: also those that choose a compute device."""
    chosen = (
        click.option("--device", help="OpenCL device, by name or number; see `synthgen doctor`."),
        any_device_option,
    )
    options = (
        out_option("Folder of the data set, or s3://, gs://..  [default: the recipe's name]", required=False),
        click.option("--workers", type=int, help="Processes; 0 draws in this one.  [default: one for each CPU]"),
        click.option("--part", help="Draw part K/N only, 1-based; auto takes it from a job array."),
        click.option("--dry-run", is_flag=True, help="Print the plan, with time and disk, and stop."),
        click.option("--overwrite", is_flag=True, help="Replace a data set that lies in the folder."),
        click.option("--drop-growth", is_flag=True, help="Remove what an unfinished growth has added, first."),
        *(chosen if devices else ()),
        *_cluster_options(),
        json_option,
        progress_option,
    )
    return with_options(draw, options)


def _cluster_options():
    """Return the options of runs that draw on other machines, or write to them."""
    return (
        click.option(
            "--scratch",
            type=click.Path(),
            help="Where shards for a store are drawn.",
        ),
        click.option("--executor", type=Words(["local", "ray"]), default="local", help="Who draws."),
        click.option("--address", help="Of a Ray cluster; auto joins that of this machine.  [default: begin one]"),
        click.option("--cpus-per-task", type=float, default=1, help="CPUs that a task of Ray takes."),
        click.option("--gpus-per-task", type=float, default=0, help="GPUs that a task of Ray takes."),
    )


def with_options(draw, options):
    """Add options to a command, in the order in which its help lists them."""
    for option in reversed(options):
        draw = option(draw)
    return draw


def recipe_options(family):
    """Return a decorator that adds an option for each key of a recipe, the family's own from its ``Options``."""
    from synthgen.recipe import Storage  # late: the help of other commands needs no NumPy

    own = options_of(family.Options)
    stored = options_of(Storage, but=("grown_from",))
    return partial(with_options, options=(*_usual_options(family), *own, *stored))


def _usual_options(family) -> list:
    """Return the options that all families have, with the defaults of this one."""
    usual = family.defaults(family.Options())
    size = usual["size"]
    if isinstance(size, list):
        height, width = size
        size = f"{width}x{height}"

    rows = (
        ("--classes", "N", "Number of classes.", f"{usual['classes']:,}"),
        ("--per-class", "N", "Images in each class.", f"{usual['per_class']:,}"),
        ("--size", "N|WxH", "Size in pixels, 16 to 4096.", size),
        ("--seed", "N", "Seed of all random choices.", 0),
    )
    return [
        click.option(flag, metavar=metavar, help=f"{text}  [default: {default}]")
        for flag, metavar, text, default in rows
    ]


def options_of(kind, but: tuple[str, ...] = ()) -> list:
    """Return a command-line option for each field of a struct but some."""
    fields = msgspec.structs.fields(kind)
    return [option_of(field) for field in fields if field.name not in but]


def option_of(field):
    """Return the command-line option of a field of a struct."""
    flag = field.name.replace("_", "-")
    hint = field.type
    text = ""
    if get_origin(hint) is Annotated:
        hint, meta = get_args(hint)
        text = meta.description

    kinds = (hint, *get_args(hint))
    sequence = sequence_in(field.type)
    is_list = sequence is not None and get_args(sequence)[-1] is Ellipsis

    if field.default not in (None, (), msgspec.NODEFAULT):
        between = "," if is_list else ":"
        text += f"  [default: {_show(field.default, between)}]"
    if bool in kinds:
        return click.option(f"--{flag}/--no-{flag}", default=None, help=text)
    if get_origin(hint) is Literal:
        choice = Words(get_args(hint))
        return click.option(f"--{flag}", type=choice, help=text)

    if get_origin(hint) is dict:
        return click.option(f"--{flag}", metavar="KEY=VALUE", multiple=True, help=text)
    if is_list:
        metavar = "A,B,.."
    elif sequence is not None:
        metavar = "LOW:HIGH"
    elif str in kinds:
        metavar = "TEXT"
    else:
        metavar = "N"
    return click.option(f"--{flag}", metavar=metavar, help=text)


def _show(value, between: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return between.join(map(str, value))
    return str(value)


def recipe_of(family: str, given: dict) -> Recipe:
    """Take the recipe's options, as typed, out of all that were given; those that were not are None."""
    from synthgen.recipe import Recipe, Storage

    own = families.load(family).Options.__struct_fields__
    stored = Storage.__struct_fields__
    taken = {}
    for key in ("classes", "per_class", "size", "seed", *own, *stored):
        value = given.pop(key, None)
        if value is not None:
            taken[key] = value

    storage = {key: taken.pop(key) for key in stored if key in taken}
    return Recipe.from_dict({"family": family, **taken, "storage": storage}, COMMAND_LINE)


def print_json(value) -> None:
    """Print a result for programs."""
    plain = msgspec.to_builtins(value)
    click.echo(json.dumps(plain, indent=2))
