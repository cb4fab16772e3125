"""MVTec AD: ``train/good``, ``test/KIND``, ``ground_truth/KIND/NNN_mask.png``.

VisA after its authors' script is the same with masks named ``NNN.png``.

Source: Bergmann et al., MVTec AD, CVPR 2019, and the readme of the data set.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from synthgen.layouts.entries import NORMAL, Entry
from synthgen.layouts.files import entry_of, normal_entries, paired, pictures_in, read_mask, subfolders
from synthgen.layouts.truth import Truth, truth_of_regions

NAME = "MVTec AD"


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    for_fitting = path / "train" / "good"
    for_testing = path / "test" / "good"
    return for_fitting.is_dir() or for_testing.is_dir()


def normal(path: Path) -> list[Entry]:
    """Return the images of ``train/good``."""
    images = pictures_in(path / "train" / "good")
    return normal_entries(images, path.name)


def test_set(path: Path) -> list[Entry]:
    """Return the images of ``test``, with masks where there is a folder ``ground_truth``."""
    folders = subfolders_of(path / "test")
    masks = partial(masks_for, path)
    return kinds_of(folders, path.name, masks, truths)


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the files and folders that are not for fitting, or not for testing, and rightly so."""
    tests = path / "test"
    truth = path / "ground_truth"
    if fitting:
        return [tests, truth]

    kinds = subfolders_of(tests)
    masks = [truth / kind.name for kind in kinds]
    return [path / "train", *masks]


def subfolders_of(path: Path) -> list[Path]:
    """Return the folders in a folder, none if it is not there."""
    return subfolders(path) if path.is_dir() else []


def masks_for(path: Path, kind: str) -> Path | None:
    """Return the folder of the masks of a kind of defect; None if the category has no masks."""
    truth = path / "ground_truth"
    return truth / kind if truth.is_dir() else None


def kinds_of(folders: list[Path], category: str, masks: Callable, read_all: Callable) -> list[Entry]:
    """Return the images of folders, each a kind.

    Parameters
    ----------
    folders : list of Path
        Those named good, normal or ok are normal, each other is a kind of defect.
    category : str
    masks : callable
        Takes a kind and returns the folder of its masks, or None if there are none.
    read_all : callable
        Takes the images of a kind and the folder of its masks, returns for each what reads its truth.
    """
    entries = []
    for folder in folders:
        images = pictures_in(folder)
        if folder.name in NORMAL:
            entries += normal_entries(images, category)
            continue

        place = masks(folder.name)
        known_truths = [None] * len(images) if place is None or not images else read_all(images, place)
        for image, truth in zip(images, known_truths, strict=True):
            entries.append(entry_of(image, 1, folder.name, category, truth))
    return entries


def truths(images: list[Path], folder: Path) -> list[Callable]:
    """Return for each image what reads its truth from the masks of a folder."""
    by_image = {}
    for mask in pictures_in(folder):
        image = mask.stem.removesuffix("_mask")
        by_image[image] = mask

    masks = paired(images, by_image, folder)
    return [partial(read_truth, mask) for mask in masks]


def read_truth(path: Path, shape: tuple[int, int]) -> Truth:
    """Return the truth of one mask file: each 8-connected region is a defect."""
    values = read_mask(path, shape)
    return truth_of_regions(values > 0)
