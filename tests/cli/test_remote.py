"""An address such as s3://bucket/x is read, or refused in one line before any work is done."""

import click
import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.cli.options import Local
from synthgen.errors import UsageError
from synthgen.layouts import categories, open_held_out, open_images, open_normal, open_test_set
from synthgen.layouts.labelled import open_labelled

# None of the files and folders is there: what is read or made first would be named in place of the address.
COMMANDS = {
    "pretrain": ["pretrain", "no-such-set", "--arch", "no-such-net"],
    "fit": ["fit", "padim", "--normal", "no-such-folder", "--backbone", "no-such-net"],
    "detect": ["detect", "no-such-model", "no-such-image.png"],
    "evaluate": ["evaluate", "no-such-model", "no-such-set"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("out", ["s3://bucket/x", "gs://b/model.safetensors", "https://host/x"])
def test_addresses_are_refused_first(command, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*COMMANDS[command], "--out", out], standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(f"--out must be a path on this machine, got {out}")
    assert list(tmp_path.iterdir()) == []


# Commands that take a data set wherever it lies: the words around its address.
READ = {
    "gallery": (["gallery"], ["-o", "g.html"]),
    "info": (["info"], []),
    "plan": (["plan"], []),
    "preview": (["preview"], ["-o", "p.png"]),
    "recipes show": (["recipes", "show"], []),
    "render": (["render"], ["--label", "0", "-o", "r.png"]),
    "run": (["run"], ["-o", "again", "--dry-run"]),
    "verify": (["verify"], []),
}
# Those that read only what lies on this machine.
REFUSED = {
    "card": (["card"], []),
    "card --texts": (["card", "d", "--texts"], []),
    "cutpaste": (["cutpaste", "-o", "c", "--normal"], []),
    "detect": (["detect", "m"], ["-o", "x"]),
    "detect with a model": (["detect"], ["x.png", "-o", "x"]),
    "evaluate": (["evaluate", "m"], []),
    "evaluate --normal": (["evaluate", "m", "d", "--normal"], []),
    "evaluate --held-out": (["evaluate", "m", "d", "--held-out"], []),
    "export": (["export", "mvtec"], ["-o", "x"]),
    "export-model": (["export-model"], ["-o", "x.onnx"]),
    "fit": (["fit", "padim", "--backbone", "no-such-net", "-o", "m", "--normal"], []),
    "look": (["look", "random:no-such-net", "-o", "x", "--data"], []),
    "merge": (["merge", "whole", "part-1"], []),
    "refine": (["refine", "m"], ["-o", "x"]),
    "refine --tune": (["refine", "m", "d", "-o", "x", "--tune"], []),
    "weights import": (["weights", "import"], ["--arch", "resnet18"]),
}
# Commands that take neither a data set nor a folder, or one that a file of theirs names; `pretrain` takes long.
NEITHER = {
    "", "benchmark", "completion", "connectors", "distill", "doctor", "fit", "fractals", "mandelbulb",
    "multiformula", "pretrain", "radial", "recipes", "stains", "textures", "weights",
}  # fmt: skip


@pytest.mark.parametrize("command", READ)
def test_a_data_set_of_a_store_is_read(command, address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    before, after = READ[command]
    result = CliRunner().invoke(cli, [*before, address, *after], standalone_mode=False)
    assert result.exception is None, result.exception
    assert result.stdout or command == "render"


@pytest.mark.parametrize("command", REFUSED)
@pytest.mark.parametrize("address", ["s3://bucket/x", "file:///no/such/folder"])
def test_what_must_lie_on_this_machine_says_so(command, address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, after = REFUSED[command]
    result = CliRunner().invoke(cli, [*before, address, *after], standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    said = str(result.exception)
    assert said.startswith(f"{address}: must be a path on this machine")
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == []


def walk(group=cli, name=""):
    """Yield every command with its name."""
    yield name, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for word in group.list_commands(context):
            yield from walk(group.get_command(context, word), f"{name} {word}".strip())


ALL = dict(walk())


def test_every_command_is_in_one_of_the_tables():
    typed = [" ".join(before) for before, _ in (*READ.values(), *REFUSED.values())]
    kinds = {name for name in ALL if name.startswith("fit ")}
    known = {name for name in ALL if any(f"{words} ".startswith(f"{name} ") for words in typed)}
    assert set(ALL) - kinds == (known - kinds) | NEITHER
    for name in kinds:
        normal = next(option for option in ALL[name].params if option.name == "normal")
        assert isinstance(normal.type, Local)


# Paths that may be addresses; `out` is refused where it may not, and `scratch` is a folder.
ADDRESSES = {"gallery dataset", "info folder", "verify folder"}


def test_no_command_has_a_path_that_takes_an_address_unseen():
    found = set()
    for name, command in ALL.items():
        paths = [option for option in command.params if isinstance(option.type, click.Path)]
        found |= {f"{name} {option.name}" for option in paths if not isinstance(option.type, Local)}
    assert {words for words in found if words.split()[-1] not in ("out", "scratch")} == ADDRESSES


def _labelled(path):
    return open_labelled(path, 10)


@pytest.mark.parametrize(
    "call", [categories, open_held_out, lambda path: open_images([path]), _labelled, open_normal, open_test_set]
)
def test_the_library_says_so_too(call):
    with pytest.raises(UsageError, match=r"^s3://bucket/x: must be a path on this machine"):
        call("s3://bucket/x")
