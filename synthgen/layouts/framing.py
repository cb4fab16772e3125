"""How images of any size become images of the size that a model sees, and how its maps come back.

An image is shown to a model in one or several parts. A `Part` is a box of the image and the box of the model's
image that it fills; what is left of the model's image is black. A whole image is one part, an image in tiles has
several. The maps of the parts are laid together again as one map, at the scale at which the model saw the image.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from synthgen.compose import decoding
from synthgen.compose.pictures import stretched
from synthgen.errors import UsageError
from synthgen.layouts.entries import MAX_SIDE, Item, with_truth_of_size

LEAST_TILE = 16
OVERLAP = 0.25  # share of a tile that its neighbor shows, too, at least

_Side = Annotated[int, msgspec.Meta(ge=LEAST_TILE, le=MAX_SIDE)]
Size = tuple[int, int]


class Box(NamedTuple):
    """Some rows and columns of an image; bottom and right lie outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def place(self) -> tuple[slice, slice]:
        """The box as an index of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Part(NamedTuple):
    """A part of an image, and where the model sees it.

    Attributes
    ----------
    source : Box
        In the image.
    target : Box
        In the model's image.
    """

    source: Box
    target: Box


class Seen(NamedTuple):
    """What of an image a model sees, and at which size.

    Attributes
    ----------
    box : Box
        In the image.
    size : (int, int)
        Height and width of the map of the box.
    """

    box: Box
    size: Size


class Framing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How images of any size are shown to a model.

    Parameters
    ----------
    fit : {'stretch', 'letterbox', 'crop'}
        Both sides are stretched to the model's; or the sides keep their ratio, and what is missing is black; or
        they keep it, and what lies outside the middle is cut off.
    tile : (int, int), optional
        Height and width of the tiles, in pixels of the image, in which it is shown instead. They overlap by a
        quarter or more. An image smaller than a tile is filled up with black.
    bits : int, optional
        Bits that are used of the 16 of deep image files; see `synthgen.compose.decoding`.
    """

    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    tile: tuple[_Side, _Side] | None = None
    bits: Annotated[int, msgspec.Meta(ge=decoding.LEAST_BITS, le=decoding.MOST_BITS)] | None = None

    def __post_init__(self):
        if self.tile is not None and self.fit != "stretch":
            raise ValueError(f"fit must be left out where images are cut into tiles, got {self.fit}")

    def parts(self, shape: Size, size: Size) -> list[Part]:
        """Return the parts in which an image of `shape` = (H, W) is shown to a model of images of `size`."""
        whole = Box(0, 0, *shape)
        full = Box(0, 0, *size)
        if self.tile is not None:
            return _tiles(shape, self.tile, size)

        if self.fit == "letterbox":
            inner = _inside(shape, size)
            return [Part(whole, _middle(size, inner))]
        if self.fit == "crop":
            inner = _inside(size, shape)
            return [Part(_middle(shape, inner), full)]
        return [Part(whole, full)]

    def seen(self, shape: Size, size: Size) -> Seen:
        """Return what of an image of `shape` = (H, W) a model of images of `size` sees."""
        if self.tile is None:
            part = self.parts(shape, size)[0]
            return Seen(part.source, part.target.size)

        height = _scaled(shape[0], self.tile[0], size[0])
        width = _scaled(shape[1], self.tile[1], size[1])
        whole = Box(0, 0, *shape)
        return Seen(whole, (height, width))


def _inside(shape: Size, frame: Size) -> Size:
    """Return the largest size with the ratio of sides of `shape` that a frame holds."""
    by_height = frame[0] / shape[0]
    by_width = frame[1] / shape[1]
    scale = min(by_height, by_width)

    height = round(shape[0] * scale)
    width = round(shape[1] * scale)
    return _between(height, frame[0]), _between(width, frame[1])


def _between(length: int, most: int) -> int:
    """Return the nearest length from 1 to `most`."""
    return min(max(1, length), most)


def _middle(frame: Size, size: Size) -> Box:
    """Return the box of a size in the middle of a frame."""
    height, width = size
    rows_left = frame[0] - height
    columns_left = frame[1] - width
    top = rows_left // 2
    left = columns_left // 2

    bottom = top + height
    right = left + width
    return Box(top, left, bottom, right)


def _tiles(shape: Size, tile: Size, size: Size) -> list[Part]:
    """Return overlapping tiles that cover an image, row by row."""
    rows = _spans(shape[0], tile[0])
    columns = _spans(shape[1], tile[1])

    parts = []
    for top, bottom in rows:
        rows_shown = bottom - top
        height = _scaled(rows_shown, tile[0], size[0])
        for left, right in columns:
            columns_shown = right - left
            width = _scaled(columns_shown, tile[1], size[1])
            source = Box(top, left, bottom, right)
            target = Box(0, 0, height, width)
            parts.append(Part(source, target))
    return parts


