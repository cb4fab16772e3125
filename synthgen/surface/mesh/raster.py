"""Which triangle lies in each pixel: a buffer of nearest triangles, filled one triangle after the other.

Of an edge the same two numbers in the same order tell where it crosses a row, whichever of its triangles asks. So
triangles that share an edge leave no pixel between them, and none has two.
"""

from math import ceil, floor
from typing import NamedTuple

import numba
import numpy as np

NONE = -1  # number of the triangle where there is none


class Screen(NamedTuple):
    """Triangles as a camera sees them.

    Attributes
    ----------
    corners : ndarray of float64, (V, 3)
        Row and column in pixels of the picture, whose first pixel has its middle at (0.5, 0.5), and 1 / distance.
    faces : ndarray of int64, (F, 3)
    """

    corners: np.ndarray
    faces: np.ndarray


def on_screen(placed: np.ndarray, faces: np.ndarray, focal: float, middle: tuple[float, float]) -> Screen:
    """Return triangles as a camera sees them.

    Parameters
    ----------
    placed : ndarray of float64, (V, 3)
        From the camera: x to the right, y up, z towards the viewer; all before the camera.
    faces : ndarray of int64, (F, 3)
    focal : float
        In pixels.
    middle : (float, float)
        Row and column of the camera's axis.
    """
    x, y, z = placed.T
    near = -1 / z
    scale = focal * near
    row, column = middle
    rows = row - scale * y
    columns = column + scale * x
    corners = np.stack([rows, columns, near], axis=1)
    return Screen(corners, faces)


def nearest_triangles(screen: Screen, window: tuple[slice, slice]) -> np.ndarray:
    """Return the number of the nearest triangle at the middle of each pixel of a window.

    Parameters
    ----------
    screen : Screen
    window : (slice, slice)
        Rows and columns of the picture.

    Returns
    -------
    ndarray of int32, (rows, columns)
        `NONE` where there is no triangle. Of triangles at one distance the first.
    """
    rows, columns = window
    height = rows.stop - rows.start
    width = columns.stop - columns.start
    shape = (height, width)
    numbers = np.full(shape, NONE, np.int32)
    nearest = np.zeros(shape)
    _fill(screen, (rows.start, columns.start), nearest, numbers)
    return numbers


@numba.njit(cache=True)
def _fill(screen, start, nearest, numbers):
    """Draw all triangles; `nearest` is 1 / distance of what is drawn."""
    corners = screen.corners
    faces = screen.faces
    top, left = start
    height, width = numbers.shape
    for face in range(len(faces)):
        a, b, c = faces[face]
        first, last = _middles_between(corners, (a, b, c), 0, top, height)
        first_column, last_column = _middles_between(corners, (a, b, c), 1, left, width)
        if first > last or first_column > last_column:
            continue
        plane = _plane(corners[a], corners[b], corners[c])
        area = plane[0]
        if area == 0.0:
            continue

        for r in range(first, last + 1):
            row = top + r + 0.5
            begin, end = _span(corners, (a, b, c), area, row)
            after = begin - left - 0.5
            before = end - left - 0.5

            # no farther than the triangle reaches: of a nearly level edge the crossing may lie anywhere
            after = min(max(after, first_column), last_column + 1.0)
            before = max(min(before, last_column), first_column - 1.0)
            span = (ceil(after), floor(before))
            along = _along_row(plane, row, left + 0.5)
            _fill_row(nearest[r], numbers[r], span, along, face)


@numba.njit(cache=True)
def _middles_between(corners, face, axis, start, count):
    """Return the first and the last of some rows or columns whose middle lies in the box of a triangle."""
    a, b, c = face
    one = corners[a, axis]
    two = corners[b, axis]
    three = corners[c, axis]
    low = min(one, two, three) - start
    high = max(one, two, three) - start
    first = ceil(max(low - 0.5, 0.0))
    last = floor(min(high - 0.5, count - 1.0))
    return first, last


@numba.njit(cache=True)
def _plane(a, b, c):
    """Return twice the area of a triangle, with a sign; how 1 / distance changes along it; its limits.

    `(area, row, column, at, by_row, by_column, least, most)`, where `at` is 1 / distance at the corner
    (row, column).
    """
    row, column, at = a
    rows_ab = b[0] - row
    columns_ab = b[1] - column
    to_b = b[2] - at
    rows_ac = c[0] - row
    columns_ac = c[1] - column
    to_c = c[2] - at

    # the change is the same along both sides (Cramer's rule)
    area = rows_ab * columns_ac - columns_ab * rows_ac
    whole = area if area != 0.0 else 1.0
    down = to_b * columns_ac - to_c * columns_ab
    right = to_c * rows_ab - to_b * rows_ac
    by_row = down / whole
    by_column = right / whole
    least = min(a[2], b[2], c[2])
    most = max(a[2], b[2], c[2])
    return (
        area,
        row,
        column,
        at,
        by_row,
        by_column,
        least,
        most,
    )


@numba.njit(cache=True)
def _along_row(plane, row, column):
    """Return 1 / distance at a place, how it changes along the row, and its limits."""
    _, first_row, first_column, at, by_row, by_column, least, most = plane
    down = by_row * (row - first_row)
    right = by_column * (column - first_column)
    return at + down + right, by_column, least, most


@numba.njit(cache=True)
def _span(corners, face, area, row):
    """Return between which columns a row crosses a triangle."""
    a, b, c = face
    begin = -np.inf
    end = np.inf
    for one, other in ((a, b), (b, c), (c, a)):
        # the corner of the lower number first, for both triangles of the edge
        first = min(one, other)
        second = max(one, other)
        first_row = corners[first, 0]
        first_column = corners[first, 1]
        rise = corners[second, 0] - first_row
        run = corners[second, 1] - first_column
        if rise == 0.0:
            continue
        share = (row - first_row) / rise
        crossing = first_column + share * run

        # the inside lies on the right of an edge that goes down, for triangles of this orientation
        goes_down = corners[other, 0] > corners[one, 0]
        turned = area > 0.0
        if goes_down == turned:
            begin = max(begin, crossing)
        else:
            end = min(end, crossing)
    return begin, end


@numba.njit(cache=True)
def _fill_row(nearest, numbers, span, along, face):
    """Draw a triangle into a span of a row, where nothing is nearer."""
    begin, end = span
    first, step, least, most = along
    for c in range(begin, end + 1):
        planar = first + c * step
        near = min(max(planar, least), most)
        if near > nearest[c]:
            nearest[c] = near
            numbers[c] = face
