"""Fingerprints and stickers: the impurities of real plates beside water stains (Mao et al. 2025, figure 1, V-A).

Both are flat: functions of two coordinates in millimeters, u along the columns and v down the rows of a plate, or
any two coordinates on a mesh. A coating says what becomes of the surface under it::

    reflectance = reflectance * (1 - coating.cover) + coating.paint
    gloss = gloss * (1 - coating.matte)
"""

import math
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.surface.marks.fingerprints import paint_fingerprint, sample_fingerprint
from synthgen.surface.marks.stickers import SHADOW, paint_sticker, sample_sticker

f32 = np.float32
__all__ = ["Coating", "coating", "extent", "sample_fingerprint", "sample_sticker", "stamp"]

_PAINTERS = {"fingerprint": paint_fingerprint, "sticker": paint_sticker}


class Coating(NamedTuple):
    """What an impurity does to each point; all of one shape.

    Attributes
    ----------
    mask : ndarray of bool
        Where any of the others is not 0.
    cover : ndarray of float32
        Share of the surface's own reflectance that is lost, in [0, 1].
    paint : ndarray of float32
        What is added to the reflectance.
    matte : ndarray of float32
        Share of the gloss that is lost, in [0, 1].
    """

    mask: np.ndarray
    cover: np.ndarray
    paint: np.ndarray
    matte: np.ndarray


def extent(params: dict) -> float:
    """Return the distance in mm from its center beyond which an impurity changes nothing."""
    if params["kind"] == "fingerprint":
        return max(params["semi_axes"])

    width, height = params["size"]
    half = math.hypot(width, height) / 2
    return half + SHADOW


def coating(params: dict, u, v) -> Coating:
    """Return what an impurity does at points.

    Parameters
    ----------
    params : dict
        From `sample_fingerprint` or `sample_sticker`.
    u, v : array_like, (...)
        Coordinates in mm; broadcast to one shape. Points that are not finite are left alone.

    Returns
    -------
    Coating
        Arrays of that shape; only points within `extent` cost more than a comparison.

    Raises
    ------
    UsageError
        If ``kind`` is neither of the two.
    """
    painter = _PAINTERS.get(params["kind"])
    if painter is None:
        known = ", ".join(_PAINTERS)
        raise UsageError(f"kind must be one of {known}, got {params['kind']!r}")

    u = np.asarray(u, np.float64)
    v = np.asarray(v, np.float64)
    u, v = np.broadcast_arrays(u, v)
    center_u, center_v = params["center"]
    right = u.reshape(-1) - center_u
    down = v.reshape(-1) - center_v
    square = right * right + down * down
    near = np.flatnonzero(square < extent(params) ** 2)
    right = right[near]
    down = down[near]

    # x to the right of the impurity, y to its top
    cosine = math.cos(params["angle"])
    sine = math.sin(params["angle"])
    x = right * cosine + down * sine
    y = right * sine - down * cosine
    parts = painter(params, x, y)
    cover, paint, matte = (_scattered(part, near, u.shape) for part in parts)

    mask = (cover != 0) | (paint != 0) | (matte != 0)
    return Coating(mask, cover, paint, matte)


def _scattered(values: np.ndarray, places: np.ndarray, shape: tuple) -> np.ndarray:
    """Return an array of a shape, float32, that has values at places of its flat form and 0 elsewhere."""
    whole = np.zeros(shape, f32)
    whole.reshape(-1)[places] = values
    return whole


def stamp(params: dict, shape: tuple[int, int], origin, step) -> tuple[tuple[slice, slice], Coating]:
    """Return the window of a picture of a plane that an impurity touches, and its coating there.

    Parameters
    ----------
    params : dict
        From `sample_fingerprint` or `sample_sticker`.
    shape : (int, int)
        Height and width of the picture.
    origin : (float, float)
        u and v in mm of pixel (0, 0).
    step : (float, float)
        mm from a column to the next, and from a row to the next.

    Returns
    -------
    window : (slice, slice)
        Rows and columns; empty where the impurity lies outside of the picture.
    coating : Coating
        Of the shape of the window.
    """
    height, width = shape
    step_u, step_v = step
    origin_u, origin_v = origin
    u, v = params["center"]
    reach = extent(params)
    rows = _span(v, reach, origin_v, step_v, height)
    columns = _span(u, reach, origin_u, step_u, width)

    row_numbers = np.arange(rows.start, rows.stop)
    column_numbers = np.arange(columns.start, columns.stop)
    down = origin_v + row_numbers * step_v
    along = origin_u + column_numbers * step_u
    window = (rows, columns)
    return window, coating(params, along, down[:, None])


def _span(center: float, reach: float, origin: float, step: float, size: int) -> slice:
    """Return the pixels along an axis that lie within reach of a center."""
    one_end = (center - reach - origin) / step
    other_end = (center + reach - origin) / step
    low = math.floor(min(one_end, other_end))
    high = math.ceil(max(one_end, other_end))

    begin = min(max(low, 0), size)
    end = min(high + 1, size)
    return slice(begin, max(end, begin))
