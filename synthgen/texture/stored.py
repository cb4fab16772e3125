"""Stored textures: a texture is drawn once, and windows of it are cut out, which is far faster than drawing each."""

import math

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.texture.composite import Part, compose
from synthgen.texture.paint import Exposure, Light
from synthgen.texture.view import View

_WHOLE = {"border": "cell"}


def store(texture: dict, side: int, seed: int = 0) -> np.ndarray:
    """Return a square of a texture, to cut windows from.

    Parameters
    ----------
    texture : dict
        As returned by `synthgen.texture.sample_texture`.
    side : int
        Pixels of a side.
    seed : int
        Of the grain, and of the place.

    Returns
    -------
    ndarray of uint8, (side, side, 3)
    """
    view = View((float(seed % 4096), 0.0), 1.0, 0.0, mirrored=False)
    light = Light(45.0, (0.0, 0.0))
    part = Part(_WHOLE, texture, view, Exposure(1.0, 0.0, seed))
    return compose([part], light, (side, side)).pixels


def window(stored: np.ndarray, view: View, size: tuple[int, int], contrast: float = 1.0, brightness: float = 0.0):
    """Return a window of a stored texture.

    Parameters
    ----------
    stored : ndarray of uint8, (S, S, 3)
        As returned by `store`.
    view : View
        Its ``center`` lies in the square of stored pixels; the window must not reach beyond it.
    size : (int, int)
        Height and width in pixels.
    contrast, brightness : float
        Factor of the difference from 128, and gray levels that are added.

    Returns
    -------
    ndarray of uint8, (H, W, 3)

    Raises
    ------
    UsageError
        If the window reaches beyond the stored square.
    """
    turn = math.radians(view.angle)
    cosine = round(view.scale * math.cos(turn), 9)
    sine = round(view.scale * math.sin(turn), 9)
    _check_inside(stored, view.center, (cosine, sine), size)

    pixels = np.empty((*size, 3), np.uint8)
    # whole numbers: 8 bits for the place between two pixels, 8 for the contrast
    table = np.clip(np.rint((np.arange(256) - 128) * contrast + 128 + brightness), 0, 255).astype(np.uint8)
    sign = -1.0 if view.mirrored else 1.0
    _cut(pixels, stored, view.center, (cosine, sine), sign, table)
    return pixels


def _check_inside(stored: np.ndarray, center, step: tuple[float, float], size: tuple[int, int]) -> None:
    """Refuse a window that reaches beyond the stored square."""
    height, width = size
    cosine, sine = step
    down = (abs(cosine) * (height - 1) + abs(sine) * (width - 1)) / 2
    right = (abs(sine) * (height - 1) + abs(cosine) * (width - 1)) / 2
    row, column = center
    last = len(stored) - 1.01
    if row < down or row + down > last or column < right or column + right > last:
        raise UsageError(
            f"view must lie within the {len(stored)} stored pixels, got {2 * down:.0f} x {2 * right:.0f} at {center}"
        )


@numba.njit(cache=True)
def _cut(pixels, stored, center, step, sign, table):
    """Fill pixels with those of a stored square, between four of them each."""
    height, width, _ = pixels.shape
    cosine, sine = step
    center_row, center_column = center

    for r in range(height):
        down = r - (height - 1) / 2
        for c in range(width):
            along = sign * (c - (width - 1) / 2)
            y = center_row + cosine * down - sine * along
            x = center_column + sine * down + cosine * along
            row = np.int64(y)
            column = np.int64(x)
            # 256ths of a pixel
            below = np.int64(256 * (y - row))
            beside = np.int64(256 * (x - column))
            above = 256 - below
            before = 256 - beside
            for k in range(3):
                upper = before * stored[row, column, k] + beside * stored[row, column + 1, k]
                lower = before * stored[row + 1, column, k] + beside * stored[row + 1, column + 1, k]
                pixels[r, c, k] = table[(above * upper + below * lower + 32768) >> 16]
