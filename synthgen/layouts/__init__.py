"""Layouts of data sets: readers for anomaly detection, and writers for other programs.

A layout is one module of this package; a new layout is a new file and a place in the list below. Its module has

``NAME``
    What it is called.
``recognises(path)``
    Whether a folder is laid out so.
``normal(path)``
    The entries of the normal images, for fitting.
``test_set(path)``
    The entries of the images for testing, normal and anomalous.
``known(path, fitting)``
    Files and folders that belong to the layout and are not for fitting, or not for testing. Whatever else is found
    and not read is reported in `ImageSet.left_out`.

A layout that can be written has a class ``Writer`` in the same module, so that a round trip tests both:
`synthgen.layouts.export` says what such a class does.

>>> from synthgen.layouts import open_normal, open_test_set
"""

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts import loco, mvtec, own, plain, visa
from synthgen.layouts.entries import NORMAL, Entry, ImageSet, Item, Joined, OfCategory, Source, shown
from synthgen.layouts.files import entry_of, folders_below, left_out, pictures_in, subfolders
from synthgen.layouts.region import within
from synthgen.layouts.truth import Truth
from synthgen.layouts.twins import each_once
from synthgen.shards.files import check_local

__all__ = [
    "Entry",
    "ImageSet",
    "Item",
    "Source",
    "Truth",
    "categories",
    "open_held_out",
    "open_images",
    "open_normal",
    "open_test_set",
    "within",
]

# The first that recognises a folder reads it.
_LAYOUTS = (own, visa, loco, mvtec)


def open_normal(paths, size: tuple[int, int] | None = None) -> ImageSet:
    """Open normal images, to fit a model to.

    Parameters
    ----------
    paths : str, Path, or sequence of them
        Each a category of MVTec AD, MVTec LOCO or VisA; a folder of several categories; a plain folder of images,
        or one with a folder ``good``; or a data set of ours. Several are joined; an image that is given twice, by
        a folder and one in it or by links, counts once.
    size : tuple of int, optional
        (H, W) that every image is stretched to. Default: each keeps its own.

    Returns
    -------
    ImageSet
        Its ``left_out`` has a line for each thing that was found and not read, or found twice, and for categories
        that were joined.

    Raises
    ------
    UsageError
        If a folder is in none of these layouts or could be meant in two ways, holds no normal image, or is given
        twice.
    """
    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    _check_paths(given)

    opened = []
    for path in map(Path, given):
        images = _open_one(path, fitting=True)
        opened.append(images)
    for images in opened:
        _check_not_empty(images)
    return _joined(each_once(opened), size)


def open_test_set(path, size: tuple[int, int] | None = None, normal=None) -> ImageSet:
    """Open the normal and anomalous images of a data set, to measure a model on.

    Parameters
    ----------
    path : str or Path
        As one of `open_normal`. Every category of a folder of several is read by its own layout.
    size : tuple of int, optional
        As for `open_normal`.
    normal : str, Path, or sequence of them, optional
        Normal images to add, as for `open_normal`, for a data set that has none.

    Returns
    -------
    ImageSet

    Raises
    ------
    UsageError
        If the folder is in none of these layouts, lacks normal or anomalous images, or masks do not match.
    """
    check_local(path)
    images = _open_one(Path(path), fitting=False)
    if normal is not None:
        images = _joined([_added(normal, images), images], None)

    anomalous = sum(entry.label for entry in images.entries)
    right = len(images) - anomalous
    if not (anomalous and right):
        got = f"{right} normal and {anomalous} anomalous ones"
        raise UsageError(f"{path}: must hold normal and anomalous images, got {got}")
    return images.resized(size)


def open_held_out(path) -> ImageSet | None:
    """Open the normal images that a category keeps apart for thresholds: ``validation/good`` of MVTec LOCO.

    Parameters
    ----------
    path : str or Path
        One category.

    Returns
    -------
    ImageSet or None
        None where the layout keeps none apart.
    """
    check_local(path)
    path = Path(path)
    entries = loco.held_out(path) if loco.recognises(path) else []
    if not entries:
        return None
    return ImageSet(entries, [Source(str(path), loco.NAME, len(entries))])


def categories(path) -> tuple[dict[str, Path], list[str]]:
    """Return the folder of each category at a path by its name, and a line for each thing that belongs to none.

    Parameters
    ----------
    path : str or Path
        A category, or a folder of several. Each is recognised alone, so that a folder may mix layouts.

    Raises
    ------
    UsageError
        If the folder is in no known layout.
    """
    check_local(path)
    path = Path(path)
    found = _recognised(path)
    folders = {part.resolve().name: part for _, part in found}
    return folders, _notes_on_several(path, found, fitting=False)


def open_images(paths: Sequence, size: tuple[int, int] | None = None) -> ImageSet:
    """Open image files, of which nothing is known.

    Parameters
    ----------
    paths : sequence of str or Path
        Files; folders, whose images are taken, also those of the folders in them, each folder once whatever links
        lead to it; data sets of ours.
    size : tuple of int, optional
        As for `open_normal`.

    Returns
    -------
    ImageSet

    Raises
    ------
    UsageError
        If there is nothing at a path, or a folder without images.
    """
    for path in paths:
        check_local(path)
    opened = [_open_unknown(Path(path)) for path in paths]
    return _joined(opened, size)


