"""Defects that the user cut out of photographs: pixels with an alpha channel, pasted by it."""

import math

import numpy as np

from synthgen.compose.outlines import bounds
from synthgen.compose.shapes import oriented


def draw_cutout(params: dict, size: tuple[int, int], cutout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of each pixel a cut-out covers, and its colors, at the size in which it is pasted.

    Parameters
    ----------
    params : dict
        As returned by `synthgen.compose.shapes.sample_shape` for ``cutouts``.
    size : (int, int)
        Height and width of the image in pixels.
    cutout : ndarray of uint8, (h, w, C + 1)
        Gray or RGB with alpha as the last channel.

    Returns
    -------
    cover : ndarray of uint8, (h, w)
        Alpha, cut to the box of what is not transparent.
    colors : ndarray of uint8, (h, w, C)
    """
    height, width = size
    opaque = cutout[..., -1].sum() / 255
    pixels = params["area"] * height * width
    scale = math.sqrt(pixels / opaque)

    turned = oriented(cutout, params["orientation"])
    whole = np.ascontiguousarray(turned)
    small = _scaled(whole, scale)
    alpha = _with_solid_pixels(small[..., -1])

    # the box of what is not transparent
    top, left, bottom, right = bounds(alpha > 0)
    rows = slice(top, bottom)
    columns = slice(left, right)
    cover = alpha[rows, columns]
    colors = small[rows, columns, :-1]
    return (
        np.ascontiguousarray(cover),
        np.ascontiguousarray(colors),
    )


def _with_solid_pixels(alpha: np.ndarray) -> np.ndarray:
    """Return an alpha channel that covers some pixel wholly: a thin defect would fade otherwise, or vanish."""
    most = int(alpha.max())
    if most >= 128:
        return alpha
    if most == 0:
        return np.full_like(alpha, 255)
    levels = alpha.astype(np.uint16) * 255 // most
    return levels.astype(np.uint8)


def _scaled(cutout: np.ndarray, scale: float) -> np.ndarray:
    """Return a cut-out at another size, antialiased: transparent pixels give no color to others."""
    from PIL import Image

    height, width = cutout.shape[:2]
    rows = max(1, round(height * scale))
    columns = max(1, round(width * scale))

    whole = Image.fromarray(cutout)
    by_alpha = {"LA": "La", "RGBA": "RGBa"}
    weighted = whole.convert(by_alpha[whole.mode])
    small = weighted.resize((columns, rows), Image.Resampling.BILINEAR)
    plain = small.convert(whole.mode)
    return np.array(plain)
