"""Stored textures: a texture is drawn once, and windows of it are cut out, which is far faster."""

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.texture.composite import WHOLE, Part, compose
from synthgen.texture.paint import Exposure, Light
from synthgen.texture.view import View, step_of

# Places between stored pixels have so many bits.
_BITS = 32


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
    part = Part(WHOLE, texture, view, Exposure(1.0, 0.0, seed))
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
    step = step_of(view)
    _check_inside(stored, view.center, step, size)

    levels = np.arange(256)
    lit = contrast * (levels - 128) + 128 + brightness
    table = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    pixels = np.empty((*size, 3), np.uint8)
    stored = np.ascontiguousarray(stored)
    _cut(pixels, stored, view.center, step, view.mirrored, table)
    return pixels


def _check_inside(stored: np.ndarray, center, step: tuple[float, float], size: tuple[int, int]) -> None:
    """Refuse a window that reaches beyond the stored square."""
    cosine, sine = map(abs, step)
    down = (size[0] - 1) / 2
    right = (size[1] - 1) / 2
    reach = cosine * down + sine * right, sine * down + cosine * right

    last = len(stored) - 1.01
    for place, room in zip(center, reach, strict=True):
        if place < room or place + room > last:
            raise UsageError(
                f"view must lie within the {len(stored)} stored pixels, got {place:g} with {room:.1f} to both sides"
            )


@numba.njit(cache=True)
def _cut(pixels, stored, center, step, mirrored, table):
    """Fill pixels with those of a stored square, between four of them each."""
    height, width, _ = pixels.shape
    side = len(stored)
    line = 3 * side
    flat = stored.reshape(line * side)
    cosine, sine = step
    center_row, center_column = center
    sign = -1 if mirrored else 1
    # along a row of pixels, in whole parts of a stored pixel: twice as fast as numbers with a point
    step_down = _parts(-sign * sine)
    step_right = _parts(sign * cosine)

    for r in range(height):
        down = r - (height - 1) / 2
        along = -sign * (width - 1) / 2
        y = _parts(center_row + cosine * down - sine * along)
        x = _parts(center_column + sine * down + cosine * along)
        for c in range(width):
            row = y >> _BITS
            column = x >> _BITS
            # 256ths of a pixel
            below = (y >> (_BITS - 8)) & 255
            beside = (x >> (_BITS - 8)) & 255
            above = 256 - below
            before = 256 - beside
            # the first channel of the upper left pixel; the others lie around it
            first = 3 * (side * row + column)
            for k in range(first, first + 3):
                upper = before * flat[k] + beside * flat[k + 3]
                lower = before * flat[k + line] + beside * flat[k + line + 3]
                sum_of_four = above * upper + below * lower
                pixels[r, c, k - first] = table[(sum_of_four + 32768) >> 16]
            y += step_down
            x += step_right


@numba.njit(cache=True)
def _parts(value):
    return np.int64(np.floor(value * 2.0**_BITS + 0.5))
