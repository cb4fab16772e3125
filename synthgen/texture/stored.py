"""Stored textures: a texture is drawn once, and windows of it are cut out, which is far faster."""

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.texture.composite import WHOLE, Part, compose
from synthgen.texture.paint import Exposure, Light
from synthgen.texture.view import View, step_of

u64 = np.uint64

# Three channels of a pixel are worked on in one number: each takes 16 bits, and 24 after the second mixing.
_LANE = u64(20)
_TWO_LANES = u64(40)
_BITS_16 = u64(0xFFFF)
_BITS_8 = u64(0xFF)
_OUTER = u64(0xFFFF | 0xFFFF << 40)
_HALF = u64(1 << 15)
_OUTER_HALF = u64(1 << 15 | 1 << 55)
_HALF_BITS = u64(16)
_TOP_BITS = u64(56)
_ONE = u64(1)
_TWO = u64(2)
_THREE = u64(3)
_WHOLE = u64(256)
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
    side = u64(len(stored))
    line = _THREE * side
    flat = stored.ravel()
    shown = pixels.ravel()
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
            # unsigned numbers need no check for places counted from the end
            row = u64(y >> _BITS)
            column = u64(x >> _BITS)
            # 256ths of a pixel
            below = u64((y >> (_BITS - 8)) & 255)
            beside = u64((x >> (_BITS - 8)) & 255)
            above = _WHOLE - below
            before = _WHOLE - beside

            # the first channel of the upper left pixel; the others lie around it
            first = _THREE * (side * row + column)
            under = first + line
            upper = before * _pixel(flat, first) + beside * _pixel(flat, first + _THREE)
            lower = before * _pixel(flat, under) + beside * _pixel(flat, under + _THREE)

            # red and blue have room for 24 bits where green is taken out
            outer = above * (upper & _OUTER) + below * (lower & _OUTER) + _OUTER_HALF
            green = above * (upper >> _LANE & _BITS_16) + below * (lower >> _LANE & _BITS_16) + _HALF
            place = _THREE * u64(r * width + c)
            shown[place] = table[outer >> _HALF_BITS & _BITS_8]
            shown[place + _ONE] = table[green >> _HALF_BITS]
            shown[place + _TWO] = table[outer >> _TOP_BITS]
            y += step_down
            x += step_right


@numba.njit(cache=True)
def _pixel(flat, first):
    """Return red, green and blue of a pixel in one number, `_LANE` bits apart."""
    red = u64(flat[first])
    green = u64(flat[first + _ONE])
    blue = u64(flat[first + _TWO])
    return red | green << _LANE | blue << _TWO_LANES


@numba.njit(cache=True)
def _parts(value):
    return np.int64(np.floor(value * 2.0**_BITS + 0.5))
