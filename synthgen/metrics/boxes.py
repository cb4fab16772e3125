"""Rotated boxes: the smallest around some pixels, its corners and pixels, and how far two overlap."""

import math
from typing import NamedTuple

import numpy as np

_CORNERS = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) / 2


class Box(NamedTuple):
    """A rotated box in pixel coordinates.

    Attributes
    ----------
    center : tuple of float
        (row, column).
    size : tuple of float
        (height, width). A box around pixels reaches from center to center of the outermost.
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
    box nearest to upright is taken, so that the choice does not depend on the last bit of a float.
    """
    hull = convex_hull(points)
    angles = _edge_angles(hull)
    axes = np.stack([_axes(angle) for angle in angles])

    along = axes @ hull.T  # (edges, 2, points)
    low = along.min(axis=2)
    high = along.max(axis=2)
    areas = np.prod(high - low, axis=1)

    least = areas.min()
    best = int(np.argmax(areas <= least + 1e-9 * (1 + least)))
    center = (low[best] + high[best]) / 2 @ axes[best]
    size = high[best] - low[best]
    return Box(tuple(center), tuple(size), float(angles[best]))


def _edge_angles(hull: np.ndarray) -> np.ndarray:
    """Return the angles of the edges of a polygon in [-pi/4, pi/4), the most upright first."""
    quarter = math.pi / 2
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(edges[:, 0], edges[:, 1])
    angles = (angles + quarter / 2) % quarter - quarter / 2
    return angles[np.argsort(np.abs(angles), kind="stable")]


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Return the corners (C, 2) of the convex hull of integer points (P, 2), in turn; also of one point or a line.

    `scipy.spatial.ConvexHull` refuses points on a line, which thin scratches are.
    """
    outer = _row_ends(points)
    if len(outer) < 3:
        return np.array(outer, float)
    return np.array(_chain(outer) + _chain(outer[::-1]), float)


def _row_ends(points: np.ndarray) -> list[tuple]:
    """Return the first and the last point of each row, sorted: inner pixels of a row are no corners."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    rows = points[order, 0]
    new_row = np.flatnonzero(np.diff(rows)) + 1

    ends = np.concatenate(([0], new_row, new_row - 1, [len(rows) - 1]))
    outer = {tuple(point) for point in points[order[ends]].tolist()}
    return sorted(outer)


def corners(box: Box) -> np.ndarray:
    """Return the corners (4, 2) of a box in turn, as (row, column)."""
    return np.array(box.center) + _CORNERS * box.size @ box.axes


def covered(box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of an image (H, W) whose centers lie in a box or on its border, as a bool mask."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down = rows - box.center[0]
    right = columns - box.center[1]

    inside = np.ones(shape, bool)
    for axis, length in zip(box.axes, box.size, strict=True):
        inside &= np.abs(down * axis[0] + right * axis[1]) <= length / 2 + 1e-9
    return inside


def overlap(first: Box, second: Box) -> float:
    """Return the area that two boxes share, divided by the area of the smaller one."""
    polygon = corners(first)
    others = corners(second)
    inner = np.array(second.center)

    # Sutherland and Hodgman: cut by one side after the other
    for start, end in zip(others, np.roll(others, -1, axis=0), strict=True):
        polygon = _cut(polygon, start, end, inner)

    smaller = min(math.prod(first.size), math.prod(second.size))
    return _area(polygon) / smaller


def most_overlap(box: Box, boxes: "Boxes") -> np.ndarray:
    """Return for each of some boxes a number that `overlap` with a box does not exceed, (B,).

    Along each axis of one box the other covers an interval; the product of what these intervals share with the box
    is at least the area in common. Exact for boxes with parallel sides.
    """
    one = Boxes.of([box])
    shared = np.minimum(_shared_spans(one, boxes), _shared_spans(boxes, one))
    areas = np.prod(boxes.sizes, axis=1)
    return shared / np.minimum(areas, math.prod(box.size))


class Boxes(NamedTuple):
    """Several boxes as arrays.

    Attributes
    ----------
    centers, sizes : ndarray, (B, 2)
    axes : ndarray, (B, 2, 2)
    """

    centers: np.ndarray
    sizes: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, boxes: list[Box]) -> "Boxes":
        """Return the arrays of some boxes."""
        centers = np.array([box.center for box in boxes])
        sizes = np.array([box.size for box in boxes])
        return cls(centers, sizes, np.stack([box.axes for box in boxes]))

    def __getitem__(self, places) -> "Boxes":
        """Return some of the boxes."""
        return Boxes(self.centers[places], self.sizes[places], self.axes[places])


def _shared_spans(frames: Boxes, others: Boxes) -> np.ndarray:
    """Return the product of what the others share with the spans of the frames, along the frames' axes."""
    between = others.centers - frames.centers
    distance = np.abs(np.einsum("...ij,...j->...i", frames.axes, between))
    turned = np.abs(frames.axes @ np.swapaxes(others.axes, -1, -2))
    reach = np.einsum("...ij,...j->...i", turned, others.sizes / 2)
    half = frames.sizes / 2

    low = np.maximum(-half, distance - reach)
    high = np.minimum(half, distance + reach)
    return np.prod(np.maximum(high - low, 0), axis=-1)


def _area(polygon: np.ndarray) -> float:
    if len(polygon) < 3:
        return 0.0
    down, right = polygon.T
    return float(abs(down @ np.roll(right, -1) - right @ np.roll(down, -1)) / 2)


def _axes(angle: float) -> np.ndarray:
    cos = math.cos(angle)
    sin = math.sin(angle)
    return np.array([(cos, -sin), (sin, cos)])


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
    side = np.array([_turn(start, end, point) for point in polygon])
    side *= np.sign(_turn(start, end, inner))

    kept = []
    for i, point in enumerate(polygon):
        after = (i + 1) % len(polygon)
        if side[i] >= 0:
            kept.append(point)
        if side[i] * side[after] < 0:
            share = side[i] / (side[i] - side[after])
            kept.append(point + (polygon[after] - point) * share)
    return np.array(kept)
