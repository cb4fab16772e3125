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
    sizes = high - low

    areas = np.prod(sizes, axis=1)
    best = _first_of_least(areas)
    angle = float(angles[best])
    height, width = sizes[best]
    middle = (low[best] + high[best]) / 2
    row, column = middle @ axes[best]
    return Box((row, column), (height, width), angle)


def _first_of_least(values: np.ndarray) -> int:
    """Return the first place of the least value, rounding aside."""
    least = values.min()
    limit = least + 1e-9 * (1 + least)
    return int(np.argmax(values <= limit))


def _edge_angles(hull: np.ndarray) -> np.ndarray:
    """Return the angles of the edges of a polygon in [-pi/4, pi/4), the most upright first."""
    quarter = math.pi / 2
    eighth = quarter / 2

    ends = np.roll(hull, -1, axis=0)
    down, right = (ends - hull).T
    angles = np.arctan2(down, right)
    angles = (angles + eighth) % quarter - eighth

    slant = np.abs(angles)
    order = np.argsort(slant, kind="stable")
    return angles[order]


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Return the corners (C, 2) of the convex hull of integer points (P, 2), in turn; also of one point or a line.

    `scipy.spatial.ConvexHull` refuses points on a line, which thin scratches are.
    """
    outer = _row_ends(points)
    if len(outer) < 3:
        return np.array(outer, float)

    one_side = _chain(outer)
    other_side = _chain(outer[::-1])
    return np.array(one_side + other_side, float)


def _row_ends(points: np.ndarray) -> list[tuple]:
    """Return the first and the last point of each row, sorted: inner pixels of a row are no corners."""
    down, right = points.T
    order = np.lexsort((right, down))
    rows = down[order]

    steps = np.diff(rows)
    first = np.flatnonzero(steps) + 1  # of each row but the topmost
    last_place = len(rows) - 1
    ends = np.concatenate(([0], first, first - 1, [last_place]))

    places = order[ends]
    outer = points[places].tolist()
    return sorted(set(map(tuple, outer)))


def corners(box: Box) -> np.ndarray:
    """Return the corners (4, 2) of a box in turn, as (row, column)."""
    upright = _CORNERS * box.size
    offsets = upright @ box.axes
    center = np.array(box.center)
    return center + offsets


def covered(box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of an image (H, W) whose centers lie in a box or on its border, as a bool mask."""
    height, width = shape
    rows, columns = np.ogrid[:height, :width]
    row, column = box.center
    down = rows - row
    right = columns - column

    inside = np.ones(shape, bool)
    for axis, length in zip(box.axes, box.size, strict=True):
        by_row, by_column = axis
        along = down * by_row + right * by_column
        distance = np.abs(along)
        inside &= distance <= length / 2 + 1e-9
    return inside


def overlap(first: Box, second: Box) -> float:
    """Return the area that two boxes share, divided by the area of the smaller one."""
    polygon = corners(first)
    inner = np.array(second.center)

    # Sutherland and Hodgman: cut by one side after the other
    starts = corners(second)
    ends = np.roll(starts, -1, axis=0)
    for start, end in zip(starts, ends, strict=True):
        polygon = _cut(polygon, start, end, inner)

    areas = [math.prod(box.size) for box in (first, second)]
    return _area(polygon) / min(areas)


def most_overlap(box: Box, boxes: "Boxes") -> np.ndarray:
    """Return for each of some boxes a number that `overlap` with a box does not exceed, (B,).

    Along each axis of one box the other covers an interval; the product of what these intervals share with the box
    is at least the area in common. Exact for boxes with parallel sides.
    """
    one = Boxes.of([box])
    along_one = _shared_spans(one, boxes)
    along_others = _shared_spans(boxes, one)
    shared = np.minimum(along_one, along_others)

    area = math.prod(box.size)
    areas = np.prod(boxes.sizes, axis=1)
    return shared / np.minimum(areas, area)


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
        centers = [box.center for box in boxes]
        sizes = [box.size for box in boxes]
        axes = [box.axes for box in boxes]
        return cls(np.array(centers), np.array(sizes), np.stack(axes))

    def chosen(self, places: np.ndarray) -> "Boxes":
        """Return some of the boxes."""
        centers = self.centers[places]
        sizes = self.sizes[places]
        axes = self.axes[places]
        return Boxes(centers, sizes, axes)


def _shared_spans(frames: Boxes, others: Boxes) -> np.ndarray:
    """Return the product of what the others share with the spans of the frames, along the frames' axes."""
    half = frames.sizes / 2
    others_half = others.sizes / 2
    between = others.centers - frames.centers
    along = _times(frames.axes, between)
    distance = np.abs(along)

    # how far the others reach to both sides of their centers
    columns = np.swapaxes(others.axes, -1, -2)
    turned = np.abs(frames.axes @ columns)
    reach = _times(turned, others_half)
    nearest = distance - reach
    farthest = distance + reach

    low = np.maximum(-half, nearest)
    high = np.minimum(half, farthest)
    spans = np.maximum(high - low, 0)
    return np.prod(spans, axis=-1)


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the products of matrices (.., 2, 2) and vectors (.., 2)."""
    return np.einsum("...ij,...j->...i", matrices, vectors)


def _area(polygon: np.ndarray) -> float:
    """Return the area of a polygon (C, 2), by the shoelace formula."""
    if len(polygon) < 3:
        return 0.0
    down, right = polygon.T
    next_down, next_right = np.roll(polygon, -1, axis=0).T
    one_way = down @ next_right
    other_way = right @ next_down
    return float(abs(one_way - other_way) / 2)


def _axes(angle: float) -> np.ndarray:
    cos = math.cos(angle)
    sin = math.sin(angle)
    return np.array([(cos, -sin), (sin, cos)])


def _chain(points: list[tuple]) -> list[tuple]:
    """Return one side of the hull of sorted points, without the last (Andrew's monotone chain)."""
    chain: list[tuple] = []
    for point in points:
        while len(chain) > 1:
            before, last = chain[-2:]
            if _turn(before, last, point) > 0:
                break
            chain.pop()
        chain.append(point)
    return chain[:-1]


def _turn(a, b, c):
    """Return twice the area of the triangle of three points; below 0 where the path turns the other way."""
    row, column = a
    b_row, b_column = b
    c_row, c_column = c
    first = (b_row - row) * (c_column - column)
    second = (b_column - column) * (c_row - row)
    return first - second


def _cut(polygon: np.ndarray, start: np.ndarray, end: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the part of a convex polygon that lies on the side of `inner` of the line from `start` to `end`."""
    sides = np.array([_turn(start, end, point) for point in polygon])
    sides *= np.sign(_turn(start, end, inner))

    kept = []
    for i, point in enumerate(polygon):
        after = (i + 1) % len(polygon)
        side = sides[i]
        other = sides[after]

        if side >= 0:
            kept.append(point)
        if side * other < 0:  # the edge crosses the line
            share = side / (side - other)
            edge = polygon[after] - point
            kept.append(point + edge * share)
    return np.array(kept)
