"""What holds for all commands: cheap help, examples that can be typed, suggestions, JSON, completion."""

import json
import re
import shlex
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from synthgen import families
from synthgen.cli import cli
from synthgen.errors import SynthgenError
from synthgen.options import convert
from synthgen.recipe import installed, load_recipe
from synthgen.torch import models
from synthgen.torch.pretrain.options import Options, make_options


def walk(group=cli, words=()):
    """Yield every command with the words that lead to it."""
    yield list(words), group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            yield from walk(group.get_command(context, name), (*words, name))


COMMANDS = {" ".join(words): command for words, command in walk()}
# Commands whose whole result is for shells.
FOR_SHELLS = {"completion"}


def test_no_help_page_loads_what_takes_seconds():
    """In one process: a page that loads such a package leaves it there."""
    pages = [name.split() for name in COMMANDS]
    code = (
        "import sys\nfrom synthgen.cli import cli\n"
        f"for words in {pages}:\n"
        "    cli.main([*words, '--help'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'timm', 'numba', 'scipy', 'h5py', 'pyopencl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_defined_twice(name):
    given = [word for option in COMMANDS[name].params for word in option.opts if word.startswith("-")]
    assert sorted(given) == sorted(set(given))


def examples(command):
    """Return the commands that a help page shows."""
    lines = (line.strip() for line in (command.help or "").splitlines())
    typed = [re.split(r" [|>#]", line)[0] for line in lines if line.startswith("synthgen ")]
    return [line for line in typed if not line.endswith("--help")]


EXAMPLES = sorted({line for command in COMMANDS.values() for line in examples(command)})


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_of_help_pages_can_be_typed(line):
    """Options, choices and recipes that an example names are there, and settings fit their images."""
    _, *words = shlex.split(line)
    context = cli.make_context("synthgen", list(words))
    command = cli
    while isinstance(command, click.Group) and words:
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, words, parent=context)
        words = [] if not isinstance(command, click.Group) else words

    given = context.params
    source = str(given.get("recipe") or given.get("source") or "")
    if source in installed() and "arch" in given:
        changes = {name: given[name] for name in Options.__struct_fields__ if given[name] is not None}
        options = make_options(given["preset"], changes)
        assert max(options.crop, options.resize) <= min(load_recipe(source).size)


def test_every_command_with_results_prints_them_as_json_too():
    without = [
        name
        for name, command in COMMANDS.items()
        if not any(option.name == "as_json" for option in command.params)
        and (not isinstance(command, click.Group) or command.invoke_without_command)
    ]
    assert set(without) == FOR_SHELLS


def test_every_command_can_write_a_log():
    for name, command in COMMANDS.items():
        assert isinstance(command, click.Group) or any(option.name == "log" for option in command.params), name


MISSPELT = {
    "command": (["fractal"], "fractals"),
    "command of a group": (["weights", "imprt"], "import"),
    "subcommand": (["recipes", "shwo"], "show"),
    "kind": (["fit", "padin"], "padim"),
    "option": (["fractals", "--clases", "2"], "--classes"),
    "recipe": (["run", "tiny-fractal"], "tiny-fractals"),
    "recipe of a picture": (["preview", "tiny-fractal", "-o", "x.png"], "tiny-fractals"),
    "recipe shown": (["recipes", "show", "tiny-fractal"], "tiny-fractals"),
    "key": (["run", "tiny-fractals", "--set", "pionts=3"], "points"),
    "value of a key": (["run", "tiny-fractals", "--set", "storage.codec=pngg"], "png"),
    "value of an option": (["fractals", "--codec", "jpg"], "jpeg"),
    "preset": (["pretrain", "tiny-fractals", "--arch", "resnet18", "-o", "x", "--preset", "var"], "var1"),
    "family": (["run", "wrong.yaml"], "fractals"),
    "field": (["render", "tiny-fractals", "--lable", "0", "-o", "x.png"], "--label"),
}


@pytest.mark.parametrize("what", MISSPELT)
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(what, tmp_path, monkeypatch):
    words, meant = MISSPELT[what]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("family: fractal\n")
    with pytest.raises((SynthgenError, click.ClickException)) as error:
        cli.main(words, standalone_mode=False)
    message = error.value.format_message() if isinstance(error.value, click.ClickException) else str(error.value)
    assert re.search(rf"([Dd]id you mean|Possible options:) .*{meant}", message)
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: families.load("stain"), "stains"),
        (lambda: models.load("patch-core"), "patchcore"),
        (lambda: make_options("var1-bach"), "var1-batch"),
        (lambda: convert({"schedule": "cosin"}, Options, ""), "cosine"),
        (lambda: convert({"batchsize": 8}, Options, ""), "batch_size"),
    ],
)
def test_the_library_suggests_too(call, meant):
    with pytest.raises(SynthgenError, match=rf"did you mean {meant}\?$"):
        call()


def completed(*words):
    """Return what a shell would offer after some words, the last of which is begun."""
    *typed, begun = words
    offered = ShellComplete(cli, {}, "synthgen", "_SYNTHGEN_COMPLETE").get_completions(list(typed), begun)
    return [item.value for item in offered if item.type == "plain"]


@pytest.mark.parametrize("command", ["run", "plan", "render", "preview", "recipes show", "pretrain"])
def test_recipes_are_completed(command):
    assert completed(*command.split(), "tiny-f") == ["tiny-fractals"]
    assert set(completed(*command.split(), "")) >= set(installed())


def test_commands_and_kinds_are_completed():
    assert set(completed("pre")) == {"preview", "pretrain"}
    assert set(completed("fit", "pa")) == {"padim", "panda", "patchcore"}
    assert completed("weights", "i") == ["import"]


@pytest.mark.parametrize("line", ["recipes show tiny-fractals", "render tiny-fractals --label 1 -o a.png"])
def test_results_are_json(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*line.split(), "--json"], standalone_mode=False)
    found = json.loads(result.stdout)
    assert found.get("family") == "fractals" or found["params"]["class"] == found["label"] == 1
