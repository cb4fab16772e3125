"""Stored textures: a texture is drawn once, and windows of it are cut out, which is far faster."""

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.texture.composite import WHOLE, Part, compose
from synthgen.texture.paint import Exposure, Light
from synthgen.texture.view import View, step_of


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
    cosine, sine = step
    center_row, center_column = center
    middle_row = (height - 1) / 2
    middle_column = (width - 1) / 2

    for r in range(height):
        down = r - middle_row
        for c in range(width):
            along = c - middle_column
            if mirrored:
                along = -along
            y = center_row + cosine * down - sine * along
            x = center_column + sine * down + cosine * along
            row = np.int64(y)
            column = np.int64(x)

            # whole numbers: 256ths of a pixel
            below = np.int64(256 * (y - row))
            beside = np.int64(256 * (x - column))
            above = 256 - below
            before = 256 - beside
            upper_left = stored[row, column]
            upper_right = stored[row, column + 1]
            lower_left = stored[row + 1, column]
            lower_right = stored[row + 1, column + 1]
            for k in range(3):
                upper = before * upper_left[k] + beside * upper_right[k]
                lower = before * lower_left[k] + beside * lower_right[k]
                sum_of_four = above * upper + below * lower
                pixels[r, c, k] = table[(sum_of_four + 32768) >> 16]
