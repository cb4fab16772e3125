"""The wheel in a fresh environment, far from the sources: the demo runs, and hints can be copied.

It takes the network and a minute: `make test-wheel` runs it, other runs skip it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("synthgen", "kernels", "recipes", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.skipif("SYNTHGEN_TEST_WHEEL" not in os.environ, reason="`make test-wheel` runs it")


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with an environment `env` in which the wheel is installed, and nothing of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "sources").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / "sources" / name)

    made = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", "./sources", cwd=folder)
    assert made.returncode == 0, made.stderr
    shutil.rmtree(folder / "sources")

    (wheel,) = (folder / "dist").glob("synthgen_vision-*-py3-none-any.whl")
    run(sys.executable, "-m", "venv", "env", cwd=folder)
    installed = run("env/bin/python", "-m", "pip", "install", "-q", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return folder


def demo() -> list[str]:
    """Return the commands of `make demo`."""
    makefile = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"^demo:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    return re.findall(r"\$\(BIN\)/(synthgen .*)", recipe)


def test_the_demo_runs_from_the_wheel(place):
    commands = demo()
    assert len(commands) == 3
    for command in commands:
        done = run(*shlex.split(f"env/bin/{command}"), cwd=place)
        assert done.returncode == 0, done.stderr
    assert (place / "demo" / "fractals.png").stat().st_size > 10_000


@pytest.mark.parametrize("recipe", ["tiny-mandelbulbs", "tiny-plates", "tiny-multifractals"])
def test_what_is_no_python_is_in_the_wheel(place, recipe):
    done = run("env/bin/synthgen", "render", recipe, "--label", 0, "-o", f"{recipe}.png", "--size", 64, cwd=place)
    assert done.returncode == 0, done.stderr


def test_a_hint_can_be_copied(place):
    told = run("env/bin/synthgen", "fit", "padim", "--normal", ".", "--out", "x", cwd=place)
    hint = re.search(r"pip install '.*'", told.stderr)[0]
    words = shlex.split(hint)
    done = run("env/bin/python", "-m", *words, "--no-deps", "--dry-run", cwd=place)
    assert (done.returncode, "already satisfied: synthgen-vision" in done.stdout) == (0, True), done.stderr