def _check_not_empty(images: ImageSet) -> None:
    """Refuse a folder without normal images, and say what is there."""
    if len(images) == 0:
        found = _found(Path(images.place))
        names = " or ".join(NORMAL)
        raise UsageError(f"{images.place}: must hold normal images, or a folder {names} of them, got {found}")


def _check_paths(paths: list) -> None:
    if not paths:
        raise UsageError("paths must name a folder of normal images, got none")
    for path in paths:
        check_local(path)
    places = [os.path.realpath(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise UsageError(f"paths must name each folder once, got {paths[number]} twice")


def _open_one(path: Path, fitting: bool) -> ImageSet:
    """Return the images at one path, with a line for all that is left out."""
    found = _recognised(path)
    entries = []
    notes = []
    for layout, part in found:
        of_part = layout.normal(part) if fitting else layout.test_set(part)
        entries.append(of_part)
        used = [] if layout is own else [entry.name for entry in of_part]
        others = layout.known(part, fitting)
        notes += left_out(part, used, others)

    joined = Joined(entries)
    layouts = dict.fromkeys(layout.NAME for layout, _ in found)
    source = Source(str(path), ", ".join(layouts), len(joined))
    on_all = _notes_on_several(path, found, fitting)
    return ImageSet(joined, [source], on_all + notes)


def _recognised(path: Path) -> list[tuple]:
    """Return the categories at a path, each as its layout and its folder."""
    if not path.is_dir():
        raise UsageError(f"{path}: must be a folder of images or a data set, got {_found(path)}")

    whole = _layout_of(path)
    if whole is not None:
        return [(whole, path)]

    parts = [(_layout_of(folder), folder) for folder in subfolders(path)]
    categories = [(layout, folder) for layout, folder in parts if layout is not None]
    if categories:
        return categories
    if plain.recognises(path):
        return [(plain, path)]
    raise UsageError(f"{path}: must hold images, got {_found(path)}")


def _layout_of(path: Path):
    """Return the layout of a folder, None of a plain one."""
    for layout in _LAYOUTS:
        if layout.recognises(path):
            return layout
    return None


def _notes_on_several(path: Path, found: list[tuple], fitting: bool) -> list[str]:
    """Return lines on the categories of a folder, and on what lies beside them."""
    categories = [part for _, part in found]
    if categories == [path]:
        return []

    splits = path / visa.SPLITS
    notes = left_out(path, (), [*categories, splits])
    count = len(categories)
    if fitting and count > 1:
        names = [part.name for part in categories]
        notes.append(f"{path}: {count} categories are joined into one set: {shown(names)}")
    return notes


def _joined(opened: list[ImageSet], size: tuple[int, int] | None) -> ImageSet:
    """Return several sets as one."""
    if len(opened) == 1:
        return opened[0].resized(size)

    entries = []
    sources: list[Source] = []
    notes: list[str] = []
    for images in opened:
        entries.append(images.entries)
        sources += images.sources
        notes += images.left_out
    return ImageSet(Joined(entries), sources, notes, size)


def _added(normal, images: ImageSet) -> ImageSet:
    """Return normal images from elsewhere, as images of the one category of a set."""
    categories = sorted({entry.category for entry in images.entries})
    if len(categories) > 1:
        rule = "must be one category for normal images to be added"
        raise UsageError(f"{images.place}: {rule}, got {shown(categories)}")

    added = open_normal(normal)
    category = categories[0] if categories else ""
    entries = OfCategory(added.entries, category)
    return ImageSet(entries, added.sources, added.left_out)


def _open_unknown(path: Path) -> ImageSet:
    """Return the images at one path, of which nothing is known."""
    if own.recognises(path):
        samples = own.test_set(path)
        source = Source(str(path), own.NAME, len(samples))
        return ImageSet(samples, [source])

    is_folder = path.is_dir()
    found = _below(path) if is_folder else [path]
    if not found or not found[0].exists():
        raise UsageError(f"{path}: must be an image or a folder of images, got {_found(path)}")

    entries = [entry_of(image, 0, "unknown", image.parent.name) for image in found]
    names = [entry.name for entry in entries]
    notes = left_out(path, names, ()) if is_folder else []
    source = Source(str(path), "images", len(entries))
    return ImageSet(entries, [source], notes)


def _below(folder: Path) -> list[Path]:
    """Return the images of a folder and of all folders in it."""
    images = []
    for place in folders_below(folder):
        images += pictures_in(place)
    return images


def _found(path: Path) -> str:
    """Say what is at a path."""
    if not path.is_dir():
        return "a file" if path.exists() else "nothing there"

    folders = [folder.name for folder in subfolders(path)]
    if folders:
        return f"the folders {shown(folders)}"
    return "no image" if any(path.iterdir()) else "an empty folder"
