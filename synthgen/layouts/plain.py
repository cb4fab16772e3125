"""A plain folder: normal images; or a folder ``good`` (``normal``, ``ok``) and others, each a kind of defect.

Masks lie in ``ground_truth/KIND``, named as in MVTec AD, or in ``masks/KIND`` or ``KIND_mask``, those of
``bad_KIND`` in ``mask_KIND``; with a single kind also in ``masks``. Such folders are no kinds of defect. The folder
``test`` of an MVTec AD category is read with the masks beside it. Where there is a folder ``good_test``, ``good``
is for fitting alone.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import yaml

from synthgen.errors import UsageError
from synthgen.layouts import mvtec
from synthgen.layouts.entries import NORMAL, Entry
from synthgen.layouts.export.pictures import image_of, mask_of
from synthgen.layouts.export.sources import Picked
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.writer import Written, as_file
from synthgen.layouts.files import normal_entries, pictures_in, subfolders

NAME = "plain folder"
_MASKS = ("ground_truth", "masks", "mask", "gt", "annotations", "labels")
_SUFFIXES = ("_mask", "_masks", "_gt")
_BAD = "bad_"
_MASK = "mask_"
_TEST = "_test"


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
    for_fitting = _for_fitting(path)
    kinds = [folder for folder in kinds if folder not in for_fitting]
    masks = partial(_masks_for, path)
    return mvtec.kinds_of(kinds, path.name, masks, mvtec.truths)


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the files and folders that are not for fitting, or not for testing, and rightly so."""
    kinds, masks = _sorted_out(path)
    if fitting:
        for_testing = [folder for folder in kinds if folder.name not in NORMAL]
        return [] if pictures_in(path) else [*for_testing, *masks]

    used = [_masks_for(path, folder.name) for folder in kinds]
    found = [place for place in used if place is not None]
    return found + _for_fitting(path)


def _for_fitting(path: Path) -> list[Path]:
    """Return the folders of normal images that have others for testing beside them, such as ``good_test``."""
    return [path / name for name in NORMAL if (path / f"{name}{_TEST}").is_dir()]


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
    if name.startswith(_MASK):
        kinds.append(_BAD + name.removeprefix(_MASK))
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
    if kind.startswith(_BAD):
        places.append(home / (_MASK + kind.removeprefix(_BAD)))

    kinds, _ = _sorted_out(path)
    defects = [folder for folder in kinds if not mvtec.is_normal(folder.name)]
    if len(defects) == 1:
        shared = [home / name for name in _MASKS]
        places += [folder for folder in shared if pictures_in(folder)]

    for place in places:
        if place.is_dir():
            return place
    if (home / _MASKS[0]).is_dir():
        return places[0]  # the pairing says that masks are missing
    return None


class Writer(mvtec.Writer):
    """Folders for anomalib's Folder: ``good``, ``good_test``, for each kind ``bad_KIND`` and ``mask_KIND``."""

    TARGET = "anomalib-folder"

    def put(self, sample: Picked) -> Written:
        """Return the image of a sample and, of one with defects, its mask."""
        kind = self.folder_of(sample)
        number = self.number(sample, kind)
        image = image_of(sample, self.options)
        said = self.said_of(sample, kind)
        if mvtec.is_normal(kind):
            folder = "good" if self.split_of(sample) == "train" else "good_test"
            return Written([as_file(f"{folder}/{number}", image, "image")], said or None)

        mask = mask_of(self.marked(sample), self.options)
        return Written(
            [
                as_file(f"{_BAD}{kind}/{number}", image, "image"),
                as_file(f"{_MASK}{kind}/{number}", mask, "mask"),
            ],
            said or None,
        )

    def finish(self, tree: Tree, rows: Callable[[], Iterator[dict]]) -> None:
        """Write the configuration. Folders of defects and of masks are paired by their order."""
        kinds = [self._folder(kind) for kind in self.kinds]
        arguments = {
            "name": self.category,
            "root": ".",
            "normal_dir": "good",
            "normal_test_dir": "good_test",
            "abnormal_dir": [_BAD + kind for kind in kinds],
            "mask_dir": [_MASK + kind for kind in kinds],
        }
        text = yaml.safe_dump({"class_path": "anomalib.data.Folder", "init_args": arguments}, sort_keys=False)
        tree.put_text("folder.yaml", "# Run in this folder, or give its path as --data.init_args.root\n" + text)

    def usage(self, out: Path) -> str:
        """Return what anomalib is told."""
        return "\n".join(
            (
                f"cd {out} && anomalib train --model Patchcore --data folder.yaml",
                f'synthgen.layouts.open_test_set("{out}")',
            )
        )
