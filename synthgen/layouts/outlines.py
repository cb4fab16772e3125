"""Outlines of objects as polygons: the borders of pixels are followed, and holes are joined by bridges of no width.

A *side* is the border between a pixel of the object and one that is not. Side 0 is the top of its pixel, 1 the
right, 2 the bottom, 3 the left; each is followed with the object on its right. Pixels that touch at a corner are
one piece.

A hole is bridged straight up through the object, to the side where the object ends: the bridge covers nothing that
is not of the object.
"""

from typing import NamedTuple

import numba
import numpy as np

# Steps (row, column) along the sides 0 to 3. What lies to the left of side k is one step of k - 1 away.
_ALONG = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
# Corner of the pixel at which each side begins.
_CORNER = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
_TOP = 0
_BOTTOM = 2
_NONE = -1


class Tours(NamedTuple):
    """Closed tours along the sides of an object.

    Attributes
    ----------
    sides : ndarray of int64, (n, 3)
        Row, column and number of each side. A side at which a bridge begins is there twice.
    after : ndarray of int64, (n,)
        The side that follows.
    starts : ndarray of int64
        A side of each tour.
    """

    sides: np.ndarray
    after: np.ndarray
    starts: np.ndarray


@numba.njit(cache=True, nogil=True)
def _at(mask, row, column):
    height, width = mask.shape
    return 0 <= row < height and 0 <= column < width and mask[row, column]


@numba.njit(cache=True, nogil=True)
def _next(mask, row, column, side):
    """Return the side that follows one: to the left where there is a pixel, else straight on, else to the right."""
    ahead_row = row + _ALONG[side, 0]
    ahead_column = column + _ALONG[side, 1]
    left = (side + 3) % 4
    left_row = ahead_row + _ALONG[left, 0]
    left_column = ahead_column + _ALONG[left, 1]

    if _at(mask, left_row, left_column):
        return left_row, left_column, left
    if _at(mask, ahead_row, ahead_column):
        return ahead_row, ahead_column, side
    return row, column, (side + 1) % 4


@numba.njit(cache=True, nogil=True)
def _count_sides(mask):
    height, width = mask.shape
    count = 0
    for row in range(height):
        for column in range(width):
            if not mask[row, column]:
                continue
            for step in _ALONG:
                count += not _at(mask, row + step[0], column + step[1])
    return count


@numba.njit(cache=True, nogil=True)
def _follow(mask, start, nodes, sides, after, count):
    """Append the sides of an outline, one after the other in a ring, and return how many sides there are now."""
    row, column, side = start
    begin = count
    while True:
        sides[count, 0] = row
        sides[count, 1] = column
        sides[count, 2] = side
        nodes[row, column, side] = count
        after[count] = count + 1
        count += 1

        row, column, side = _next(mask, row, column, side)
        if (row, column, side) == start:
            break
    after[count - 1] = begin
    return count


@numba.njit(cache=True, nogil=True)
def _bridge(sides, after, count, there, here):
    """Join two rings: from `there` to `here`, around, and back. Return how many sides there are now."""
    before = here
    while after[before] != here:
        before = after[before]

    # both sides once more, for the way back
    sides[count] = sides[here]
    sides[count + 1] = sides[there]
    after[before] = count
    after[count] = count + 1
    after[count + 1] = after[there]
    after[there] = here
    return count + 2


