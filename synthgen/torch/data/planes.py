"""Pixels as training code wants them: channels first, contiguous."""

import numba
import numpy as np

from synthgen.sample import FieldSpec, PaletteImage
from synthgen.shards.codecs import decode, decode_png


def planes_of(data: bytes, spec: FieldSpec, codec: str) -> np.ndarray:
    """Decode a stored image into uint8 (C, H, W); a palette is applied on the way."""
    if not codec.startswith("png"):
        decoded = decode(data, spec)
        return channels_first(decoded)

    colors, pixels = decode_png(data, spec.shape, checked=True)
    if colors is None:
        return channels_first(pixels)
    image = PaletteImage(pixels, colors)
    return channels_first(image)


def channels_first(pixels) -> np.ndarray:
    """Return an image, (H, W), (H, W, 3) or `PaletteImage`, as contiguous uint8 (C, H, W)."""
    if isinstance(pixels, PaletteImage):
        return _expand(pixels.indices, pixels.colors)
    if pixels.ndim == 2:
        planes = pixels[None]
    else:
        planes = pixels.transpose(2, 0, 1)
    return np.array(planes, order="C")


@numba.njit(cache=True)
def _expand(indices, colors):
    """Return the planes of a palette image."""
    # 0.1 ms for 256 x 256; np.take of whole colors takes 0.6 ms and leaves the channels last
    height, width = indices.shape
    table = np.zeros((3, 256), np.uint8)
    count = len(colors)
    table[:, :count] = colors.T

    planes = np.empty((3, height, width), np.uint8)
    for row in range(height):
        for channel in range(3):
            for column in range(width):
                color = indices[row, column]
                planes[channel, row, column] = table[channel, color]
    return planes
