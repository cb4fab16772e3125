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
    if pictures_in(path):
        return True
    return any(map(pictures_in, subfolders(path)))


def normal(path: Path) -> list[Entry]:
    """Return the images of the folder itself, or else those of its folder ``good``."""
    beside = pictures_in(path)
    good = [image for name in NORMAL for image in pictures_in(path / name)]

    if beside and good:
        name = good[0].parent.name
        rule = f"must hold normal images or a folder {name} of them"
        raise UsageError(f"{path}: {rule}, got both; name the one that you mean")
    return normal_entries(beside or good, path.name)


def test_set(path: Path) -> list[Entry]:
    """Return the images of the folders of a folder; images beside those are not looked at."""
    kinds, _ = _sorted_out(path)
    masks = partial(_masks_for, path)
    return mvtec.kinds_of(kinds, path.name, masks, mvtec.truths)


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
    kinds = [folder for folder in folders if folder not in masks]
    return kinds, masks


def _holds_masks(folder: Path, names: set[str]) -> bool:
    """Return whether a folder holds masks, by its name or those of its files."""
    name = folder.name
    others = names - {name}
    kinds = [name.removesuffix(suffix) for suffix in _SUFFIXES]
    if name in _MASKS or not others.isdisjoint(kinds):
        return True

    images = pictures_in(folder)
    if not images:
        return False
    return all(image.stem.endswith("_mask") for image in images)


def _masks_for(path: Path, kind: str) -> Path | None:
    """Return the folder of the masks of a kind, None if there is none."""
    home = path.parent if path.name == "test" else path
    places = [home / name / kind for name in _MASKS]
    places += [home / f"{kind}{suffix}" for suffix in _SUFFIXES]

    kinds, _ = _sorted_out(path)
    defects = [folder for folder in kinds if folder.name not in NORMAL]
    if len(defects) == 1:
        shared = [home / name for name in _MASKS]
        places += [folder for folder in shared if pictures_in(folder)]

    for place in places:
        if place.is_dir():
            return place
    if (home / _MASKS[0]).is_dir():
        return places[0]  # the pairing says that masks are missing
    return None
