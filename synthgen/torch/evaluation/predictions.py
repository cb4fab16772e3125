"""What a model says of a test set, beside what is true."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from synthgen.errors import SynthgenError, UsageError, one_line
from synthgen.layouts import ImageSet, Truth
from synthgen.layouts.entries import Item

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
        self.dataset = images
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(_in_batches(len(self.dataset), self.batch_size))

    def __iter__(self):
        count = len(self.dataset)
        for places in _in_batches(count, self.batch_size):
            images = [self.dataset[i].image for i in places]
            yield as_batch(images)


def as_batch(images: list[np.ndarray]) -> torch.Tensor:
    """Return images (H, W, 3) as one uint8 tensor (B, 3, H, W)."""
    stacked = np.stack(images)
    channels_first = stacked.transpose(0, 3, 1, 2)
    return torch.from_numpy(channels_first.copy())


def _in_batches(count: int, batch_size: int) -> list[range]:
    """Return the places of the images of each batch."""
    places = range(count)
    starts = places[::batch_size]
    return [places[start : start + batch_size] for start in starts]


@dataclass(frozen=True)
class Predictions:
    """What a model says of the images of a set.

    Parameters
    ----------
    images : ImageSet
    scores : ndarray of float32, (N,)
    maps : ndarray of float32, (N, H, W), or None
        None for a model that scores images and has no maps.
    truths : list of Truth or None
        None for normal images, and for images whose defects are not marked.
    lost : int
        Defects of which resizing left no pixel.
    """

    images: ImageSet
    scores: np.ndarray
    maps: np.ndarray | None
    truths: list[Truth | None]
    lost: int = 0

    def parts(self) -> list[tuple[str, list[str]]]:
        """Return each category with its kinds of defect, by name."""
        kinds: dict[str, set[str]] = {}
        for entry in self.images.entries:
            of_category = kinds.setdefault(entry.category, set())
            if entry.label:
                of_category.add(entry.kind)
        return [(category, sorted(kinds[category])) for category in sorted(kinds)]

    def part(self, category: str, kind: str = ALL) -> "Part":
        """Return one kind of defect, or all, with all normal images of its category."""
        places = []
        labels = []
        for i, entry in enumerate(self.images.entries):
            if entry.category != category:
                continue
            if kind == ALL or not entry.label or entry.kind == kind:
                places.append(i)
                labels.append(entry.label)

        scores = self.scores[places]
        truths = [self.truths[i] for i in places]
        maps = None if self.maps is None else _Maps(self.maps, places)
        return Part(np.array(labels), scores, truths, maps)


@dataclass(frozen=True)
class Part:
    """Some images of `Predictions`, as `synthgen.metrics` takes them.

    Parameters
    ----------
    labels, scores : ndarray, (n,)
    truths : list of Truth or None
    maps : iterable of ndarray of float32, (H, W), or None
        Can be iterated again and again; nothing is copied.
    """

    labels: np.ndarray
    scores: np.ndarray
    truths: list[Truth | None]
    maps: "_Maps | None"

    @property
    def has_masks(self) -> bool:
        """Whether the defects of every anomalous image are marked."""
        images = zip(self.truths, self.labels, strict=True)
        return all(truth is not None for truth, label in images if label)

    @property
    def pixel_maps(self) -> "_Maps":
        """The maps of a model that has any."""
        if self.maps is None:
            raise UsageError("model must have maps to be measured by pixels, got none")
        return self.maps

    @property
    def instances(self) -> "_Instances":
        """An iterable of the numbered defects of each image, int32 (H, W)."""
        shape = self.pixel_maps.shape
        return _Instances(self.truths, shape)

    def layers(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield numbered defects and map of each image, both (H, W); several times where defects overlap."""
        maps = self.pixel_maps
        nothing = np.zeros(maps.shape, np.int32)
        for truth, scores in zip(self.truths, maps, strict=True):
            layers = (nothing,) if truth is None else truth.layers
            for layer in layers:
                yield layer, scores

    @property
    def regions(self) -> list[np.ndarray | tuple[np.ndarray, ...]]:
        """The regions of each image that saturate, bool (H, W) each."""
        shape = self.pixel_maps.shape
        none = np.zeros((0, *shape), np.bool_)
        regions: list[np.ndarray | tuple[np.ndarray, ...]] = []
        for truth in self.truths:
            of_image = () if truth is None else truth.regions
            regions.append(of_image or none)
        return regions

    @property
    def saturation(self) -> list[tuple[float, ...]]:
        """For each of the `regions` the pixels that are enough."""
        saturation = []
        for truth in self.truths:
            of_image = () if truth is None else truth.saturation
            saturation.append(of_image)
        return saturation


