"""The class table: what a recipe says of its classes, and whether a folder says the same."""

import hashlib
import math
import warnings
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import FormatError, UsageError
from synthgen.recipe import Recipe
from synthgen.run.caches import with_sound_caches
from synthgen.shards.files import read_error, write_atomically
from synthgen.shards.manifest import CLASSES, read_manifest

# Larger tables are compared at this many lines, spread over the table.
_MOST_COMPARED = 100_000
# Another CPU may find another last bit of a parameter.
_CLOSE = 1e-9


def check_classes(folder, recipe: Recipe) -> None:
    """Raise `FormatError` if the class table of a folder is not that of the recipe; the message names the line.

    Parameters
    ----------
    folder : str or Path
    recipe : Recipe
        The one that the folder was drawn with. Of more than 100,000 classes that many are compared.
    """
    path = Path(folder) / CLASSES
    lines = _read(path).splitlines()
    if len(lines) != recipe.classes:
        raise FormatError(f"{path}: must have {recipe.classes:,} lines, got {len(lines):,}")

    step = math.ceil(recipe.classes / _MOST_COMPARED)
    for label in range(0, recipe.classes, step):
        if not _says_the_same(lines[label], class_line(recipe, label)):
            raise FormatError(f"{path}: line {label + 1} must be as the recipe says")


def wrong_classes(folder) -> list[tuple[str, str]]:
    """Return (name, reason) of the class table of a data set if it is not that of its recipe, in a list."""
    manifest = read_manifest(Path(folder))
    try:
        check_classes(folder, Recipe.from_dict(manifest.recipe))
    except FormatError as error:
        return [(CLASSES, str(error))]
    except UsageError as error:
        warnings.warn(f"{CLASSES} is not compared with the recipe: {error}", stacklevel=2)
    return []


def ensure_classes(folder: Path, recipe: Recipe, signed: str | None) -> None:
    """Write the class table of a recipe, unless the folder has it.

    Parameters
    ----------
    folder : Path
    recipe : Recipe
    signed : str or None
        SHA-256 of the table that a finished data set has.
    """
    path = folder / CLASSES
    found = hashlib.sha256(_read(path)).hexdigest() if path.is_file() else None
    if found is not None and found == signed:
        return
    try:
        # A table that was signed must come back byte by byte; another may come from another CPU.
        if found is not None and signed is None:
            check_classes(folder, recipe)
            return
    except FormatError:
        pass
    write_atomically(path, class_table(recipe))


def class_table(recipe: Recipe) -> bytes:
    """Return what ``classes.jsonl`` holds: a line for each class."""
    lines = [class_line(recipe, label) for label in range(recipe.classes)]
    return b"".join(line + b"\n" for line in lines)


def class_line(recipe: Recipe, label: int) -> bytes:
    """Return the line of one class."""
    family = families.load(recipe.family)
    described = with_sound_caches(family.describe_class, recipe.options, recipe.seed, label)
    return msgspec.json.encode({"id": label, **described})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise read_error(error, path) from None


def _says_the_same(line: bytes, expected: bytes) -> bool:
    if line == expected:
        return True
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return _is_close(found, msgspec.json.decode(expected))


def _is_close(found, expected) -> bool:
    """Compare JSON values; numbers may differ in their last bits."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(found) == list(expected) and all(_is_close(found[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(_is_close, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(found, expected, rel_tol=_CLOSE)
    return type(found) is type(expected) and found == expected
