"""What the scripts import from each other and from the package is there: nothing else notices a name that moved."""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "studies", "examples", "tools")
SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.py"))


def imports_of(path: Path):
    """Yield module and names of each ``from .. import`` of a script."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]


def names_in(path: Path) -> set[str]:
    """Return what a script defines, assigns or imports at its top."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        else:
            names |= {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}
    return names


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_script_imports_is_there(script):
    for module, names in imports_of(script):
        siblings = [ROOT / folder / f"{module}.py" for folder in FOLDERS]
        known = [names_in(path) for path in siblings if path.exists()]
        if known:
            assert any(set(names) <= each for each in known), f"{module} has no {names}"
        elif module.split(".")[0] == "synthgen":
            found = importlib.import_module(module)
            for name in names:
                is_there = hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}")
                assert is_there, f"{module} has no {name}"