@dataclass(frozen=True)
class _Maps(Iterable):
    maps: np.ndarray
    places: list[int]

    @property
    def shape(self) -> tuple[int, int]:
        return self.maps.shape[1:]

    def __iter__(self):
        for place in self.places:
            yield self.maps[place]


@dataclass(frozen=True)
class _Instances(Iterable):
    truths: list[Truth | None]
    shape: tuple[int, int]

    def __iter__(self):
        nothing = np.zeros(self.shape, np.int32)
        for truth in self.truths:
            yield nothing if truth is None else truth.instances


def predict_set(
    model,
    images: ImageSet,
    batch_size: int = 8,
    advance: Callable | None = None,
    unreadable: dict[str, str] | None = None,
) -> Predictions:
    """Return what a model says of every image of a set.

    Parameters
    ----------
    model : object
        With ``predict(images) -> scores (B,), maps (B, H, W)``; the maps are None of a model without any.
    images : ImageSet
        All of one size, with or without truth.
    batch_size : int
    advance : callable, optional
        Called with the number of images after each batch.
    unreadable : dict, optional
        Gets the name of each image that cannot be read, with the reason; these are left out. Without it the first
        of them is an error.

    Returns
    -------
    Predictions
        Its maps lie in a temporary file, so that they may be larger than memory.

    Raises
    ------
    UsageError
        If the model returns other shapes than these, or what is no finite number; or if an image cannot be read.
    """
    scores = np.empty(len(images), np.float32)
    maps = None
    truths: list[Truth | None] = []
    kept: list[int] = []
    lost = 0

    for places in _in_batches(len(images), batch_size):
        items = _read(images, places, unreadable)
        if items:
            of_batch, found = _predicted(model, list(items.values()))
            batch = slice(len(kept), len(kept) + len(items))
            scores[batch] = of_batch
            if found is not None and not kept:
                maps = _on_disk((len(images), *found.shape[1:]))
            _check_maps(model, found, maps)
            if maps is not None:
                maps[batch] = found

        kept += items
        truths += [item.truth if item.label else None for item in items.values()]
        lost += sum(item.lost for item in items.values())
        if advance is not None:
            advance(len(places))

    if len(kept) < len(images):
        images = images.chosen(kept)
        scores = scores[: len(kept)]
        maps = None if maps is None else maps[: len(kept)]
    return Predictions(images, scores, maps, truths, lost)


def _read(images: ImageSet, places: range, unreadable: dict[str, str] | None) -> dict[int, Item]:
    """Return the images at some places, by place."""
    items = {}
    for i in places:
        try:
            items[i] = images[i]
        except SynthgenError as error:
            if unreadable is None:
                raise
            unreadable[images.entries[i].name] = one_line(error)
    return items


def _predicted(model, items: list[Item]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return scores and maps of some images, of checked shapes and values."""
    count = len(items)
    images = [item.image for item in items]
    scores, maps = model.predict(as_batch(images))

    scores = np.asarray(scores)
    if scores.shape != (count,):
        raise UsageError(f"{_name(model)} must return a score for each of {count} images, got shape {scores.shape}")
    finite = np.isfinite(scores)

    if maps is not None:
        maps = np.asarray(maps)
        if maps.ndim != 3 or len(maps) != count:
            rule = f"must return a map (H, W) for each of {count} images"
            raise UsageError(f"{_name(model)} {rule}, got shape {maps.shape}")
        good = np.isfinite(maps)
        finite = finite & good.all(axis=(1, 2))

    if not finite.all():
        first = int(np.argmin(finite))
        bad = items[first]
        raise UsageError(f"{bad.name}: must have finite scores, got NaN or infinity")
    return scores, maps


def _check_maps(model, found: np.ndarray | None, maps: np.ndarray | None) -> None:
    """Refuse a batch whose maps are not like those of the first batch."""
    wanted = None if maps is None else maps.shape[1:]
    got = None if found is None else found.shape[1:]
    if got != wanted:
        raise UsageError(f"{_name(model)} must return maps of one shape, got {wanted} and {got}")


def _name(model) -> str:
    kind = getattr(model, "kind", type(model).__name__)
    return f"model {kind}"


def _on_disk(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array in a file without a name, which goes when the array goes."""
    with tempfile.TemporaryFile() as file:
        length = int(np.prod(shape)) * 4
        if hasattr(os, "posix_fallocate"):
            # takes the space at once: a full disk is an error here and not a crash later
            os.posix_fallocate(file.fileno(), 0, length)
        else:
            file.truncate(length)
        return np.memmap(file, np.float32, "r+", shape=shape)
