"""Fingerprints and stickers: the impurities of real plates beside water stains (paper 002, figure 1 and V-A).

Both are flat: functions of two coordinates in millimetres, u along the columns and v down the rows of a plate, or
any two coordinates on a mesh. A layer says what becomes of the surface under it::

    reflectance = reflectance * (1 - layer.cover) + layer.paint
    gloss = gloss * (1 - layer.matte)
"""

import math
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.surface.marks.fingerprints import paint_fingerprint, sample_fingerprint
from synthgen.surface.marks.stickers import SHADOW, paint_sticker, sample_sticker

f32 = np.float32
__all__ = ["Layer", "extent", "layer", "sample_fingerprint", "sample_sticker", "stamp"]


class Layer(NamedTuple):
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
    """Return the distance in mm from its centre beyond which an impurity changes nothing."""
    if params["kind"] == "fingerprint":
        return max(params["semi_axes"])
    return math.hypot(*params["size"]) / 2 + SHADOW


def layer(params: dict, u, v) -> Layer:
    """Return what an impurity does at points.

    Parameters
    ----------
    params : dict
        From `sample_fingerprint` or `sample_sticker`.
    u, v : array_like, (...)
        Coordinates in mm; broadcast to one shape. Points that are not finite are left alone.

    Returns
    -------
    Layer
        Arrays of that shape; only points within `extent` cost more than a comparison.

    Raises
    ------
    UsageError
        If ``kind`` is neither of the two.
    """
    if params["kind"] not in _DRAW:
        raise UsageError(f"impurity: kind must be one of {', '.join(_DRAW)}, got {params['kind']!r}")
    u, v = np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(v, np.float64))
    right, down = u.reshape(-1) - params["center"][0], v.reshape(-1) - params["center"][1]
    near = np.flatnonzero(right * right + down * down < extent(params) ** 2)
    right, down = right[near], down[near]
    cosine, sine = math.cos(params["angle"]), math.sin(params["angle"])
    # x to the right of the impurity, y to its top
    parts = _DRAW[params["kind"]](params, right * cosine + down * sine, right * sine - down * cosine)
    out = []
    for part in parts:
        whole = np.zeros(u.size, f32)
        whole[near] = part
        out.append(whole.reshape(u.shape))
    return Layer((out[0] != 0) | (out[1] != 0) | (out[2] != 0), *out)


def stamp(params: dict, shape: tuple[int, int], origin, step) -> tuple[tuple[slice, slice], Layer]:
    """Return the window of a picture of a plane that an impurity touches, and its layer there.

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
    layer : Layer
        Of the shape of the window.
    """
    reach = extent(params)
    slices = []
    for axis, size in ((1, shape[0]), (0, shape[1])):
        ends = [(params["center"][axis] + sign * reach - origin[axis]) / step[axis] for sign in (-1, 1)]
        begin = min(max(math.floor(min(ends)), 0), size)
        slices.append(slice(begin, max(min(math.ceil(max(ends)) + 1, size), begin)))
    rows, columns = (np.arange(s.start, s.stop) for s in slices)
    u, v = origin[0] + columns * step[0], origin[1] + rows * step[1]
    return tuple(slices), layer(params, u, v[:, None])


_DRAW = {"fingerprint": paint_fingerprint, "sticker": paint_sticker}
