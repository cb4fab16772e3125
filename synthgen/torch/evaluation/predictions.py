"""What a model says of a test set, beside what is true."""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.layouts import ImageSet, Truth

ALL = "all"


class Batches(Iterable):
    """The images of a set in batches, uint8 tensors (B, 3, H, W): what `fit` and `update` of a model take.

    Parameters
    ----------
    images : ImageSet
        All of one size.
    batch_size : int
    """

    def __init__(self, images: ImageSet, batch_size: int = 8):
        self.dataset, self.batch_size = images, batch_size

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        for start in range(0, len(self.dataset), self.batch_size):
            stop = min(start + self.batch_size, len(self.dataset))
            yield as_batch([self.dataset[i].image for i in range(start, stop)])


def as_batch(images: list[np.ndarray]) -> torch.Tensor:
    """Return images (H, W, 3) as one uint8 tensor (B, 3, H, W)."""
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


@dataclass(frozen=True)
class Predictions:
    """What a model says of the images of a set.

    Parameters
    ----------
    images : ImageSet
    scores : ndarray of float32, (N,)
    maps : ndarray of float32, (N, H, W)
    truths : list of Truth or None
        None for normal images, and where the defects of an image are not known.
    lost : int
        Defects that vanished when masks were resized.
    """

    images: ImageSet
    scores: np.ndarray
    maps: np.ndarray
    truths: list[Truth | None]
    lost: int = 0

    def parts(self) -> list[tuple[str, list[str]]]:
        """Return each category with its kinds of defect, by name."""
        entries = self.images.entries
        return [
            (name, sorted({entry.kind for entry in entries if entry.label and entry.category == name}))
            for name in sorted({entry.category for entry in entries})
        ]

    def part(self, category: str, kind: str = ALL) -> "Part":
        """Return one kind of defect, or all, with all normal images of its category."""
        places = [
            i
            for i, entry in enumerate(self.images.entries)
            if entry.category == category and (kind == ALL or not entry.label or entry.kind == kind)
        ]
        labels = np.array([self.images.entries[i].label for i in places])
        truths = [self.truths[i] for i in places]
        return Part(labels, self.scores[places], truths, _Maps(self.maps, places))


@dataclass(frozen=True)
class Part:
    """Some images of `Predictions`, as `synthgen.metrics` takes them.

    Parameters
    ----------
    labels, scores : ndarray, (n,)
    truths : list of Truth or None
    maps : iterable of ndarray of float32, (H, W)
        Can be iterated again and again; nothing is copied.
    """

    labels: np.ndarray
    scores: np.ndarray
    truths: list[Truth | None]
    maps: "_Maps"

    @property
    def has_masks(self) -> bool:
        """Whether it is known of every anomalous image where its defects are."""
        return all(truth is not None for truth, label in zip(self.truths, self.labels, strict=True) if label)

    @property
    def instances(self) -> "_Instances":
        """An iterable of the numbered defects of each image, int32 (H, W)."""
        return _Instances(self.truths, self.maps.maps.shape[1:])

    @property
    def regions(self) -> list[tuple[np.ndarray, ...]]:
        """The regions of each image that saturate, bool (H, W) each."""
        none = np.zeros((0, *self.maps.maps.shape[1:]), bool)
        return [truth.regions if truth is not None and truth.regions else none for truth in self.truths]

    @property
    def saturation(self) -> list[tuple[float, ...]]:
        """For each of the `regions` the pixels that are enough."""
        return [() if truth is None else truth.saturation for truth in self.truths]


@dataclass(frozen=True)
class _Maps(Iterable):
    maps: np.ndarray
    places: list[int]

    def __iter__(self):
        return (self.maps[i] for i in self.places)


@dataclass(frozen=True)
class _Instances(Iterable):
    truths: list[Truth | None]
    shape: tuple[int, int]

    def __iter__(self):
        none = np.zeros(self.shape, np.int32)
        return (none if truth is None else truth.instances for truth in self.truths)


def predict_set(model, images: ImageSet, batch_size: int = 8, advance: Callable | None = None) -> Predictions:
    """Return what a model says of every image of a set.

    Parameters
    ----------
    model : object
        With ``predict(images) -> scores (N,), maps (N, H, W)``.
    images : ImageSet
        All of one size, with or without truth.
    batch_size : int
    advance : callable, optional
        Told the number of images after each batch.

    Returns
    -------
    Predictions
        Its maps lie in a temporary file, so that they may be larger than memory.

    Raises
    ------
    UsageError
        If the model gives what is no finite number.
    """
    scores, maps, truths, lost = np.empty(len(images), np.float32), None, [], 0
    for start in range(0, len(images), batch_size):
        items = [images[i] for i in range(start, min(start + batch_size, len(images)))]
        batch = slice(start, start + len(items))
        scores[batch], found = model.predict(as_batch([item.image for item in items]))
        bad = ~(np.isfinite(scores[batch]) & np.isfinite(found).all(axis=(1, 2)))
        if bad.any():
            raise UsageError(f"{items[int(bad.argmax())].name}: must have finite scores, got NaN or infinity")
        if maps is None:
            maps = _on_disk((len(images), *found.shape[1:]))
        maps[batch] = found
        truths += [item.truth if item.label else None for item in items]
        lost += sum(item.lost for item in items)
        if advance is not None:
            advance(len(items))
    return Predictions(images, scores, maps, truths, lost)


def _on_disk(shape: tuple[int, ...]) -> np.ndarray:
    with tempfile.TemporaryFile() as file:  # without a name: it goes when the array goes
        # takes the space at once: a full disk is an error here and not a crash later
        os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)) * 4)
        return np.memmap(file, np.float32, "r+", shape=shape)
