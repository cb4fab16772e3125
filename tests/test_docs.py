"""Every command and every snippet that README and docs show runs, on data small enough for a test.

Blocks marked ``console`` and ``python`` are run in the order of the page, in a folder that holds the photographs,
the test set and the data set that the pages speak of. Options at the end of a command make it small; what a page
writes keeps its name. Most pages are run here: starting torch for each of them would take longer than all they do.
"""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
import pytest
from PIL import Image

import synthgen
from synthgen.cli import cli
from synthgen.families import FAMILIES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
# Pages with a process of their own: they draw Mandelbulbs, and OpenCL and torch bring compilers that do not always
# bear each other.
ALONE = ("README.md", "docs/families/mandelbulb.md")

_SMALL_PLACES = (
    "--arch test_resnet --epochs 1 --batch-size 12 --epoch-images 12 --val-images 12 --crop 32 --scale 1:1 "
    "--class-images 2 --batch-classes 2 --mix 1:1"
)
# What makes a command small. Of an option that is given twice, the last counts.
SMALL = {
    "fractals": "--classes 2 --per-class 3 --size 32 --points 500 --workers 0",
    "mandelbulb": "--classes 2 --per-class 1 --size 24 --workers 0",
    "multiformula": "--classes 2 --per-class 2 --size 48 --workers 0",
    "textures": "--classes 2 --per-class 2 --size 32 --workers 0",
    "stains": "--per-class 4 --size 120x100 --workers 0",
    "radial": "--classes 2 --per-class 2 --size 32 --orbits 1:4 --workers 0",
    "connectors": "--per-class 4 --size 64 --workers 0",
    "cutpaste": "--per-class 1 --size 48 --workers 0",
    "run": "--set classes=2 --set per_class=3 --set size=32 --workers 0",
    "plan": "--set classes=2 --set per_class=3 --set size=32",
    "recipes": "--no-time",
    "pretrain": "--arch test_resnet --epochs 1 --batch-size 2 --resize 0 --crop 0",
    "pretrain surface": _SMALL_PLACES,
    "pretrain surface-quick": _SMALL_PLACES,
    "fit": "--size 64",
    "benchmark tiny-benchmark": "--only floor/textures/stones --workers 0 "
    "--set sets.textures.draw.stones.normal.per_class=10 --set sets.textures.draw.stones.test.per_class=2 "
    "--set sets.textures.draw.stones.normal.size=64 --set sets.textures.draw.stones.test.size=64 --set size=64 "
    "--set models.patchcore.backbone=random:test_resnet --set models.padim.backbone=random:test_resnet",
    "look": "--size 32 --images 16",
}
# Programs that a test does not start, and why.
NOT_RUN = {
    "pip": "it would change the environment",
    "eval": "it is for an interactive shell",
    "sbatch": "there is no cluster",
    "torchrun": "it needs several devices",
    "tar": "it is not ours",
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the marked blocks of a page: kind and text."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [(kind, text) for kind, text in found if kind in ("console", "python")]


def commands(text: str) -> list[list[str]]:
    """Return the commands of a console block, as lists of words."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with what the pages take for granted."""
    folder = tmp_path_factory.mktemp("docs")
    rng = np.random.default_rng(0)

    def write(path: str, bright: bool = False) -> None:
        pixels = rng.integers(90, 120, (64, 64, 3), np.uint8)
        if bright:
            pixels[20:40, 20:40] = 250
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / path)

    for i in range(6):
        write(f"photos/good/{i:03d}.png")
    for i in range(2):
        write(f"photos/new/{i:03d}.png", bright=i == 1)
        write(f"test-set/test/good/{i:03d}.png")
        write(f"test-set/test/scratch/{i:03d}.png", bright=True)
        mask = np.zeros((64, 64), np.uint8)
        mask[20:40, 20:40] = 255
        (folder / "test-set/ground_truth/scratch").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(folder / f"test-set/ground_truth/scratch/{i:03d}_mask.png")

    synthgen.generate(
        synthgen.Recipe.from_dict({"family": "fractals", "classes": 2, "per_class": 8, "size": 32, "points": 500}),
        folder / "fractals-1000x1000",
        workers=0,
        progress=False,
    )
    return folder


