"""The compiled blend with its bound, the one place where cut-paste changes a pixel (Tao et al. 2024, eq. 16)."""

from typing import NamedTuple

import numba
import numpy as np


class Canvas(NamedTuple):
    """The image that defects are pasted into.

    Attributes
    ----------
    pixels, clean : ndarray of uint8, (H, W, C)
        The image so far, and the normal one.
    instances : ndarray of uint8, (H, W)
        Ids of the defects so far; pixels that have one stay.
    allowed : ndarray of bool, (H, W)
        Where pixels may change; used only where `limited`.
    limited : bool
    """

    pixels: np.ndarray
    clean: np.ndarray
    instances: np.ndarray
    allowed: np.ndarray
    limited: bool


class Patch(NamedTuple):
    """A defect as it is pasted.

    Attributes
    ----------
    cover : ndarray of uint8, (h, w)
        Coverage, 255 = all.
    anomaly : ndarray of uint8, (h, w, C) or (1, 1, C)
    top, left : int
        Where the cover lies in the image; parts of it may lie outside.
    severity : float
        Opacity, in (0, 1].
    """

    cover: np.ndarray
    anomaly: np.ndarray
    top: int
    left: int
    severity: float


@numba.njit(cache=True)
def blend(canvas, patch, contrast, number):
    """Blend a defect into the pixels and the ids of a canvas.

    Parameters
    ----------
    canvas : Canvas
    patch : Patch
    contrast : int
        Bound on the difference, 1..127.
    number : int
        Id of the defect.

    Returns
    -------
    tuple of int
        Top, left, bottom, right of what it would change by itself; the area of that; the area that it did change.
    """
    height, width, channels = canvas.clean.shape
    cover = patch.cover
    rows, columns = _inside(patch, height, width)
    toward = _mean_direction(canvas.clean, patch, rows, columns)

    top = height
    left = width
    bottom = 0
    right = 0
    area = 0
    visible = 0
    color = np.empty(channels, np.int64)

    for i in range(rows[0], rows[1]):
        r = patch.top + i
        for j in range(columns[0], columns[1]):
            c = patch.left + j
            if cover[i, j] == 0 or (canvas.limited and not canvas.allowed[r, c]):
                continue

            clean = canvas.clean[r, c]
            change = _mix(color, clean, patch, i, j)
            bound = contrast * min(2 * int(cover[i, j]), 255) // 255
            if change < bound:
                _push(color, clean, toward, bound)
                change = bound
            if change == 0:
                continue

            area += 1
            top = min(top, r)
            left = min(left, c)
            bottom = max(bottom, r + 1)
            right = max(right, c + 1)

            if canvas.instances[r, c] == 0:
                visible += 1
                canvas.instances[r, c] = number
                for k in range(channels):
                    canvas.pixels[r, c, k] = color[k]

    if area == 0:
        top = 0
        left = 0
    return top, left, bottom, right, area, visible


@numba.njit(cache=True)
def _inside(patch, height, width):
    """Return the rows and the columns of a patch that lie in the image, each a first and a last one (exclusive)."""
    rows, columns = patch.cover.shape
    of_rows = max(0, -patch.top), min(rows, height - patch.top)
    of_columns = max(0, -patch.left), min(columns, width - patch.left)
    return of_rows, of_columns


@numba.njit(cache=True)
def _mix(color, clean, patch, i, j):
    """Fill a color with the pixel mixed with the anomaly at (i, j); return the largest change of a channel."""
    weight = patch.cover[i, j] / 255.0 * patch.severity
    filling = _filling(patch.anomaly, i, j)
    change = 0

    for k in range(len(color)):
        old = int(clean[k])
        difference = float(filling[k]) - old
        color[k] = int(old + weight * difference + 0.5)
        change = max(change, abs(color[k] - old))

    return change


@numba.njit(cache=True)
def _filling(anomaly, i, j):
    """Return the pixel (i, j) of an anomaly, which may be one color for all."""
    flat = anomaly.shape[0] == 1 and anomaly.shape[1] == 1
    return anomaly[0, 0] if flat else anomaly[i, j]


@numba.njit(cache=True)
def _mean_direction(clean, patch, rows, columns):
    """Return the mean difference of anomaly and image, scaled so that its largest channel is 1 or -1."""
    channels = clean.shape[2]
    total = np.zeros(channels)

    for i in range(rows[0], rows[1]):
        for j in range(columns[0], columns[1]):
            if patch.cover[i, j] < 128:
                continue
            filling = _filling(patch.anomaly, i, j)
            under = clean[patch.top + i, patch.left + j]
            for k in range(channels):
                total[k] += float(filling[k]) - float(under[k])

    most = np.abs(total).max()
    return total / most if most > 0 else np.ones(channels)


@numba.njit(cache=True)
def _push(color, old, toward, bound):
    """Set `color` to `old` moved by exactly `bound` levels in the channel of the direction that counts most.

    Where that leaves 0..255 it goes the other way; one of both has room, for a bound up to 127.
    """
    lead = np.argmax(np.abs(toward))
    reached = old[lead] + toward[lead] * bound
    sign = 1.0 if 0 <= reached <= 255 else -1.0

    for k in range(len(color)):
        step = sign * toward[k] * bound
        moved = int(np.floor(old[k] + step + 0.5))
        color[k] = min(max(moved, 0), 255)
