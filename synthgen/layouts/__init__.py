"""Readers of data sets for anomaly detection: MVTec AD, MVTec LOCO, VisA, plain folders, our own.

A layout is one module of this package; a new layout is a new file and a place in the list below. Its module has

``NAME``
    What it is called.
``recognises(path)``
    Whether a folder is laid out so.
``normal(path)``
    The entries of the normal images, for fitting.
``test_set(path)``
    The entries of the images for testing, normal and anomalous.

>>> from synthgen.layouts import open_normal, open_test_set
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts import loco, mvtec, own, plain, visa
from synthgen.layouts.entries import NORMAL, Entry, ImageSet, Item, Truth, subfolders
from synthgen.layouts.files import entry_of, pictures_in

__all__ = ["Entry", "ImageSet", "Item", "Truth", "open_images", "open_normal", "open_test_set"]

# The first that recognises a folder reads it.
_LAYOUTS = (own, visa, loco, mvtec)


def open_normal(path, size: tuple[int, int] | None = None) -> ImageSet:
    """Open the normal images of a data set, to fit a model to.

    Parameters
    ----------
    path : str or Path
        A category of MVTec AD, MVTec LOCO or VisA; a folder of several categories; a plain folder of images, or one
        with a folder ``good``; or a data set of ours.
    size : tuple of int, optional
        (H, W) that every image is stretched to. Default: each keeps its own.

    Returns
    -------
    ImageSet

    Raises
    ------
    UsageError
        If the folder is in none of these layouts, or holds no normal image.
    """
    layout, parts = _recognised(Path(path))
    entries = [entry for part in parts for entry in layout.normal(part)]
    if not entries:
        raise UsageError(
            f"{path}: must hold normal images, or a folder {' or '.join(NORMAL)} of them, got {_found(Path(path))}"
        )
    return ImageSet(str(path), layout.NAME, entries, size)


def open_test_set(path, size: tuple[int, int] | None = None, normal=None) -> ImageSet:
    """Open the normal and anomalous images of a data set, to measure a model on.

    Parameters
    ----------
    path, size
        As for `open_normal`.
    normal : str or Path, optional
        Normal images to add, as for `open_normal`, for a data set that has none.

    Returns
    -------
    ImageSet

    Raises
    ------
    UsageError
        If the folder is in none of these layouts, lacks normal or anomalous images, or masks do not match.
    """
    layout, parts = _recognised(Path(path))
    entries = [entry for part in parts for entry in layout.test_set(part)]
    if normal is not None:
        if len(parts) > 1:
            raise UsageError(f"{path}: must be one category for normal images to be added, got {len(parts)}")
        added = open_normal(normal).entries
        entries = [replace(entry, category=entries[0].category if entries else "") for entry in added] + entries
    wrong = sum(entry.label for entry in entries)
    right = len(entries) - wrong
    if not (wrong and right):
        raise UsageError(
            f"{path}: must hold normal and anomalous images, got {right} normal and {wrong} anomalous ones"
        )
    return ImageSet(str(path), layout.NAME, entries, size)


def open_images(paths: Sequence, size: tuple[int, int] | None = None) -> ImageSet:
    """Open image files, of which nothing is known.

    Parameters
    ----------
    paths : sequence of str or Path
        Files; folders, whose images are taken, also those of the folders in them; data sets of ours.
    size
        As for `open_normal`.

    Returns
    -------
    ImageSet

    Raises
    ------
    UsageError
        If there is nothing at a path.
    """
    entries = []
    for path in map(Path, paths):
        if own.recognises(path):
            entries += own.test_set(path)
            continue
        found = _below(path) if path.is_dir() else [path]
        if not found or not found[0].exists():
            raise UsageError(f"{path}: must be an image or a folder of images, got {_found(path)}")
        entries += [entry_of(picture, 0, "unknown", picture.parent.name) for picture in found]
    return ImageSet(", ".join(map(str, paths)), "images", entries, size)


def _below(folder: Path) -> list[Path]:
    return pictures_in(folder) + [picture for inner in subfolders(folder) for picture in _below(inner)]


def _recognised(path: Path):
    """Return the layout of a folder and the categories in it."""
    if not path.is_dir():
        raise UsageError(f"{path}: must be a folder of images or a data set, got {_found(path)}")
    for layout in _LAYOUTS:
        if layout.recognises(path):
            return layout, [path]
    for layout in _LAYOUTS[1:]:
        parts = [folder for folder in subfolders(path) if layout.recognises(folder)]
        if parts:
            return layout, parts
    if plain.recognises(path):
        return plain, [path]
    raise UsageError(f"{path}: must hold images, got {_found(path)}")


def _found(path: Path) -> str:
    """Say what is at a path."""
    if not path.is_dir():
        return "a file" if path.exists() else "nothing there"
    folders = [folder.name for folder in subfolders(path)]
    shown = ", ".join(folders[:5]) + (", .." if folders[5:] else "")
    return f"the folders {shown}" if folders else "an empty folder" if not any(path.iterdir()) else "no image"
