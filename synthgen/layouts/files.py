"""Image files of users: which there are, which mask belongs to which image, and their pixels."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from synthgen.compose import pictures
from synthgen.errors import UsageError
from synthgen.layouts.entries import Entry
from synthgen.machine import counted

_MOST_LINES = 20


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name, without hidden ones."""
    folders = [path for path in folder.iterdir() if path.is_dir()]
    return sorted(path for path in folders if not _is_hidden(path))


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files of a folder by name, without hidden ones; none if there is no such folder."""
    if not folder.is_dir():
        return []
    images = [path for path in folder.iterdir() if _is_picture(path)]
    return sorted(path for path in images if not path.is_dir())


def pictures_below(folder: Path) -> list[Path]:
    """Return the image files of a folder and of the folders in it, without hidden ones."""
    files = []
    for _, of_folder in _walked(folder, set()):
        files += [path for path in of_folder if _is_picture(path)]
    return files


def folders_below(folder: Path) -> Iterator[Path]:
    """Yield a folder and all folders in it, without hidden ones, each once: links are followed to what is new."""
    own = {place.resolve(): place for place, _ in _walked(folder, set())}
    yield from _with_links(folder, own)


def _with_links(folder: Path, homes: dict[Path, Path]) -> Iterator[Path]:
    """Yield a folder and those in it; `homes` has the path by which each resolved folder is reached, and grows."""
    yield folder
    for inner in subfolders(folder):
        home = homes.setdefault(inner.resolve(), inner)
        if home == inner:
            yield from _with_links(inner, homes)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _is_picture(path: Path) -> bool:
    """Return whether a file is an image by its name."""
    if _is_hidden(path):
        return False
    _, suffix = os.path.splitext(path.name)
    return suffix.lower() in pictures.FORMATS


def entry_of(path: Path, label: int, kind: str, category: str, truth: Callable | None = None) -> Entry:
    """Return the entry of an image file."""
    picture = partial(read_picture, path)
    return Entry(str(path), label, kind, category, picture, truth)


def normal_entries(paths: Iterable[Path], category: str) -> list[Entry]:
    """Return the entries of normal images."""
    return [entry_of(path, 0, "good", category) for path in paths]


def read_picture(path: Path, bits: int | None = None) -> np.ndarray:
    """Return an image file as uint8 (H, W, 3), whatever it is stored as; raise UsageError if it cannot be read.

    `bits` are used of the 16 of deep files; see `synthgen.compose.decoding`.
    """
    picture = pictures.one_picture(str(path), "image")
    return pictures.read_picture(picture.sha256, None, gray=False, bits=bits)


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return how bright a mask file is, (H, W), and 0 where nothing is wrong.

    What counts as mask is told in `synthgen.compose.masks`.

    Raises
    ------
    UsageError
        If the file cannot be read, or is not as large as its image, `shape`.
    """
    picture = pictures.one_picture(str(path), "mask")
    return _as_large(pictures.mask_values(picture.sha256), path, shape)


def read_region(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return the inspected region in a mask file, bool (H, W), read as `read_mask` does; it may cover everything.

    Raises
    ------
    UsageError
        If the file cannot be read, is not as large as its image, `shape`, or is black.
    """
    picture = pictures.one_picture(str(path), "region")
    values = pictures.mask_values(picture.sha256, usual=1)

    region = _as_large(values, path, shape) > 0
    if not region.any():
        raise UsageError(f"{path}: must show a region, got a mask that is black")
    return region


def _as_large(values: np.ndarray, path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return what a mask file holds; raise UsageError unless it is as large as its image."""
    if values.shape != shape:
        wanted = _size_text(shape)
        got = _size_text(values.shape)
        raise UsageError(f"{path}: must be as large as its image, {wanted}, got {got}")
    return values


def _size_text(shape: tuple[int, ...]) -> str:
    height, width = shape
    return f"{width}x{height}"


def masks_by_image(masks: Iterable[Path], folder: Path, suffix: str = "_mask") -> dict[str, Path]:
    """Return the masks of a folder by the names of their images, which may have a suffix behind.

    Raises
    ------
    UsageError
        If two are masks of one image.
    """
    rule = f"{folder}: must hold one mask for each image"
    return pictures.by_name(masks, lambda mask: mask.stem.removesuffix(suffix), rule)


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
        If an image has no mask, a mask has no image, or two images have one name.
    """
    if images:
        different = f"{images[0].parent}: must hold images of different names, which have masks of their own"
        pictures.by_name(images, lambda image: image.stem, different)
    rule = f"{folder}: must hold a mask for each of {len(images)} images"
    stems = [image.stem for image in images]

    missing = [image for image in images if image.stem not in masks]
    if missing:
        first, *others = missing
        more = f" and {len(others)} others" if others else ""
        raise UsageError(f"{rule}, got none for {first.name}{more}")

    surplus = masks.keys() - set(stems)
    if surplus:
        first_stem = min(surplus)
        stranger = masks[first_stem]
        raise UsageError(f"{rule}, got {len(masks)}: {stranger.name} has no image")

    return [masks[stem] for stem in stems]


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
    used = set(map(Path, read))
    others = set(known)
    if folder in others:
        return []

    homes = {path.parent for path in used}
    lines = []
    for place, files in _walked(folder, others):
        images = [path for path in files if _is_picture(path)]
        lines += _unread_images(place, images, used)
        # beside images a strange file may be an image, too; at the top lie licenses and tables
        if place in homes or place != folder:
            lines += _strange_files(place, files)

    if len(lines) > _MOST_LINES:
        more = len(lines) - _MOST_LINES
        lines[_MOST_LINES:] = [f"{folder}: {more} more folders hold files that were left out"]
    return lines


def _walked(folder: Path, known: set[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder and all below it with their files, without what is hidden or known."""
    files = []
    folders = []
    for path in sorted(folder.iterdir()):
        if path in known or _is_hidden(path):
            continue
        if not path.is_dir():
            files.append(path)
        elif not path.is_symlink():
            folders.append(path)

    yield folder, files
    for inner in folders:
        yield from _walked(inner, known)


def _unread_images(place: Path, images: list[Path], read: set[Path]) -> list[str]:
    unread = [path for path in images if path not in read]
    if not unread:
        return []

    count = counted(len(images), "image")
    if len(unread) < len(images):
        count = f"{len(unread):,} of {count}"
    first = unread[0].name
    return [f"{place}: {count} left out, {first} among them"]


def _strange_files(place: Path, files: list[Path]) -> list[str]:
    strange = [path for path in files if not _is_picture(path)]
    if not strange:
        return []
    first = strange[0].name
    count = counted(len(strange), "file")
    return [f"{place}: {count} left out, not images by name: {first}, .."]
