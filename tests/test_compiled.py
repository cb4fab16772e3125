"""Compiled code: kept where it can be, and announced where making it takes long."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import synthgen
from synthgen import compiled

_DROP_FROM_BOUNDING_SET = 24
_OVERRIDE_PERMISSIONS = 1
# Importing this module makes Numba look for a place; calling its function writes there.
SCRIPT = """
import numpy
import synthgen
from synthgen.compiled import cache_place, temporary_note
from synthgen.splitmix import mix
mix(numpy.uint64(1))
print(cache_place())
print(temporary_note())
"""
COMMAND = """
import sys
from synthgen.__main__ import main
sys.argv = ["synthgen", "render", "tiny-fractals", "--label", "0", "-o", "x.png"]
main()
"""


def obey_permissions():
    """Take from root what lets it write anywhere; other users have it not."""
    if os.getuid() == 0:
        library = ctypes.CDLL(None)
        assert library.prctl(_DROP_FROM_BOUNDING_SET, _OVERRIDE_PERMISSIONS, 0, 0, 0) == 0


@pytest.fixture
def container(tmp_path):
    """A copy of the package and a home folder, neither of which can be written, and a temporary folder."""
    ours = tmp_path / "site-packages" / "synthgen"
    shutil.copytree(Path(synthgen.__file__).parent, ours, ignore=shutil.ignore_patterns("*.nbi", "*.nbc"))
    home = tmp_path / "home"
    home.mkdir()
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    folders = [home, ours, *(path for path in ours.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield {
        **{name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))},
        "PYTHONPATH": str(ours.parent),
        "HOME": str(home),
        "TMPDIR": str(temporary),
    }
    for folder in folders:
        folder.chmod(0o755)


def run(environment, script):
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=environment["TMPDIR"],
        preexec_fn=obey_permissions,
        capture_output=True,
        text=True,
        check=False,
    )


def files_below(folder):
    return [path for path in Path(folder).rglob("*") if path.suffix == ".nbi"]


def test_where_nothing_else_can_be_written_a_private_temporary_folder_serves(container):
    done = run(container, SCRIPT)
    assert done.returncode == 0, done.stderr
    place, note = done.stdout.splitlines()
    assert place == f"{container['TMPDIR']}/synthgen-numba-{os.getuid()}"
    assert Path(place).stat().st_mode & 0o777 == 0o700
    assert files_below(place)
    assert note.startswith(f"compiled code is kept in {place}, since neither")


def test_a_temporary_folder_that_others_can_write_is_not_used(container):
    folder = Path(container["TMPDIR"]) / f"synthgen-numba-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    done = run(container, COMMAND)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "synthgen: no folder can be written for compiled code: set NUMBA_CACHE_DIR to one that can\n"
    )
    assert not files_below(folder)


@pytest.mark.parametrize("place", ["HOME", "NUMBA_CACHE_DIR"])
def test_numba_s_own_places_are_left_to_it(container, place, tmp_path):
    folder = tmp_path / "writable"
    folder.mkdir()
    done = run({**container, place: str(folder)}, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(str(folder))
    assert files_below(folder)
    assert not os.listdir(container["TMPDIR"])


@pytest.mark.parametrize(("long", "sentences"), [(0.0, 1), (1e9, 0)])
def test_long_compilations_are_announced_once(monkeypatch, long, sentences):
    monkeypatch.setattr(compiled, "_LONG", long)
    told = []
    with compiled.announced(told.append):
        for step in (1, 2):
            numba.njit(lambda value, step=step: value + step)(3)
    assert [text.partition(":")[0] for text in told] == ["compiling, once"] * sentences


def test_code_that_is_compiled_is_not_announced(monkeypatch):
    monkeypatch.setattr(compiled, "_LONG", 0.0)
    double = numba.njit(lambda value: 2 * value)
    double(3)
    told = []
    with compiled.announced(told.append):
        double(4)
    assert not told
