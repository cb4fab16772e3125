"""The data sets of a benchmark: their categories, what is missing, and data that is drawn first."""

import hashlib
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from synthgen.errors import LockedError, UsageError, did_you_mean
from synthgen.layouts import categories
from synthgen.layouts.own import recognises as is_own
from synthgen.layouts.visa import SPLITS
from synthgen.run import generate
from synthgen.shards.dataset import open_dataset
from synthgen.torch.benchmark.config import DataSet, check_name, recipe_of

DRAWN = "drawn"
_NORMAL = "-normal"
_PATIENCE = 600.0


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A category of a data set.

    Parameters
    ----------
    name : str
    normal, test : str
        Folders of the images for fitting, and of those for testing.
    state : dict
        What tells the data from other data, without reading it: it goes into the fingerprint of jobs.
    """

    name: str
    normal: str
    test: str
    state: dict[str, Any]


class Found(msgspec.Struct, frozen=True):
    """The categories of a data set, and lines on what is missing, and on what was left out."""

    categories: list[Category]
    missing: list[str]
    notes: list[str]


def categories_of(name: str, given: DataSet, folder: Path) -> Found:
    """Return the categories of a data set of a benchmark.

    Parameters
    ----------
    name : str
    given : DataSet
    folder : Path
        Of the benchmark's results: what is drawn lies in it.
    """
    if given.draw is not None:
        return _of_drawn(name, given, folder)
    return _of_folder(name, given)


def _of_drawn(name: str, given: DataSet, folder: Path) -> Found:
    found = []
    for category, recipes in (given.draw or {}).items():
        place = folder / DRAWN / name
        state = {}
        for part in ("normal", "test"):
            recipe = recipe_of(getattr(recipes, part), f"sets.{name}.draw.{category}.{part}")
            state[part] = recipe.data_fingerprint
        normal = place / (category + _NORMAL)
        test = place / category
        found.append(Category(name=category, normal=str(normal), test=str(test), state=state))
    return _chosen(name, given, found, [])


def _of_folder(name: str, given: DataSet) -> Found:
    path = Path(given.path or "")
    if not path.is_dir():
        return Found([], [f"sets.{name}.path must be a folder of images, got {path}, which is not there"], [])

    folders, notes = categories(path)
    if given.normal is not None and len(folders) > 1:
        rule = "must be left out for a folder of several categories"
        raise UsageError(f"sets.{name}.normal {rule}, got {given.normal}")
    if given.normal is not None and not Path(given.normal).is_dir():
        line = f"sets.{name}.normal must be a folder of images, got {given.normal}, which is not there"
        return Found([], [line], notes)

    found = []
    for category, test in folders.items():
        check_name(category, "", f"sets.{name}.classes")
        normal = Path(given.normal or test)
        state = {"test": state_of(test), "normal": state_of(normal)}
        split = test.parent / SPLITS
        if split.is_dir():
            state["split"] = state_of(split)
        found.append(Category(name=category, normal=str(normal), test=str(test), state=state))
    return _chosen(name, given, found, notes)


def _chosen(name: str, given: DataSet, found: list[Category], notes: list[str]) -> Found:
    """Return the categories that are asked for."""
    if not given.classes:
        return Found(found, [], notes)

    by_name = {category.name: category for category in found}
    missing = []
    for wanted in given.classes:
        if wanted not in by_name:
            listed = ", ".join(by_name)
            hint = did_you_mean(wanted, by_name)
            missing.append(f"sets.{name}.classes must be some of {listed}, got {wanted}{hint}")
    chosen = [by_name[wanted] for wanted in given.classes if wanted in by_name]
    return Found(chosen, missing, notes)


def state_of(folder: Path) -> str:
    """Return a digest of the names and sizes of all files of a folder; of a data set of ours its fingerprint."""
    if is_own(folder):
        return open_dataset(folder).manifest.fingerprints.data

    digest = hashlib.sha256()
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        line = f"{name}\0{path.stat().st_size}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def files_of(folder: Path) -> list[Path]:
    """Return all files of a folder and those below it, by name, without hidden ones."""
    paths = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts) and path.is_file():
            paths.append(path)
    return sorted(paths)


def draw_missing(name: str, given: DataSet, wanted: Collection[str], folder: Path, progress: str) -> None:
    """Draw some categories of a data set that are not there yet; other parts may draw them at the same time."""
    place = folder / DRAWN / name
    for category, recipes in (given.draw or {}).items():
        if category not in wanted:
            continue
        for part, suffix in (("normal", _NORMAL), ("test", "")):
            recipe = recipe_of(getattr(recipes, part), f"sets.{name}.draw.{category}.{part}")
            _draw(recipe, place / (category + suffix), progress)


def _draw(recipe, folder: Path, progress: str) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            generate(recipe, folder, progress=progress)
            return
        except LockedError:
            if time.monotonic() > end:
                raise
            time.sleep(1)