def default_name(words: list[str]) -> str:
    """Return the folder that a family's command names after what was asked for."""
    with cli.make_context("synthgen", [words[0], "--help"], resilient_parsing=True) as context:
        command = cli.get_command(context, words[0])
        given = command.make_context(words[0], words[1:], parent=context).params
    from synthgen.cli.options import recipe_of

    return recipe_of(words[0], dict(given)).name


def made_small(words: list[str]) -> list[str]:
    """Return the words of a command after ``synthgen``, with options that make it small."""
    name = words[0]
    out = []
    if name in FAMILIES and not {"--out", "-o", "--help", "--dry-run"} & set(words):
        out = ["--out", default_name(words)]
        shutil.rmtree(out[1], ignore_errors=True)  # the page makes itself what the others take for granted
    if "--help" in words or (name == "recipes" and len(words) > 1):
        return words
    kind = next((kind for kind in SMALL if " " in kind and set(kind.split()) <= set(words)), name)
    keeps_its_own = "--update" in words or "score-ensemble" in words
    small = [] if keeps_its_own else shlex.split(SMALL.get(kind, ""))
    words = [word.replace("resnet18:", "random:test_resnet:") for word in words]
    if (
        name == "fit"
        and "--backbone" in words
        and not words[words.index("--backbone") + 1].endswith(".safetensors")
    ):
        small += ["--backbone", "random:test_resnet"]
    return [*words, *small, *out]


def run(words: list[str]) -> None:
    """Run one line of a console block."""
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(rest) <= set(targets)
        return
    if program in NOT_RUN:
        return
    assert program == "synthgen", f"a page shows a program that no test knows: {' '.join(words)}"
    try:
        cli.main(made_small(rest), standalone_mode=False)
    except click.exceptions.Exit as stop:
        assert stop.exit_code == 0, words


def names_of(pages: list[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


@pytest.fixture
def folder(world, drawn_here, tmp_path, monkeypatch):
    """The folder in which a page is run, with the variables of one task of an array of jobs."""
    folder = tmp_path / "page"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    for name in ("ID", "MIN", "MAX", "COUNT"):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", "1")
    return folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", names_of([page for page in PAGES if blocks(page)]))
def test_what_a_page_shows_runs(name, folder):
    pytest.importorskip("torch")
    if name in ALONE:
        command = [sys.executable, __file__, str(ROOT / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return

    with patch.dict(os.environ):
        run_page(ROOT / name)


def test_pages_with_a_process_of_their_own_are_those_that_draw_mandelbulbs():
    drawing = [page for page in PAGES if any("synthgen mandelbulb" in text for _, text in blocks(page))]
    assert names_of(drawing) == list(ALONE)


def run_page(page: Path) -> None:
    """Run all blocks of a page here."""
    names: dict = {}
    for kind, text in blocks(page):
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)  # noqa: S102 - the page is ours
        else:
            for words in commands(text):
                run(words)


def test_tables_of_options_are_true():
    filled = runpy.run_path(str(ROOT / "docs" / "options.py"))["filled"]
    pages = sorted((ROOT / "docs" / "families").glob("*.md"))
    assert {page.stem for page in pages} - {"index"} == set(FAMILIES)
    for page in sorted((ROOT / "docs").rglob("*.md")):
        assert filled(page.read_text()) == page.read_text(), f"run python docs/options.py: {page.name}"


def test_no_page_shows_code_that_is_not_run():
    for page in PAGES:
        plain = re.findall(r"^```(?!console|python|text|yaml)(\w*)\n[^`]", page.read_text(), re.MULTILINE)
        assert not [kind for kind in plain if kind], page


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
