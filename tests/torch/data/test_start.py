"""A worker that is spawned imports what it reads with, and nothing of what draws."""

import ast
import sys
from pathlib import Path

import synthgen

HOME = Path(synthgen.__file__).parent
# Parts that only drawing, planning and writing need; each would make every spawned worker start later.
NOT_NEEDED = {"cards", "families", "ifs", "compose", "recipe", "run", "naming"}
NEEDED_OF_OTHERS = {"deflate", "isal", "llvmlite", "msgspec", "numba", "numpy", "torch"}


def file_of(module: str) -> Path | None:
    """Return the file of a module of ours; None where the name is that of something within a module."""
    place = HOME.joinpath(*module.split(".")[1:])
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def imported_at_once(path: Path):
    """Yield the modules that a file imports when it is loaded."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded_with(module: str) -> set[str]:
    """Return the modules that come with one, those of others by their first name."""
    found = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        top, *below = name.split(".")
        if top != "synthgen" or name in found or file_of(name) is None:
            found |= {top} - {"synthgen"}
            continue
        found.add(name)
        waiting.extend(imported_at_once(file_of(name)))
        waiting.append(".".join(name.split(".")[:-1]) if below else name)
    return found


def test_a_spawned_worker_imports_no_more_than_it_needs():
    found = loaded_with("synthgen.torch.data.shards") | loaded_with("synthgen.torch.data.stream")
    ours = {name.split(".")[1] for name in found if name.startswith("synthgen.")}
    assert {"shards", "torch", "sample"} <= ours
    assert not ours & NOT_NEEDED

    others = {name for name in found if not name.startswith("synthgen")} - set(sys.stdlib_module_names)
    assert others == NEEDED_OF_OTHERS
