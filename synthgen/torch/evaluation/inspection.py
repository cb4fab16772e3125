"""How a model looks at the images of a set: read one after the other, framed, in batches."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from synthgen.errors import FormatError, SynthgenError, UsageError, one_line
from synthgen.layouts import ImageSet
from synthgen.layouts.entries import Item, check_size
from synthgen.layouts.framing import Framing, Part, Seen, assembled, at_own_size, framed, framing_of, shown
from synthgen.torch.memory import freed_memory_kept

FRAMING = "framing"  # what the notes of a model call it


class Found(NamedTuple):
    """What a model says of an image.

    Attributes
    ----------
    number : int
        Of the image in its set.
    item : Item
        The image at its own size; its truth is cut and resized as the map is.
    seen : Seen
        What of the image the map shows.
    score : float
    map : ndarray of float32, (h, w), or None
        None of a model without maps.
    """

    number: int
    item: Item
    seen: Seen
    score: float
    map: np.ndarray | None


def kept_framing(model) -> Framing:
    """Return the framing that a model was fitted with, from its notes.

    Raises
    ------
    FormatError
        If the notes hold something else in its place.
    """
    try:
        return framing_of(model.notes.get(FRAMING, {}))
    except UsageError as error:
        raise FormatError(f"the notes of the model are damaged: {error}") from None


def keep_framing(model, framing: Framing) -> None:
    """Store a framing in the notes of a model, where it is not the usual one."""
    if framing != Framing():
        model.notes[FRAMING] = msgspec.to_builtins(framing)


class Batches(Iterable):
    """The images of a set in batches, uint8 tensors (B, 3, H, W): what `fit` and `update` of a model take.

    Parameters
    ----------
    images : ImageSet
        All of one size, unless they are framed.
    batch_size : int
    framing : Framing, optional
        How images of any size are shown.
    size : (int, int), optional
        Height and width at which the model sees them; with `framing`.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int = 8,
        framing: Framing | None = None,
        size: tuple[int, int] | None = None,
    ):
        check_size(size)
        self.images = images
        self.batch_size = batch_size
        self.framing = framing
        self.size = size
        # models ask a loader for the number of images by the length of its data set
        self.dataset = range(len(images) * self._parts_of_first())

    def _parts_of_first(self) -> int:
        """Return the number of tiles of the first image, which is taken for that of all."""
        if self.framing is None or self.framing.tile is None or self.size is None or not len(self.images):
            return 1
        shape = self.images[0].image.shape[:2]
        return len(self.framing.parts(shape, self.size))

    def __len__(self) -> int:
        return len(in_batches(len(self.dataset), self.batch_size))

    def __iter__(self):
        waiting: list[np.ndarray] = []
        for item in self.images:
            parts, size = _parts_of(item, self.framing, self.size)
            waiting += [shown(item.image, part, size) for part in parts]
            while len(waiting) >= self.batch_size:
                yield as_batch(waiting[: self.batch_size])
                del waiting[: self.batch_size]
        if waiting:
            yield as_batch(waiting)


def as_batch(images: list[np.ndarray]) -> torch.Tensor:
    """Return images (H, W, 3) as one uint8 tensor (B, 3, H, W)."""
    stacked = np.stack(images)
    channels_first = stacked.transpose(0, 3, 1, 2)
    return torch.from_numpy(channels_first.copy())


def in_batches(count: int, batch_size: int) -> list[range]:
    """Return the places of the images of each batch."""
    places = range(count)
    starts = places[::batch_size]
    return [places[start : start + batch_size] for start in starts]


def _parts_of(
    item: Item, framing: Framing | None, size: tuple[int, int] | None
) -> tuple[list[Part], tuple[int, int]]:
    """Return the parts in which an image is shown, and at which size; without a framing it is shown as it is."""
    shape = item.image.shape[:2]
    if framing is None or size is None:
        framing = Framing()
        size = shape
    return framing.parts(shape, size), size


