"""MVTec AD: ``train/good``, ``test/KIND``, ``ground_truth/KIND/NNN_mask.png``.

VisA after its authors' script is the same with masks named ``NNN.png``.

Source: Bergmann et al., MVTec AD, CVPR 2019, and the readme of the data set.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from synthgen.layouts.entries import NORMAL, Entry, Truth, instances_of, paired, subfolders
from synthgen.layouts.files import entry_of, pictures_in, read_mask

NAME = "MVTec AD"


def recognises(path: Path) -> bool:
    """Return whether a folder is one category in this layout."""
    return (path / "train" / "good").is_dir() or (path / "test" / "good").is_dir()


def normal(path: Path) -> list[Entry]:
    """Return the images of ``train/good``."""
    return [entry_of(picture, 0, "good", path.name) for picture in pictures_in(path / "train" / "good")]


def test_set(path: Path) -> list[Entry]:
    """Return the images of ``test``, with masks where there is a folder ``ground_truth``."""
    return kinds_of(path / "test", path / "ground_truth", path.name, truths)


def kinds_of(images: Path, truth: Path, category: str, truths_of: Callable) -> list[Entry]:
    """Return the images of a folder for each kind.

    Parameters
    ----------
    images : Path
        Its folders are the kinds; those named good, normal or ok are normal.
    truth : Path
        Folder of the masks, by kind. If there is none, no masks are known.
    category : str
    truths_of : callable
        Takes the pictures of a kind and the folder of its masks, returns what reads the truth of each.
    """
    entries = []
    for folder in subfolders(images) if images.is_dir() else []:
        pictures = pictures_in(folder)
        if folder == truth or not pictures:
            continue
        if folder.name in NORMAL:
            entries += [entry_of(picture, 0, "good", category) for picture in pictures]
            continue
        truths = truths_of(pictures, truth / folder.name) if truth.is_dir() else [None] * len(pictures)
        entries += [
            entry_of(picture, 1, folder.name, category, of_picture)
            for picture, of_picture in zip(pictures, truths, strict=True)
        ]
    return entries


def truths(pictures: list[Path], folder: Path) -> list[Callable]:
    """Return what reads the truth of each picture from the masks of a folder."""
    masks = {mask.stem.removesuffix("_mask"): mask for mask in pictures_in(folder)}
    return [partial(read_truth, mask) for mask in paired(pictures, masks, folder)]


def read_truth(path: Path, shape: tuple[int, int]) -> Truth:
    """Return the truth of one mask file: each 8-connected region is a defect."""
    return Truth(instances_of(read_mask(path, shape) > np.uint8(0)))
