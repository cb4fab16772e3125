"""Rotated boxes: the smallest around some pixels, its corners and pixels, and how far two overlap."""

import math
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A rotated box in pixel coordinates.

    Attributes
    ----------
    center : tuple of float
        (row, column).
    size : tuple of float
        (height, width); a box around pixels reaches from centre to centre.
    angle : float
        Radians in [-pi/4, pi/4) from the columns' axis to the side that `width` measures, towards higher rows: the
        width is the side that lies nearer to the horizontal.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    angle: float

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors (row, column) along the height and along the width, as rows of a (2, 2)."""
        return _axes(self.angle)


def smallest_box(points: np.ndarray) -> Box:
    """Return the box of minimum area around integer points (P, 2).

    One of its sides lies along an edge of their convex hull, so only those directions are tried. Of equal areas the
    box nearest to upright is taken, so that the choice does not hang on the last bit of a float.
    """
    hull = convex_hull(points)
    edges = np.roll(hull, -1, axis=0) - hull
    angles = (np.arctan2(edges[:, 0], edges[:, 1]) + math.pi / 4) % (math.pi / 2) - math.pi / 4
    angles = angles[np.argsort(np.abs(angles), kind="stable")]
    along = np.stack([_axes(angle) for angle in angles]) @ hull.T  # (edges, 2, points)
    low, high = along.min(axis=2), along.max(axis=2)
    areas = np.prod(high - low, axis=1)
    best = int(np.argmax(areas <= areas.min() + 1e-9 * (1 + areas.min())))
    center = (low[best] + high[best]) / 2 @ _axes(angles[best])
    return Box(tuple(center), tuple(high[best] - low[best]), float(angles[best]))


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Return the corners (C, 2) of the convex hull of integer points (P, 2), in turn; also of one point or a line.

    `scipy.spatial.ConvexHull` refuses points on a line, which thin scratches are.
    """
    order = np.lexsort((points[:, 1], points[:, 0]))
    rows = points[order, 0]
    new_row = np.flatnonzero(np.diff(rows)) + 1
    ends = np.concatenate(([0], new_row, new_row - 1, [len(rows) - 1]))  # inner pixels of a row are no corners
    outer = sorted({tuple(point) for point in points[order[ends]].tolist()})
    if len(outer) < 3:
        return np.array(outer, float)
    return np.array(_chain(outer) + _chain(outer[::-1]), float)


def corners(box: Box) -> np.ndarray:
    """Return the corners (4, 2) of a box in turn, as (row, column)."""
    signs = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) / 2
    return np.array(box.center) + signs * box.size @ box.axes


def covered(box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of an image (H, W) whose centres lie in a box or on its border, as a bool mask."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down, right = rows - box.center[0], columns - box.center[1]
    inside = [
        np.abs(down * axis[0] + right * axis[1]) <= length / 2 + 1e-9
        for axis, length in zip(box.axes, box.size, strict=True)
    ]
    return inside[0] & inside[1]


def overlap(first: Box, second: Box) -> float:
    """Return the area that two boxes share, divided by the area of the smaller one."""
    smaller = min(math.prod(first.size), math.prod(second.size))
    polygon = corners(first)
    edges = zip(corners(second), np.roll(corners(second), -1, axis=0), strict=True)
    for start, end in edges:  # Sutherland and Hodgman: cut by one side after the other
        polygon = _cut(polygon, start, end, np.array(second.center))
    if len(polygon) < 3:
        return 0.0
    down, right = polygon.T
    area = abs(down @ np.roll(right, -1) - right @ np.roll(down, -1)) / 2
    return float(area / smaller)


def _axes(angle: float) -> np.ndarray:
    return np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])


def _chain(points: list[tuple]) -> list[tuple]:
    """Return one side of the hull of sorted points, without the last (Andrew's monotone chain)."""
    chain = []
    for point in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain[:-1]


def _turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _cut(polygon: np.ndarray, start: np.ndarray, end: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the part of a convex polygon that lies on the side of `inner` of the line from `start` to `end`."""
    side = np.array([_turn(start, end, point) for point in polygon]) * np.sign(_turn(start, end, inner))
    kept = []
    for i, point in enumerate(polygon):
        after = (i + 1) % len(polygon)
        if side[i] >= 0:
            kept.append(point)
        if side[i] * side[after] < 0:
            kept.append(point + (polygon[after] - point) * side[i] / (side[i] - side[after]))
    return np.array(kept)