def inspected(
    model,
    images: ImageSet,
    batch_size: int = 8,
    framing: Framing | None = None,
    unreadable: dict[str, str] | None = None,
    own_size: bool = False,
) -> Iterator[tuple[int, list[Found]]]:
    """Yield what a model says of the images of a set, batch by batch.

    Parameters
    ----------
    model : object
        With ``predict(images) -> scores (B,), maps (B, H, W)``; the maps are None of a model without any. With a
        framing also with ``image_size``.
    images : ImageSet
        Without a framing all of one size.
    batch_size : int
    framing : Framing, optional
        How images of any size are shown to the model.
    unreadable : dict, optional
        Gets the name of each image that cannot be read, with the reason; these are left out. Without it the first
        of them is an error.
    own_size : bool
        Bring maps to the size of their images, and leave the truth as it is.

    Yields
    ------
    count : int
        Images of the set that were gone through, with those that cannot be read.
    found : list of Found

    Raises
    ------
    UsageError
        If the model returns other shapes than these, or what is no finite number; or if an image cannot be read.
    """
    tiled = framing is not None and framing.tile is not None
    at_once = 1 if tiled else batch_size
    asked = _Asked(model, batch_size)
    size = None if framing is None else tuple(model.image_size)

    with freed_memory_kept():
        for places in in_batches(len(images), at_once):
            items = _read(images, places, unreadable)
            found = _looked_at(asked, items, framing, size)
            if own_size:
                found = [_at_own_size(each, items[each.number]) for each in found]
            yield len(places), found


def _at_own_size(found: Found, item: Item) -> Found:
    """Return what was found with the image's own truth, and a map of its size that has a score everywhere."""
    if found.map is None:
        return found._replace(item=item)
    shape = item.image.shape[:2]
    scores = at_own_size(found.map, found.seen, shape)
    filled = np.nan_to_num(scores, nan=float(found.map.min()))
    return found._replace(item=item, map=filled)


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


def _looked_at(
    asked: "_Asked", items: dict[int, Item], framing: Framing | None, size: tuple[int, int] | None
) -> list[Found]:
    """Return what a model says of some images."""
    parts_of = {}
    pieces = []
    for number, item in items.items():
        parts, of_model = _parts_of(item, framing, size)
        parts_of[number] = parts
        pieces += [(shown(item.image, part, of_model), item.name) for part in parts]

    scores, maps = asked.answers(pieces)
    found = []
    first = 0
    for number, item in items.items():
        parts = parts_of[number]
        own = slice(first, first + len(parts))
        first = own.stop

        shape = item.image.shape[:2]
        seen = (framing or Framing()).seen(shape, size or shape)
        joined = assembled(maps[own], parts, seen) if maps else None
        score = float(max(scores[own]))
        found.append(Found(number, framed(item, seen), seen, score, joined))
    return found


class _Asked:
    """A model that is asked for scores and maps, whose shapes and values are checked."""

    def __init__(self, model, batch_size: int):
        self._model = model
        self._batch_size = batch_size
        self._shape: tuple[int, ...] | None = None
        self._is_first = True

    def answers(self, pieces: list[tuple[np.ndarray, str]]) -> tuple[list, list]:
        """Return the scores and maps of images, which come with their names; no maps of a model without any."""
        scores: list = []
        maps: list = []
        for places in in_batches(len(pieces), self._batch_size):
            batch = pieces[places.start : places.stop]
            of_batch, found = self._predicted(batch)
            scores += list(of_batch)
            self._check_shape(found)
            if found is not None:
                maps += list(found)
        return scores, maps

    def _predicted(self, batch: list[tuple[np.ndarray, str]]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return scores and maps of a batch, of checked shapes and values."""
        count = len(batch)
        images = [image for image, _ in batch]
        scores, maps = self._model.predict(as_batch(images))

        scores = np.asarray(scores)
        if scores.shape != (count,):
            rule = f"must return a score for each of {count} images"
            raise UsageError(f"{self._name} {rule}, got shape {scores.shape}")
        finite = np.isfinite(scores)

        if maps is not None:
            maps = np.asarray(maps)
            if maps.ndim != 3 or len(maps) != count:
                rule = f"must return a map (H, W) for each of {count} images"
                raise UsageError(f"{self._name} {rule}, got shape {maps.shape}")
            good = np.isfinite(maps)
            finite = finite & good.all(axis=(1, 2))

        if not finite.all():
            first = int(np.argmin(finite))
            _, name = batch[first]
            raise UsageError(f"{name}: must have finite scores, got NaN or infinity")
        return scores, maps

    def _check_shape(self, maps: np.ndarray | None) -> None:
        """Refuse a batch whose maps are not like those of the first batch."""
        got = None if maps is None else maps.shape[1:]
        if self._is_first:
            self._shape = got
            self._is_first = False
        if got != self._shape:
            raise UsageError(f"{self._name} must return maps of one shape, got {self._shape} and {got}")

    @property
    def _name(self) -> str:
        kind = getattr(self._model, "kind", type(self._model).__name__)
        return f"model {kind}"