@numba.njit(cache=True, nogil=True)
def tours_of(mask, corners):
    """Return the tours of an object, one for each piece, as the parts of `Tours`.

    Parameters
    ----------
    mask : ndarray of bool, (H, W)
    corners : bool
        Bridges begin at corners of pixels; otherwise in their middles.
    """
    height, width = mask.shape
    most = 3 * _count_sides(mask)
    sides = np.empty((most, 3), np.int64)
    after = np.empty(most, np.int64)
    starts = np.empty(most, np.int64)
    nodes = np.full((height, width, 4), _NONE, np.int64)
    count = 0
    tours = 0

    # In this order the outline that a hole is bridged to was followed before the hole's own.
    for row in range(height):
        for column in range(width):
            if not mask[row, column]:
                continue

            if not _at(mask, row - 1, column) and nodes[row, column, _TOP] == _NONE:
                starts[tours] = count
                tours += 1
                count = _follow(mask, (row, column, _TOP), nodes, sides, after, count)

            if not _at(mask, row + 1, column) and nodes[row, column, _BOTTOM] == _NONE:
                begin = count
                count = _follow(mask, (row, column, _BOTTOM), nodes, sides, after, count)
                top = row
                while _at(mask, top - 1, column):
                    top -= 1
                here = after[begin] if corners else begin
                there = nodes[top, column, _TOP]
                count = _bridge(sides, after, count, there, here)

    return sides[:count], after[:count], starts[:tours]


@numba.njit(cache=True, nogil=True)
def _corner_of(side):
    """Return row and column of the corner at which a side begins."""
    corner = _CORNER[side[2]]
    return side[0] + corner[0], side[1] + corner[1]


@numba.njit(cache=True, nogil=True)
def _area_of(sides, after, start):
    """Return how many pixels lie within a tour, holes left out, by the shoelace formula."""
    twice = 0
    node = start
    while True:
        row, column = _corner_of(sides[node])
        node = after[node]
        next_row, next_column = _corner_of(sides[node])
        twice += column * next_row - next_column * row
        if node == start:
            return twice // 2


@numba.njit(cache=True, nogil=True)
def _nearest_node(nodes, row, column, below):
    """Return a node in the rings of pixels around one, and its distance if that is less than `below`."""
    height, width = nodes.shape
    for reach in range(1, below):
        for r in range(max(0, row - reach), min(height, row + reach + 1)):
            step = 1 if abs(r - row) == reach else 2 * reach
            for c in range(column - reach, column + reach + 1, step):
                if 0 <= c < width and nodes[r, c] != _NONE:
                    return nodes[r, c], reach
    return _NONE, below


@numba.njit(cache=True, nogil=True)
def _enter(sides, after, start, nodes):
    """Enter the pixels of a tour into a grid of nodes."""
    node = start
    while True:
        nodes[sides[node, 0], sides[node, 1]] = node
        node = after[node]
        if node == start:
            return


@numba.njit(cache=True, nogil=True)
def join_tours(tour_sides, tour_after, starts, order, height, width):
    """Return sides and successors of one tour of all pieces; the first in `order` begins it.

    Each piece is bridged to the nearest one that was joined before. One with fewer pixels than its bridge is left
    out.
    """
    total = len(tour_sides)
    sides = np.empty((total + 2 * len(starts), 3), np.int64)
    after = np.empty(len(sides), np.int64)
    sides[:total] = tour_sides
    after[:total] = tour_after
    nodes = np.full((height, width), _NONE, np.int64)
    _enter(sides, after, starts[order[0]], nodes)
    count = total

    for place in order[1:]:
        start = starts[place]
        area = _area_of(sides, after, start)
        # one more pixel than the bridge may have
        below = min(area, max(height, width)) + 2
        there = _NONE
        here = start
        node = start
        while True:
            found, distance = _nearest_node(nodes, sides[node, 0], sides[node, 1], below)
            if found != _NONE:
                there = found
                here = node
                below = distance
            node = after[node]
            if node == start:
                break

        if there != _NONE:
            count = _bridge(sides, after, count, there, here)
            _enter(sides, after, here, nodes)
    return sides[:count], after[:count]


@numba.njit(cache=True, nogil=True)
def _goes_on(before, last, row, column):
    """Return whether the step to a place goes on in the direction of the step before."""
    down = last[0] - before[0]
    across = last[1] - before[1]
    next_down = row - last[0]
    next_across = column - last[1]

    is_straight = down * next_across == across * next_down
    return is_straight and down * next_down + across * next_across > 0


