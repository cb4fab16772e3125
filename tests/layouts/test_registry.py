"""A layout that nobody listed, or that lacks a function, a test or its place in the docs, fails here."""

from importlib import import_module
from pathlib import Path

import pytest

from synthgen import layouts

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "synthgen" / "layouts"
MODULES = [import_module(f"synthgen.layouts.{path.stem}") for path in sorted(FOLDER.glob("[a-z]*.py"))]
# `plain` reads what no other layout recognises, so it stands outside the list.
LISTED = (*layouts._LAYOUTS, layouts.plain)
NEEDED = ("NAME", "recognises", "normal", "test_set", "known")


def name_of(module) -> str:
    return module.__name__.rpartition(".")[2]


def test_every_layout_is_listed():
    found = {name_of(module) for module in MODULES if hasattr(module, "recognises")}
    assert found - set(map(name_of, LISTED)) == set(), "add them to _LAYOUTS in synthgen/layouts/__init__.py"


@pytest.mark.parametrize("layout", LISTED, ids=name_of)
def test_a_layout_is_complete(layout):
    lacking = [needed for needed in NEEDED if not hasattr(layout, needed)]
    assert lacking == [], "the docstring of synthgen/layouts/__init__.py says what they are"

    test = ROOT / "tests" / "layouts" / f"test_{name_of(layout)}.py"
    assert test.exists(), f"add {test.relative_to(ROOT)}: a small tree, read back"


@pytest.mark.parametrize("layout", [x for x in layouts._LAYOUTS if x is not layouts.own], ids=name_of)
def test_the_docs_name_every_layout(layout):
    page = (ROOT / "docs" / "detection.md").read_text()
    assert layout.NAME in page, f"say in docs/detection.md, under Data that is read, that {layout.NAME} is read"