def _spans(length: int, tile: int) -> list[tuple[int, int]]:
    """Return where tiles begin and end along an axis: as few as overlap enough, spread evenly."""
    rest = length - tile
    if rest <= 0:
        return [(0, length)]

    step = tile * (1 - OVERLAP)
    count = math.ceil(rest / step)
    spans = []
    for number in range(count + 1):
        start = round(rest * number / count)
        spans.append((start, start + tile))
    return spans


def _scaled(length: int, tile: int, of_model: int) -> int:
    """Return a length of the image as the model sees it."""
    scaled = round(length * of_model / tile)
    return max(1, scaled)


def shown(image: np.ndarray, part: Part, size: Size) -> np.ndarray:
    """Return a part of an image, uint8 (H, W, 3), as a model sees it, uint8 of `size`."""
    from PIL import Image

    source, target = part
    cut = image[source.place]
    if source.size != target.size:
        plain = np.ascontiguousarray(cut)
        picture = Image.fromarray(plain)
        cut = np.asarray(stretched(picture, target.size))
    if target.size == size:
        return cut

    channels = cut.shape[2]
    canvas = np.zeros((*size, channels), np.uint8)
    canvas[target.place] = cut
    return canvas


def assembled(maps: Sequence[np.ndarray], parts: Sequence[Part], seen: Seen) -> np.ndarray:
    """Return the maps of the parts of an image as one map of what is seen of it.

    Where tiles overlap their maps are averaged; a tile counts for less the nearer its edge is.

    Parameters
    ----------
    maps : sequence of ndarray of float32
        For each part, of the size of the model's images.
    parts : sequence of Part
    seen : Seen

    Returns
    -------
    ndarray of float32, of ``seen.size``
    """
    if len(parts) == 1:
        (alone,) = maps
        (whole,) = parts
        return alone[whole.target.place]

    total = np.zeros(seen.size)
    weights = np.zeros(seen.size)
    for of_part, part in zip(maps, parts, strict=True):
        target = part.target
        scores = of_part[target.place]
        weight = _window(target.size)

        place = _place_in(seen, part)
        total[place] += weight * scores
        weights[place] += weight

    mean = total / weights
    return mean.astype(np.float32)


def _place_in(seen: Seen, part: Part) -> tuple[slice, slice]:
    """Return where the map of a tile lies in the map of its image."""
    places = []
    for axis in range(2):
        length = part.target.size[axis]
        of_map = seen.size[axis]
        scale = of_map / seen.box.size[axis]

        start = round(part.source[axis] * scale)
        start = min(start, of_map - length)
        places.append(slice(start, start + length))
    return places[0], places[1]


def _window(size: Size) -> np.ndarray:
    """Return weights that fall from the middle of a tile to its edges, (h, w), all above 0."""
    rows = _ramps(size[0])
    columns = _ramps(size[1])
    return np.outer(rows, columns)


def _ramps(length: int) -> np.ndarray:
    """Return weights along one side, 1/2, 3/2, .. to the middle and down again."""
    places = np.arange(length) + 0.5
    return np.minimum(places, length - places)


def at_own_size(scores: np.ndarray, seen: Seen, shape: Size) -> np.ndarray:
    """Return the map of what is seen of an image, at the size of the image: float32 (H, W), NaN where not seen."""
    from PIL import Image

    plain = np.ascontiguousarray(scores, np.float32)
    picture = Image.fromarray(plain)
    enlarged = np.asarray(stretched(picture, seen.box.size))
    if seen.box.size == shape:
        return enlarged

    whole = np.full(shape, np.nan, np.float32)
    whole[seen.box.place] = enlarged
    return whole


def framing_of(values, place: str = "") -> Framing:
    """Return a framing from plain values, such as the notes of a model hold.

    Raises
    ------
    UsageError
        If they are none; the message begins with `place`.
    """
    try:
        return msgspec.convert(values, Framing)
    except msgspec.ValidationError as error:
        before = f"{place}: " if place else ""
        raise UsageError(f"{before}framing must be fit, tile and bits: {error}") from None


def framed(item: Item, seen: Seen) -> Item:
    """Return an image with its truth and region cut and resized as its map is; the image stays as it is."""
    shape = item.image.shape[:2]
    as_before = seen.box.size == shape and seen.size == shape
    if as_before:
        return item
    return with_truth_of_size(item, seen.size, seen.box.place)
