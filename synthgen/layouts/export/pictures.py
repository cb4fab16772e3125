"""Images and masks as they are written: stored bytes where they can stay, encoded anew where they cannot."""

import io
from typing import NamedTuple

import numpy as np

from synthgen.exports import Options
from synthgen.layouts.export.sources import Picked
from synthgen.shards.codecs import encode_png, is_picture, suffix

JPEG_QUALITY = 95


class Encoded(NamedTuple):
    """An image file.

    Attributes
    ----------
    data : bytes
    suffix : str
        ``png`` or ``jpg``.
    total : int or None
        The sum of its pixels; None for stored bytes, which were not decoded, and for lossy ones.
    """

    data: bytes
    suffix: str
    total: int | None


def image_of(sample: Picked, options: Options, field: str = "image") -> Encoded:
    """Return the image of a sample, or another field of it that is a picture, as the options want it."""
    entry = sample.source.manifest.fields[field]
    ending = suffix(entry.codec)
    usual = ending if is_picture(entry.codec) else "png"
    wanted = usual if options.image == "stored" else options.image
    is_changed = options.rgb or options.square != "off"
    if wanted == ending and not is_changed:
        data = sample.bytes_of(field)
        return Encoded(data, ending, None)

    stored = sample.pixels_of(field)
    pixels = squared(stored, options.square)
    if options.rgb and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if wanted == "jpg":
        return Encoded(_jpeg(pixels), "jpg", None)

    total = pixels.sum(dtype=np.int64)
    return Encoded(encode_png(pixels), "png", int(total))


def mask_of(marked: np.ndarray, options: Options, value: int = 255) -> Encoded:
    """Return a mask file: `value` where a bool array (H, W) is set, 0 elsewhere. Its total counts the pixels."""
    marked = squared(marked, options.square, edge=False)
    pixels = marked.view(np.uint8) * np.uint8(value)
    count = np.count_nonzero(marked)
    return Encoded(encode_png(pixels), "png", int(count))


def squared(pixels: np.ndarray, how: str, edge: bool = True) -> np.ndarray:
    """Return an image that is padded, or cropped, to a square around its middle; ``off`` leaves it as it is.

    `edge`: what is added repeats the pixels at the edge; otherwise it is 0.
    """
    height, width = pixels.shape[:2]
    if how == "off" or height == width:
        return np.ascontiguousarray(pixels)

    side = max(height, width) if how == "pad" else min(height, width)
    rows = abs(side - height)
    columns = abs(side - width)
    top = rows // 2
    left = columns // 2
    if how == "crop":
        middle = pixels[top : top + side, left : left + side]
        return np.ascontiguousarray(middle)

    room = [(top, rows - top), (left, columns - left), (0, 0)]
    if edge:
        return np.pad(pixels, room[: pixels.ndim], mode="edge")
    return np.pad(pixels, room[: pixels.ndim])


def _jpeg(pixels: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
