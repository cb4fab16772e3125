"""The class table: what a recipe says of its classes, and whether a folder says the same."""

import hashlib
import math
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import FormatError, UsageError
from synthgen.recipe import Recipe
from synthgen.run.caches import with_sound_caches
from synthgen.shards.checking import ShardCheck, attempt
from synthgen.shards.files import sha256_of, write_atomically
from synthgen.shards.manifest import CLASSES, MAX_CLASSES, MAX_TABLE, Manifest, growing_from
from synthgen.shards.reading import check_digest, read_lines

# Larger tables are compared at this many lines, spread over the table.
_MOST_COMPARED = 100_000
# Another CPU may find another last bit of a parameter.
_CLOSE = 1e-9


def check_classes(folder, recipe: Recipe, more: bool = False) -> None:
    """Raise `FormatError` if the class table of a folder is not that of the recipe; the message names the line.

    Parameters
    ----------
    folder : str or Path
    recipe : Recipe
        The one that the folder was drawn with. Of more than 100,000 classes that many are compared.
    more : bool
        Whether lines of further classes may follow: the data set grows.
    """
    path = Path(folder) / CLASSES
    lines = list(read_lines(path, MAX_CLASSES if more else recipe.classes))[: recipe.classes]
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
        recipe = Recipe.from_dict(manifest.recipe)
        check_classes(folder, recipe, more=growing_from(folder, manifest) is not None)

    try:
        return attempt(CLASSES, check)
    except UsageError as error:
        warnings.warn(f"{CLASSES} is not compared with the recipe: {error}", stacklevel=2)
        return ShardCheck()


def ensure_classes(folder: Path, recipe: Recipe, manifest: Manifest | None) -> None:
    """Write the class table of a recipe, unless the folder has it.

    Parameters
    ----------
    folder : Path
    recipe : Recipe
    manifest : Manifest or None
        That of a finished data set, whose table is signed. It may have fewer classes than the recipe.
    """
    try:
        _check_table(folder, recipe, manifest)
    except FormatError:
        known = _known_lines(folder, manifest)
        write_atomically(folder / CLASSES, class_table(recipe, known))


def _check_table(folder: Path, recipe: Recipe, manifest: Manifest | None) -> None:
    """Raise `FormatError` unless a folder has the class table of a recipe."""
    path = folder / CLASSES
    # A table that was signed must come back byte by byte; another may come from another CPU.
    if manifest is not None and manifest.classes == recipe.classes:
        check_digest(path, sha256_of(path, MAX_TABLE), manifest.classes_sha256)
        return

    check_classes(folder, recipe)
    if manifest is not None:
        signed_lines(folder, manifest)


def signed_lines(folder: Path, manifest: Manifest) -> list[bytes]:
    """Return the lines of the class table that a manifest has signed; raise `FormatError` if they differ."""
    path = folder / CLASSES
    lines = list(islice(read_lines(path, MAX_CLASSES), manifest.classes))
    digest = hashlib.sha256(b"".join(line + b"\n" for line in lines))
    check_digest(path, digest.hexdigest(), manifest.classes_sha256)
    return lines


def _known_lines(folder: Path, manifest: Manifest | None) -> list[bytes]:
    """Return the lines of the class table that must stay as they are."""
    if manifest is None:
        return []
    try:
        return signed_lines(folder, manifest)
    except FormatError:
        return []


def cut_classes(folder: Path, manifest: Manifest) -> None:
    """Make the class table again that of a manifest, after classes that were to be added were not."""
    lines = signed_lines(folder, manifest)
    write_atomically(folder / CLASSES, b"".join(line + b"\n" for line in lines))


def class_table(recipe: Recipe, known: Sequence[bytes] = ()) -> bytes:
    """Return what ``classes.jsonl`` holds: a line for each class. Those of the first classes may be known."""
    further = [class_line(recipe, label) for label in range(len(known), recipe.classes)]
    lines = [*known, *further]
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