@numba.njit(cache=True, nogil=True)
def _points_of(sides, after, start, corners):
    """Return the points (row, column) of a tour, those in the middle of a straight line left out."""
    points = np.empty((len(sides) + 1, 2), np.int64)
    count = 0
    node = start
    while True:
        row = sides[node, 0]
        column = sides[node, 1]
        if corners:
            row, column = _corner_of(sides[node])

        is_new = count == 0 or row != points[count - 1, 0] or column != points[count - 1, 1]
        if is_new:
            if count > 1 and _goes_on(points[count - 2], points[count - 1], row, column):
                count -= 1
            points[count, 0] = row
            points[count, 1] = column
            count += 1

        node = after[node]
        if node == start:
            break

    last = points[count - 1]
    is_first_again = points[0, 0] == last[0] and points[0, 1] == last[1]
    if count > 1 and is_first_again:
        count -= 1
    # where the tour begins in the middle of a straight line
    if count > 2 and _goes_on(points[count - 2], points[count - 1], points[0, 0], points[0, 1]):
        count -= 1
    return points[:count].copy()


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the outline of each piece of an object along the corners of its pixels, as COCO's polygons.

    Filled, they give the object again to the pixel.

    Parameters
    ----------
    mask : ndarray of bool, (H, W)

    Returns
    -------
    list of ndarray of int64, (n, 2)
        Points (row, column); pixel (0, 0) has the corners (0, 0) to (1, 1). Holes are bridged.
    """
    sides, after, starts = tours_of(mask, True)
    return [_points_of(sides, after, start, True) for start in starts]


def joined_outline(mask: np.ndarray) -> np.ndarray:
    """Return an object as one polygon through the middles of its outermost pixels, as YOLO has it.

    Filled with its edge, as OpenCV's `fillPoly` does, it gives the object again, but for the bridges between
    pieces. Pieces too small for their bridge are left out.

    Parameters
    ----------
    mask : ndarray of bool, (H, W)

    Returns
    -------
    ndarray of int64, (n, 2)
        Points (row, column), at least three; those of a single pixel or line come more than once.
    """
    sides, after, starts = tours_of(mask, False)
    lengths = np.diff(starts, append=len(sides))
    order = np.argsort(-lengths, kind="stable")
    height, width = mask.shape
    sides, after = join_tours(sides, after, starts, order, height, width)

    points = _points_of(sides, after, starts[order[0]], False)
    missing = max(0, 3 - len(points))
    last = np.repeat(points[-1:], missing, axis=0)
    return np.concatenate([points, last])


@numba.njit(cache=True, nogil=True)
def filled(points, height, width):
    """Return the pixels of a polygon, bool (H, W): inside by the even-odd rule, and those that its edges pass."""
    changes = np.zeros((height, width), np.bool_)
    edges = np.zeros((height, width), np.bool_)
    for place in range(len(points)):
        begin = points[place]
        end = points[(place + 1) % len(points)]
        _enter_crossings(changes, begin, end)
        _enter_edge(edges, begin, end)

    for row in range(height):
        inside = False
        for column in range(width):
            inside ^= changes[row, column]
            edges[row, column] |= inside
    return edges


@numba.njit(cache=True, nogil=True)
def _enter_crossings(changes, begin, end):
    """Enter where rows cross an edge: from there on they lie on its other side."""
    width = changes.shape[1]
    first = min(begin[0], end[0])
    last = max(begin[0], end[0])

    for row in range(first, last):
        share = (row - begin[0]) / (end[0] - begin[0])
        column = int(np.ceil(begin[1] + share * (end[1] - begin[1])))
        if column < width:
            changes[row, column] ^= True


@numba.njit(cache=True, nogil=True)
def _enter_edge(edges, begin, end):
    """Enter the pixels that an edge passes."""
    down = end[0] - begin[0]
    across = end[1] - begin[1]
    steps = max(abs(down), abs(across), 1)

    for step in range(steps + 1):
        share = step / steps
        row = int(np.floor(begin[0] + share * down + 0.5))
        column = int(np.floor(begin[1] + share * across + 0.5))
        edges[row, column] = True
