"""The compiled blend with its bound: the one place where cut-paste changes a pixel (paper 001, equation 16)."""

import numba
import numpy as np


@numba.njit(cache=True)
def blend(
    pixels, clean, instances, allowed, limited, cover, anomaly, top, left, severity, contrast, number
):  # fmt: skip
    """Blend a defect into `pixels` and `instances`.

    Parameters
    ----------
    pixels, clean : ndarray of uint8, (H, W, C)
        The image so far, and the normal one.
    instances : ndarray of uint8, (H, W)
        Ids of the defects so far; pixels that have one stay.
    allowed : ndarray of bool, (H, W)
        Where pixels may change; it is not looked at unless `limited`.
    limited : bool
    cover : ndarray of uint8, (h, w)
        Coverage, 255 = all.
    anomaly : ndarray of uint8, (h, w, C) or (1, 1, C)
    top, left : int
        Where the cover lies in the image, in part perhaps outside.
    severity : float
        Opacity, in (0, 1].
    contrast : int
        Bound on the difference, 1..127.
    number : int
        Id of the defect.

    Returns
    -------
    tuple of int
        Top, left, bottom, right of what it would change by itself; the area of that; the area that it did change.
    """
    height, width, channels = clean.shape
    first_row, last_row = max(0, -top), min(cover.shape[0], height - top)
    first_column, last_column = max(0, -left), min(cover.shape[1], width - left)
    flat = anomaly.shape[0] == 1 and anomaly.shape[1] == 1
    toward = _mean_direction(clean, cover, anomaly, top, left, first_row, last_row, first_column, last_column)
    box_top, box_left, box_bottom, box_right, area, visible = height, width, 0, 0, 0, 0
    color = np.empty(channels, np.int64)
    for i in range(first_row, last_row):
        r = top + i
        for j in range(first_column, last_column):
            c = left + j
            if cover[i, j] == 0 or (limited and not allowed[r, c]):
                continue
            weight = cover[i, j] / 255.0 * severity
            most = 0
            for k in range(channels):
                old = int(clean[r, c, k])
                new = anomaly[0, 0, k] if flat else anomaly[i, j, k]
                color[k] = int(old + weight * (float(new) - old) + 0.5)
                most = max(most, abs(color[k] - old))
            bound = contrast * min(2 * int(cover[i, j]), 255) // 255
            if most < bound:
                _push(color, clean[r, c], toward, bound)
                most = bound
            if most == 0:
                continue
            area += 1
            box_top, box_bottom = min(box_top, r), max(box_bottom, r + 1)
            box_left, box_right = min(box_left, c), max(box_right, c + 1)
            if instances[r, c] == 0:
                visible += 1
                instances[r, c] = number
                for k in range(channels):
                    pixels[r, c, k] = color[k]
    if area == 0:
        box_top, box_left = 0, 0
    return box_top, box_left, box_bottom, box_right, area, visible


@numba.njit(cache=True)
def _mean_direction(clean, cover, anomaly, top, left, first_row, last_row, first_column, last_column):
    """Return the mean difference of anomaly and image, scaled so that its largest channel is 1 or -1."""
    channels = clean.shape[2]
    flat = anomaly.shape[0] == 1 and anomaly.shape[1] == 1
    total = np.zeros(channels)
    for i in range(first_row, last_row):
        for j in range(first_column, last_column):
            if cover[i, j] >= 128:
                for k in range(channels):
                    new = anomaly[0, 0, k] if flat else anomaly[i, j, k]
                    total[k] += float(new) - float(clean[top + i, left + j, k])
    most = np.abs(total).max()
    return total / most if most > 0 else np.ones(channels)


@numba.njit(cache=True)
def _push(color, old, toward, bound):
    """Set `color` to `old` moved by exactly `bound` levels in the channel of the direction that counts most.

    Where that leaves 0..255 it goes the other way; one of both has room, for a bound up to 127.
    """
    lead = np.argmax(np.abs(toward))
    sign = 1.0 if 0 <= old[lead] + toward[lead] * bound <= 255 else -1.0
    for k in range(len(color)):
        moved = int(np.floor(old[k] + sign * toward[k] * bound + 0.5))
        color[k] = min(max(moved, 0), 255)
