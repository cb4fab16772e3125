"""Pixels as training code wants them: channels first, contiguous."""

import numba
import numpy as np

from synthgen.sample import FieldSpec, PaletteImage
from synthgen.shards.codecs import decode, decode_png


def planes_of(data: bytes, spec: FieldSpec, codec: str) -> np.ndarray:
    """Decode a stored image into uint8 (C, H, W); a palette is applied on the way."""
    if codec.startswith("png"):
        colors, pixels = decode_png(data, spec.shape, checked=True)
        return channels_first(pixels if colors is None else PaletteImage(pixels, colors))
    return channels_first(decode(data, spec))


def channels_first(pixels) -> np.ndarray:
    """Return an image, (H, W), (H, W, 3) or `PaletteImage`, as contiguous uint8 (C, H, W)."""
    if isinstance(pixels, PaletteImage):
        return _expand(pixels.indices, pixels.colors)
    return np.array(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), order="C")


@numba.njit(cache=True)
def _expand(indices, colors):
    # 0.1 ms for 256 x 256; np.take of whole colours takes 0.6 ms and leaves the channels last
    height, width = indices.shape
    planes = np.empty((3, height, width), np.uint8)
    table = np.zeros((3, 256), np.uint8)
    table[:, : len(colors)] = colors.T
    for r in range(height):
        for channel in range(3):
            for c in range(width):
                planes[channel, r, c] = table[channel, indices[r, c]]
    return planes
