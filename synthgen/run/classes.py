"""The class table: what a recipe says of its classes, and whether a folder says the same."""

import math
import warnings
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import FormatError, UsageError
from synthgen.recipe import Recipe
from synthgen.run.caches import with_sound_caches
from synthgen.shards.checking import ShardCheck, attempt
from synthgen.shards.files import sha256_of, write_atomically
from synthgen.shards.manifest import CLASSES, Manifest
from synthgen.shards.reading import check_digest, read_lines

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
    lines = list(read_lines(path, recipe.classes))
    if len(lines) != recipe.classes:
        raise FormatError(f"{path}: must have {recipe.classes:,} lines, got {len(lines):,}")

    step = math.ceil(recipe.classes / _MOST_COMPARED)
    for label in range(0, recipe.classes, step):
        expected = class_line(recipe, label)
        if not _says_the_same(lines[label], expected):
            raise FormatError(f"{path}: line {label + 1} must be as the recipe says")


def compared_classes(folder, manifest: Manifest) -> ShardCheck:
    """Return what is found where the class table of a data set is compared with its recipe."""

    def check() -> None:
        check_classes(folder, Recipe.from_dict(manifest.recipe))

    try:
        return attempt(CLASSES, check)
    except UsageError as error:
        warnings.warn(f"{CLASSES} is not compared with the recipe: {error}", stacklevel=2)
        return ShardCheck()


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
    try:
        # A table that was signed must come back byte by byte; another may come from another CPU.
        if signed is None:
            check_classes(folder, recipe)
        else:
            check_digest(path, sha256_of(path), signed)
    except FormatError:
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
        if list(found) != list(expected):
            return False
        return all(_is_close(found[key], expected[key]) for key in expected)

    if isinstance(expected, list) and isinstance(found, list):
        if len(found) != len(expected):
            return False
        return all(map(_is_close, found, expected))

    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(found, expected, rel_tol=_CLOSE)
    return type(found) is type(expected) and found == expected
