"""Labelled images: a folder with a folder for each class, or a data set of ours."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.layouts import own
from synthgen.layouts.files import pictures_in, read_picture, subfolders
from synthgen.shards.files import check_local

MOST_CLASSES = 20


class Labelled(NamedTuple):
    """Some labelled images, evenly taken from their classes.

    Attributes
    ----------
    pictures : sequence of callable
        Each returns an image, uint8 (H, W, 3).
    labels : ndarray of int, (N,)
    names : list of str
        Of the classes.
    """

    pictures: Sequence[Callable[[], np.ndarray]]
    labels: np.ndarray
    names: list[str]


def open_labelled(path, images: int, classes: int = MOST_CLASSES) -> Labelled:
    """Return some images of each class; nothing is read yet.

    Parameters
    ----------
    path : str or Path
        A folder with a folder of images for each class; or a data set of ours.
    images : int
        About as many in all, as many of each class.
    classes : int
        At most so many, evenly spread over all.

    Raises
    ------
    UsageError
        If there are fewer than two classes.
    """
    check_local(path)
    path = Path(path)
    found = _of_dataset(path) if own.recognises(path) else _of_folders(path)
    if len(found) < 2:
        rule = "must hold a folder of images for each of two classes or more, or be a data set of several"
        raise UsageError(f"{path}: {rule}, got {len(found)}")

    names = list(found)
    chosen = [names[place] for place in _spread(len(names), classes)]
    each = max(2, images // len(chosen))
    pictures = []
    labels = []
    for label, name in enumerate(chosen):
        of_class = found[name]
        places = _spread(of_class.size, each)
        pictures += [partial(of_class.read, place) for place in places]
        labels += [label] * len(places)
    return Labelled(pictures, np.array(labels), chosen)


def _spread(count: int, most: int) -> list[int]:
    """Return at most so many places, evenly spread over 0..count-1."""
    places = np.linspace(0, count - 1, min(count, most))
    return places.astype(int).tolist()


class _Class(NamedTuple):
    """How many images a class has, and what reads one of them."""

    size: int
    read: Callable[[int], np.ndarray]


def _of_folders(path: Path) -> dict[str, _Class]:
    """Return the classes of a folder, those without an image left out."""
    if not path.is_dir():
        raise UsageError(f"{path}: must be a folder of labelled images or a data set")
    found = {}
    for folder in subfolders(path):
        files = pictures_in(folder)
        if files:
            read = partial(_of_file, files)
            found[folder.name] = _Class(len(files), read)
    return found


def _of_file(files: list[Path], place: int) -> np.ndarray:
    return read_picture(files[place])


def _of_dataset(path: Path) -> dict[str, _Class]:
    from synthgen.shards.dataset import open_dataset

    dataset = open_dataset(path)
    count = dataset.manifest.per_class
    found = {}
    for label, row in enumerate(dataset.classes):
        name = f"{label} {row['name']}"
        read = partial(_of_sample, dataset, label)
        found[name] = _Class(count, read)
    return found


def _of_sample(dataset, label: int, index: int) -> np.ndarray:
    place = dataset.find(label, index)
    image = dataset[place].image
    return np.stack([image] * 3, axis=2) if image.ndim == 2 else image
