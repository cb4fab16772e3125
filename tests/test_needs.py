"""A test file whose packages are not installed is one skip that says what to install."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from synthgen.extras import EXTRAS, install_hint

ROOT = Path(__file__).parents[1]
# Runs pytest as if some packages were not installed; the first argument names them.
WITHOUT = (
    "import sys; sys.modules.update(dict.fromkeys(sys.argv[1].split(','))); "
    "import pytest; sys.exit(pytest.main(sys.argv[2:]))"
)
# What the core and the test runner bring.
ALWAYS_THERE = {
    "PIL",
    "click",
    "deflate",
    "h5py",
    "hypothesis",
    "isal",
    "msgspec",
    "numba",
    "numpy",
    "pyopencl",
    "pytest",
    "yaml",
}


# package -> the extra that brings it, files and folders that need it
MISSING = {
    "torch": ("torch", ["tests/torch", "synthgen/torch"]),
    "trimesh": ("scene", ["tests/surface/mesh"]),
    "datasets": ("consumers", ["tests/consumers/test_huggingface.py"]),
}


def files_of(*folders):
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")] + [
        ROOT / name for name in folders if name.endswith(".py")
    ]


@pytest.fixture(scope="module")
def said():
    """What pytest says when it collects these folders, and one more file, on a machine that lacks the packages."""
    folders = [folder for _, of_package in MISSING.values() for folder in of_package]
    options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    command = [sys.executable, "-c", WITHOUT, ",".join(MISSING), *options, "tests/test_seeding.py", *folders]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


@pytest.mark.parametrize("package", MISSING)
def test_files_without_their_package_are_one_skip_each(said, package):
    extra, folders = MISSING[package]
    reason = re.escape(f"needs {package}: {install_hint(extra)}")
    (number,) = re.findall(rf"^SKIPPED \[(\d+)\] \S+ {reason}$", said, re.MULTILINE)
    assert int(number) == len(files_of(*folders))


def test_the_other_files_are_collected_and_nothing_fails(said):
    tests, _, summary = said.partition("short test summary info")
    assert {line.partition("::")[0] for line in tests.splitlines() if "::" in line} == {"tests/test_seeding.py"}
    reported = re.findall("^[A-Z]+", summary, re.MULTILINE)
    assert reported == ["SKIPPED"] * len(MISSING)


def imported_at_once(path):
    """Return the packages that a test file imports when it is loaded; `synthgen.torch` counts as torch."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {"torch" if name.startswith("synthgen.torch") else name.partition(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - ALWAYS_THERE - {"synthgen"}


def test_the_table_names_what_test_files_import(needs_of):
    wrong = []
    for path in files_of("tests"):
        needed = {package for name in needs_of(path) for package in brought_with(name)}
        wrong += [f"{path.name} imports {name}" for name in sorted(imported_at_once(path) - needed)]
    assert not wrong


def brought_with(package):
    """Return what is surely there where a package is: the extra that brings torch brings all of these."""
    return EXTRAS["torch"] if package == "torch" else (package,)


def test_conftests_import_nothing_that_may_be_missing():
    found = {path: imported_at_once(path) for path in (ROOT / "tests").rglob("conftest.py")}
    assert not any(found.values()), found
