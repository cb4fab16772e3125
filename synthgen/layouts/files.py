"""Image files of users: which there are, which mask belongs to which image, and their pixels."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from synthgen.compose import pictures
from synthgen.errors import UsageError
from synthgen.layouts.entries import Entry

_MOST_LINES = 20


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files of a folder by name, without hidden ones; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _is_picture(path.name) and not path.is_dir())


def _is_picture(name: str) -> bool:
    _, suffix = os.path.splitext(name)
    return suffix.lower() in pictures.FORMATS and not name.startswith(".")


def entry_of(path: Path, label: int, kind: str, category: str, truth: Callable | None = None) -> Entry:
    """Return the entry of an image file."""
    return Entry(str(path), label, kind, category, partial(read_picture, path), truth)


def normal_entries(paths: Iterable[Path], category: str) -> list[Entry]:
    """Return the entries of normal images."""
    return [entry_of(path, 0, "good", category) for path in paths]


def read_picture(path: Path) -> np.ndarray:
    """Return an image file as uint8 (H, W, 3), whatever it is stored as; raise UsageError if it cannot be read."""
    picture = pictures.one_picture(str(path), "image")
    return pictures.read_picture(picture.sha256, None, gray=False)


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return how bright a mask file is, (H, W), and 0 where nothing is wrong.

    What counts as mask is told in `synthgen.compose.masks`.

    Raises
    ------
    UsageError
        If the file cannot be read, or is not as large as its image, `shape`.
    """
    picture = pictures.one_picture(str(path), "mask")
    values = pictures.mask_values(picture.sha256)

    if values.shape != shape:
        wanted, got = (f"{width}x{height}" for height, width in (shape, values.shape))
        raise UsageError(f"{path}: must be as large as its image, {wanted}, got {got}")
    return values


def paired(images: list[Path], masks: dict[str, Path], folder: Path) -> list[Path]:
    """Return the mask of each image by name. Order would not do: one missing file would shift all others.

    Parameters
    ----------
    images : list of Path
    masks : dict of str to Path
        By the name of the image without its suffix.
    folder : Path
        Where the masks lie, for errors.

    Raises
    ------
    UsageError
        If an image has no mask or a mask has no image.
    """
    rule = f"{folder}: must hold a mask for each of {len(images)} images"

    missing = [image.name for image in images if image.stem not in masks]
    if missing:
        others = f" and {len(missing) - 1} others" if missing[1:] else ""
        raise UsageError(f"{rule}, got none for {missing[0]}{others}")

    surplus = sorted(set(masks) - {image.stem for image in images})
    if surplus:
        raise UsageError(f"{rule}, got {len(masks)}: {masks[surplus[0]].name} has no image")

    return [masks[image.stem] for image in images]


def left_out(folder: Path, read: Iterable[str], known: Iterable[Path]) -> list[str]:
    """Return a line for each folder below one, itself included, that holds files which were not read.

    Hidden files and folders are passed over.

    Parameters
    ----------
    folder : Path
    read : iterable of str
        Paths of the images that were read.
    known : iterable of Path
        Files and folders that serve another purpose: masks, and images for the other half of the work.
    """
    read = set(map(Path, read))
    known = set(known)
    if folder in known:
        return []

    homes = {path.parent for path in read}
    lines = []
    for place, files in _walked(folder, known):
        images = [path for path in files if _is_picture(path.name)]
        lines += _unread_images(place, images, read)
        # beside images a strange file may be an image, too; at the top lie licenses and tables
        if place in homes or place != folder:
            lines += _strange_files(place, files)

    if len(lines) > _MOST_LINES:
        more = len(lines) - _MOST_LINES
        lines[_MOST_LINES:] = [f"{folder}: {more} more folders hold files that were left out"]
    return lines


def _walked(folder: Path, known: set[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder and all below it with their files, without what is hidden or known."""
    paths = [path for path in sorted(folder.iterdir()) if path.name[0] != "." and path not in known]
    folders = [path for path in paths if path.is_dir() and not path.is_symlink()]

    yield folder, [path for path in paths if not path.is_dir()]
    for inner in folders:
        yield from _walked(inner, known)


def _unread_images(place: Path, images: list[Path], read: set[Path]) -> list[str]:
    unread = [path for path in images if path not in read]
    if not unread:
        return []
    of_all = "" if len(unread) == len(images) else f" of {len(images)}"
    return [f"{place}: {len(unread)}{of_all} images left out, {unread[0].name} among them"]


def _strange_files(place: Path, files: list[Path]) -> list[str]:
    strange = [path for path in files if not _is_picture(path.name)]
    if not strange:
        return []
    return [f"{place}: {len(strange)} files left out that are no images by their names: {strange[0].name}, .."]
