"""Classes as a network sees them: what its features say of which look alike, in place of means and spectra."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from synthgen.errors import UsageError
from synthgen.look.gallery.chosen import Chosen
from synthgen.look.gallery.nearness import LEAST, Parts
from synthgen.run.progress import Progress
from synthgen.shards.dataset import Dataset

# A network takes much longer to look at an image than a page to show it: at most so many of a class, and of all.
MOST_OF_CLASS = 8
_MOST = 1024


class Viewer(Protocol):
    """What turns images into features, such as `synthgen.torch.looking.BackboneViewer`.

    Attributes
    ----------
    name : str
        What a page calls it.
    """

    name: str

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the features (N, F) of images of one size, uint8 (H, W) or (H, W, 3)."""


class Seen(NamedTuple):
    """What a network sees of some classes.

    Attributes
    ----------
    by : str
        The name of the network.
    parts : dict
        For each label what its class is compared by: the mean of the features of its images.
    """

    by: str
    parts: dict[int, Parts]


def seen_classes(dataset: Dataset, chosen: Chosen, viewer: Viewer, progress: bool | str = False) -> Seen:
    """Return what a network sees of classes.

    Of each class the first eight images are looked at, or fewer where there are many classes: about 1,000 in all.

    Raises
    ------
    UsageError
        If there are too few classes for a map, or the network gives features that are not finite.
    """
    count = len(chosen.labels)
    if count < LEAST:
        raise UsageError(
            f"backbone must be left out for fewer than {LEAST} classes, which have no map, got {count}"
        )
    share = max(1, _MOST // count)
    of_class = min(share, MOST_OF_CLASS)
    looked_at = [indices[:of_class] for indices in chosen.indices]
    total = sum(map(len, looked_at))

    parts: dict[int, Parts] = {}
    with Progress(progress, total) as bar:
        for label, indices in zip(chosen.labels, looked_at, strict=True):
            images = _images_of(dataset, label, indices)
            mean = _mean_of(viewer, images)
            parts[label] = (mean,)
            bar.advance(len(images))
    return Seen(viewer.name, parts)


def _images_of(dataset: Dataset, label: int, indices: list[int]) -> list[np.ndarray]:
    """Return the images of some samples of a class."""
    images = []
    for index in indices:
        place = dataset.find(label, index)
        image = dataset.field(place, "image")
        images.append(image)
    return images


def _mean_of(viewer: Viewer, images: list[np.ndarray]) -> np.ndarray:
    """Return the mean of the features of images."""
    found = viewer(images)
    features = np.asarray(found, np.float64)
    are_finite = np.isfinite(features).all()
    if not are_finite:
        raise UsageError(f"backbone must give features that are finite, {viewer.name} does not")
    return features.mean(axis=0)
