"""Images of one texture or several: each region is drawn by itself, in its own box."""

from typing import NamedTuple

import numpy as np

from synthgen.texture.mixture import heights
from synthgen.texture.paint import Exposure, Light, normals, paint
from synthgen.texture.regions import draw_regions
from synthgen.texture.view import View


class Part(NamedTuple):
    """One region of an image: its border, and what shows in it.

    Attributes
    ----------
    region : dict
        See `synthgen.texture.regions.sample_regions`.
    texture : dict
        See `synthgen.texture.mixture.sample_texture`.
    view : View
    exposure : Exposure
    """

    region: dict
    texture: dict
    view: View
    exposure: Exposure


class Composite(NamedTuple):
    """A drawn image.

    Attributes
    ----------
    pixels : ndarray of uint8, (H, W, 3)
    top : ndarray of uint8, (H, W)
        Number of the part of each pixel, from 1.
    covers : list of ndarray of bool, (H, W)
        What each part covers, hidden or not.
    surface : dict of ndarray
        Where asked for: ``height``, float32 (H, W), of the relief in pixels; ``normal``, float32 (H, W, 3), unit
        vectors out of the surface: right, up in the image, toward the eye.
    """

    pixels: np.ndarray
    top: np.ndarray
    covers: list[np.ndarray]
    surface: dict[str, np.ndarray]


# The region of an image that shows one texture.
WHOLE = {"border": "cell"}
# Shapes of a pixel of what the relief has.
_CHANNELS: dict[str, tuple[int, ...]] = {"height": (), "normal": (3,)}


def compose(parts: list[Part], light: Light, size: tuple[int, int], surface: tuple[str, ...] = ()) -> Composite:
    """Return an image of one part or several.

    Parameters
    ----------
    parts : list of Part
    light : Light
    size : (int, int)
        Height and width in pixels.
    surface : tuple of str
        What to return of the relief: ``height``, ``normal``.
    """
    regions = [part.region for part in parts]
    top, covers = draw_regions(regions, size)
    pixels = np.empty((*size, 3), np.uint8)
    found = {}
    for name in surface:
        shape = *size, *_CHANNELS[name]
        found[name] = np.zeros(shape, np.float32)

    for number, part in enumerate(parts, 1):
        shown = top == number
        box = box_of(shown)
        if box is None:
            continue
        planes = _planes(part, top, number, box)
        paint(pixels, (top, number), box[:2], planes, part.texture, part.view.scale, light, part.exposure)
        if surface:
            _write_surface(found, part, planes[0], shown, box)
    return Composite(pixels, top, covers, found)


def _planes(part: Part, top: np.ndarray, number: int, box: tuple[int, int, int, int]):
    """Return mixture and last field of a part in its box, with one pixel more on each side for the slopes."""
    first_row, first_column, end_row, end_column = box
    wider = first_row - 1, first_column - 1, end_row + 1, end_column + 1
    shown = top[first_row:end_row, first_column:end_column] == number
    wanted = _with_neighbors(shown)
    height, width = top.shape
    return heights(part.texture, part.view, (height, width), wider, wanted)


def _write_surface(found: dict, part: Part, mixture: np.ndarray, shown: np.ndarray, box) -> None:
    """Write height or normal of a part where it shows."""
    first_row, first_column, end_row, end_column = box
    window = np.s_[first_row:end_row, first_column:end_column]
    inside = shown[window]
    relief = mixture * (part.texture["relief"] / part.view.scale)
    for name, whole in found.items():
        drawn = _surface(name, relief)
        whole[window][inside] = drawn[inside]


def _with_neighbors(shown: np.ndarray) -> np.ndarray:
    """Return the pixels that a region needs: those where it shows, and the four around each.

    Parameters
    ----------
    shown : ndarray of bool, (h, w)
        Where it shows in its box.

    Returns
    -------
    ndarray of int64
        Numbers of the pixels of a box with one more pixel on each side, counted in it line by line.
    """
    height, width = shown.shape
    needed = np.zeros((height + 2, width + 2), np.bool_)
    for down, right in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2)):
        needed[down : down + height, right : right + width] |= shown
    return np.flatnonzero(needed)


def _surface(name: str, relief: np.ndarray) -> np.ndarray:
    """Return the inner part of a relief as it is, or its normals."""
    return relief[1:-1, 1:-1] if name == "height" else normals(relief)


def box_of(covered: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return top, left, bottom and right of the True pixels, the last two exclusive; None where there is none."""
    rows = np.flatnonzero(covered.any(axis=1))
    columns = np.flatnonzero(covered.any(axis=0))
    if len(rows) == 0:
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
