"""Options of the command line: how an error of the library is spelled, and what follows from a struct."""

from typing import Annotated, Literal

import click
import msgspec
import pytest

from synthgen.cli.options import Command, command, option_of, out_option
from synthgen.errors import UsageError


def failing(message: str) -> Command:
    """Return a command with three options that fails with a message."""

    @command("fail")
    @click.argument("recipe", required=False)
    @out_option("Where to.", required=False)
    @click.option("--per-class")
    @click.option("--codec")
    def fail(**given):
        raise UsageError(message)

    return fail


@pytest.mark.parametrize(
    ("told", "spelled"),
    [
        ("per_class must be >= 1, got 0", "--per-class must be >= 1, got 0"),
        ("out must be a folder, got a file", "--out must be a folder, got a file"),
        ("codec: must be png", "--codec must be png"),
        ("storage.codec must be png", "--codec must be png"),
        ("recipe must be a file", "recipe must be a file"),  # an argument has no option
        ("per_classes must be >= 1", "per_classes must be >= 1"),
        ("a.yaml: per_class must be >= 1", "a.yaml: per_class must be >= 1"),
        ("per_class", "per_class"),
        ("", ""),
    ],
)
def test_an_argument_that_begins_a_message_is_spelled_as_its_option(told, spelled):
    with pytest.raises(UsageError) as error:
        failing(told).main([], standalone_mode=False)
    assert str(error.value) == spelled


class Kinds(msgspec.Struct):
    """One field of each kind."""

    flag: Annotated[bool, msgspec.Meta(description="A flag.")] = False
    word: Annotated[Literal["a", "b"], msgspec.Meta(description="A word.")] = "a"
    number: Annotated[int, msgspec.Meta(ge=1, description="A number.")] = 3
    span: Annotated[tuple[float, float], msgspec.Meta(description="A range.")] = (0.0, 1.0)
    names: Annotated[tuple[str, ...], msgspec.Meta(description="Names.")] = ("x", "y")
    text: Annotated[str | None, msgspec.Meta(description="Text.")] = None


def test_help_shows_what_a_struct_says_of_its_fields():
    made = click.Command("kinds", params=[])
    for field in msgspec.structs.fields(Kinds):
        made = option_of(field)(made)
    with click.Context(made, max_content_width=200) as context:
        text = " ".join(made.get_help(context).split())
    assert "--flag / --no-flag A flag. [default: off]" in text
    assert "--word [a|b] A word. [default: a]" in text
    assert "--number N A number. [default: 3]" in text
    assert "--span LOW:HIGH A range. [default: 0.0:1.0]" in text
    assert "--names A,B,.. Names. [default: x,y]" in text
    assert "--text TEXT Text." in text
