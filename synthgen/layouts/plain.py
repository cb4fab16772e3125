"""A plain folder: normal images; or a folder ``good`` (``normal``, ``ok``) and others, each a kind of defect.

Masks lie in ``ground_truth/KIND``, named as in MVTec AD, or in ``masks/KIND`` or ``KIND_mask``; with a single kind
also in ``masks``. Such folders are no kinds of defect. The folder ``test`` of an MVTec AD category is read with the
masks beside it.
"""

from functools import partial
from pathlib import Path

from synthgen.errors import UsageError
from synthgen.layouts import mvtec
from synthgen.layouts.entries import NORMAL, Entry
from synthgen.layouts.files import normal_entries, pictures_in, subfolders

NAME = "plain folder"
_MASKS = ("ground_truth", "masks", "mask", "gt", "annotations", "labels")
_SUFFIXES = ("_mask", "_masks", "_gt")


def recognises(path: Path) -> bool:
    """Return whether there are images in the folder or in the folders of it."""
    return bool(pictures_in(path)) or any(pictures_in(folder) for folder in subfolders(path))


def normal(path: Path) -> list[Entry]:
    """Return the images of the folder itself, or else those of its folder ``good``."""
    beside = pictures_in(path)
    good = [image for name in NORMAL for image in pictures_in(path / name)]

    if beside and good:
        raise UsageError(
            f"{path}: must hold normal images or a folder {good[0].parent.name} of them, got both; "
            "name the one that you mean"
        )
    return normal_entries(beside or good, path.name)


def test_set(path: Path) -> list[Entry]:
    """Return the images of the folders of a folder; images beside those are not looked at."""
    kinds, _ = _sorted_out(path)
    return mvtec.kinds_of(kinds, path.name, partial(_masks_for, path), mvtec.truths)


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the files and folders that are not for fitting, or not for testing, and rightly so."""
    kinds, masks = _sorted_out(path)
    if fitting:
        return [] if pictures_in(path) else [*kinds, *masks]

    used = [_masks_for(path, folder.name) for folder in kinds]
    return [place for place in used if place is not None]


def _sorted_out(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders of a folder that are kinds, and those that hold masks."""
    folders = subfolders(path)
    names = {folder.name for folder in folders}

    masks = [folder for folder in folders if _holds_masks(folder, names)]
    return [folder for folder in folders if folder not in masks], masks


def _holds_masks(folder: Path, names: set[str]) -> bool:
    """Return whether a folder holds masks, by its name or those of its files."""
    if folder.name in _MASKS:
        return True
    if any(folder.name.removesuffix(suffix) in names - {folder.name} for suffix in _SUFFIXES):
        return True
    images = pictures_in(folder)
    return bool(images) and all(image.stem.endswith("_mask") for image in images)


def _masks_for(path: Path, kind: str) -> Path | None:
    """Return the folder of the masks of a kind, None if there is none."""
    home = path.parent if path.name == "test" else path
    places = [home / name / kind for name in _MASKS]
    places += [home / f"{kind}{suffix}" for suffix in _SUFFIXES]

    kinds, _ = _sorted_out(path)
    if sum(folder.name not in NORMAL for folder in kinds) == 1:
        places += [home / name for name in _MASKS if pictures_in(home / name)]

    found = next((place for place in places if place.is_dir()), None)
    if found is None and (home / _MASKS[0]).is_dir():
        return places[0]  # the pairing says that masks are missing
    return found
