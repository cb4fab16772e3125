"""Pictures of fields as WebP files: one alone, or many of a size side by side in a sprite."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, features

from synthgen.errors import UsageError
from synthgen.look.colors import picture_of

_QUALITY = 60
_LARGE_QUALITY = 75
# How hard the encoder tries: 4, its default, takes twice the time for 2 % fewer bytes.
_METHOD = 2
# A mask that is made smaller marks the pixels of which it covers this share, of 255: thin scratches stay.
_LEAST_COVER = 40
_EXACT = ("mask", "ids")
COLUMNS = 8  # of a sprite


class Kind(NamedTuple):
    """A field of a data set as pictures show it.

    Attributes
    ----------
    name, kind : str
        As in the manifest.
    """

    name: str
    kind: str

    @property
    def is_exact(self) -> bool:
        """Whether its pictures are kept without loss."""
        return self.kind in _EXACT


def check_encoder() -> None:
    """Raise `UsageError` unless Pillow writes WebP."""
    if not features.check("webp"):
        raise UsageError("Pillow must be built with WebP to write pictures: pip install --upgrade pillow")


def is_shown(kind: str, shape: list[int], dtype: str) -> bool:
    """Return whether there is a picture of such a field."""
    return kind != "array" or len(shape) == 2 or (shape[2] == 3 and dtype == "uint8")


def within(size: tuple[int, int], longer: int) -> tuple[int, int]:
    """Return a size (H, W) of the same proportions, made smaller until its longer side is at most so long."""
    from synthgen.look.sheet import fitted

    return size if max(size) <= longer else fitted(size, longer)


def picture(values: np.ndarray, kind: str, size: tuple[int, int]) -> Image.Image:
    """Return a field as a picture of a size (H, W) that is at most as large as the field.

    Parameters
    ----------
    values : ndarray, (H, W) or (H, W, 3)
    kind : str
        What the field is, as in a manifest.
    size : tuple of int
    """
    if kind == "ids":
        ids = _nearest(values, size)
        colors = picture_of(ids, ids=True)
        return Image.fromarray(colors)

    is_plane = kind == "array" and values.ndim == 2
    pixels = _scaled(values) if is_plane else picture_of(values)
    image = Image.fromarray(pixels)
    height, width = size
    if image.size == (width, height):
        return image
    small = image.resize((width, height), Image.Resampling.BOX)
    return small.point(_marked) if kind == "mask" else small


def id_picture(values: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Return ids (H, W) as a picture that programs read them from: the low byte is red, the high one is green."""
    ids = _nearest(values, size)
    planes = np.zeros((*size, 3), np.uint8)
    planes[..., 0] = ids & 255
    planes[..., 1] = ids >> 8
    return Image.fromarray(planes)


def webp(image: Image.Image, exact: bool = False, large: bool = False) -> bytes:
    """Return a picture as a WebP file; `exact` keeps every pixel, `large` is for one that fills the screen."""
    file = io.BytesIO()
    quality = _LARGE_QUALITY if large else _QUALITY
    image.save(file, "WEBP", lossless=exact, quality=quality, method=_METHOD)
    return file.getvalue()


def sprite(images: list[Image.Image]) -> Image.Image:
    """Return pictures of one size as one, in rows of at most `COLUMNS`."""
    first = images[0]
    width, height = first.size
    columns = min(len(images), COLUMNS)
    rows = math.ceil(len(images) / COLUMNS)
    size = (columns * width, rows * height)

    sheet = Image.new(first.mode, size)
    for number, image in enumerate(images):
        row, column = divmod(number, COLUMNS)
        corner = (column * width, row * height)
        sheet.paste(image, corner)
    return sheet


def _nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the nearest pixels of a field (H, W) at another size."""
    places = []
    for length, wanted in zip(values.shape, size, strict=True):
        middles = np.arange(wanted) + 0.5
        scaled = middles * length / wanted
        places.append(scaled.astype(int))
    chosen = np.ix_(*places)
    return values[chosen]


def _marked(level: int) -> int:
    return 255 * (level >= _LEAST_COVER)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return numbers (H, W) as gray levels between their least and their greatest; what is not finite is black."""
    numbers = values.astype(np.float64)
    known = np.isfinite(numbers)
    if not known.any():
        return np.zeros(values.shape, np.uint8)

    finite = numbers[known]
    least = finite.min()
    span = finite.max() - least
    filled = np.where(known, numbers, least)
    heights = filled - least
    levels = heights / span if span > 0 else heights

    shades = np.rint(levels * 255)
    return shades.astype(np.uint8)
