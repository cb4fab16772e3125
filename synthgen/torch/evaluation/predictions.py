"""What a model says of a test set, beside what is true."""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.layouts import ImageSet, Truth
from synthgen.layouts.entries import OnDemand
from synthgen.layouts.framing import Framing
from synthgen.metrics.part import Maps, Part
from synthgen.torch.evaluation.inspection import inspected

ALL = "all"


@dataclass(frozen=True)
class Predictions:
    """What a model says of the images of a set.

    Parameters
    ----------
    images : ImageSet
    scores : ndarray of float32, (N,)
    maps : sequence of ndarray of float32, (H, W), or None
        An array (N, H, W) where all have one size. None for a model that scores images and has no maps.
    truths : list of Truth or None
        None for normal images, and for images whose defects are not marked.
    lost : int
        Defects of which resizing left no pixel.
    regions : list of (ndarray of bool, (H, W)), optional
        What is inspected of each image, at the size of its map: nothing else counts. By default all.
    """

    images: ImageSet
    scores: np.ndarray
    maps: Sequence[np.ndarray] | np.ndarray | None
    truths: list[Truth | None]
    lost: int = 0
    regions: list[np.ndarray | None] | None = None

    @property
    def inspected(self) -> np.ndarray:
        """Which share of the pixels of each image is inspected, (N,)."""
        if self.regions is None:
            return np.ones(len(self.scores))
        shares = [1.0 if region is None else region.mean() for region in self.regions]
        return np.array(shares, float)

    @property
    def hidden(self) -> int:
        """How many anomalous images with marked defects have none in their inspected region."""
        if self.regions is None:
            return 0
        marked = [truth for truth in self.truths if truth is not None]
        return sum(not truth.instances.any() for truth in marked)

    def parts(self) -> list[tuple[str, list[str]]]:
        """Return each category with its kinds of defect, by name."""
        kinds: dict[str, set[str]] = {}
        for entry in self.images.entries:
            of_category = kinds.setdefault(entry.category, set())
            if entry.label:
                of_category.add(entry.kind)
        return [(category, sorted(kinds[category])) for category in sorted(kinds)]

    def part(self, category: str, kind: str = ALL) -> Part:
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
        maps = None if self.maps is None else Maps(self.maps, places, self.regions)
        return Part(np.array(labels), scores, truths, maps)


def predict_set(
    model,
    images: ImageSet,
    batch_size: int = 8,
    advance: Callable | None = None,
    unreadable: dict[str, str] | None = None,
    framing: Framing | None = None,
    own_size: bool = False,
) -> Predictions:
    """Return what a model says of every image of a set.

    Parameters
    ----------
    model, images, batch_size, unreadable, framing
        As for `inspected`; the images with or without truth. `synthgen.layouts.region.within` gives them regions,
        outside of which nothing counts; the score of an image is then the highest of the map in its region.
    advance : callable, optional
        Called with the number of images after each batch.
    own_size : bool
        Bring each map to the size of its image, and leave the truth as it is, instead of measuring at the scale at
        which the model saw the image. What it did not see scores as the least of what it saw.

    Returns
    -------
    Predictions
        Its maps lie in a temporary file, so that they may be larger than memory.

    Raises
    ------
    UsageError
        If the model returns other shapes than these, or what is no finite number; or if an image cannot be read.
    """
    scores: list[float] = []
    truths: list[Truth | None] = []
    regions: list[np.ndarray | None] = []
    kept: list[int] = []
    lost = 0

    with tempfile.TemporaryFile() as file:
        maps = _MapFile(file)
        for count, batch in inspected(model, images, batch_size, framing, unreadable, own_size):
            for found in batch:
                item = found.item
                kept.append(found.number)
                scores.append(found.score)
                truths.append(item.truth if item.label else None)
                regions.append(item.region)
                lost += item.lost
                maps.add(found.map)
            if advance is not None:
                advance(count)
        stored = maps.stored()

    if len(kept) < len(images):
        images = images.chosen(kept)
    has_regions = any(region is not None for region in regions)
    of_images = regions if has_regions else None
    return Predictions(images, np.array(scores, np.float32), stored, truths, lost, of_images)


class _MapFile:
    """Maps that are written one after the other into a file without a name, which goes when they go."""

    def __init__(self, file):
        self._file = file
        self._shapes: list[tuple[int, ...]] = []

    def add(self, scores: np.ndarray | None) -> None:
        """Append a map (H, W); none of a model without any."""
        if scores is not None:
            plain = np.ascontiguousarray(scores, np.float32)
            self._file.write(plain.data)
            self._shapes.append(plain.shape)

    def stored(self) -> Sequence[np.ndarray] | np.ndarray | None:
        """Return all maps: an array where they are of one size."""
        if not self._shapes:
            return None

        self._file.flush()
        numbers = np.memmap(self._file, np.float32, "r+")
        if len(set(self._shapes)) == 1:
            return numbers.reshape(-1, *self._shapes[0])
        return _OfSizes(numbers, self._shapes)


class _OfSizes(OnDemand[np.ndarray]):
    """Maps of several sizes, which lie one after the other in an array."""

    def __init__(self, numbers: np.ndarray, shapes: list[tuple[int, ...]]):
        lengths = [math.prod(shape) for shape in shapes]
        self._numbers = numbers
        self._shapes = shapes
        self._ends = np.cumsum(lengths)

    def __len__(self) -> int:
        return len(self._shapes)

    def item(self, i: int) -> np.ndarray:
        """Return a map (H, W)."""
        shape = self._shapes[i]
        end = int(self._ends[i])
        start = end - math.prod(shape)
        return self._numbers[start:end].reshape(shape)
