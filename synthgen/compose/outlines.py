"""The compiled loops behind `synthgen.compose.shapes`: which pixels an outline covers. Plain arithmetic only."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.perlin import perlin3

# A line is at least twice this thick, so that one of any direction stays in one piece.
_LEAST_HALF = 0.71


@numba.njit(cache=True)
def bounds(covered):
    """Return top, left, bottom and right of the True pixels, the last two exclusive."""
    height, width = covered.shape
    top = height
    left = width
    bottom = 0
    right = 0

    for r in range(height):
        for c in range(width):
            if covered[r, c]:
                top = min(top, r)
                left = min(left, c)
                bottom = r + 1
                right = max(right, c + 1)

    return top, left, bottom, right


@numba.njit(cache=True)
def tilted(half_length, half_width, cosine, sine):
    """Return a turned rectangle, in an array with its center in the middle."""
    high = abs(sine) * half_length + abs(cosine) * half_width
    wide = abs(cosine) * half_length + abs(sine) * half_width
    rows = int(high) + 1
    columns = int(wide) + 1
    covered = np.zeros((2 * rows + 1, 2 * columns + 1), np.bool_)

    for r in range(-rows, rows + 1):
        for c in range(-columns, columns + 1):
            along, across = _turned(c, r, cosine, sine)
            inside = abs(along) <= half_length and abs(across) <= half_width
            covered[r + rows, c + columns] = inside

    return covered


@numba.njit(cache=True)
def _turned(x, y, cosine, sine):
    """Return the coordinates of a point along and across a direction."""
    along = cosine * x + sine * y
    across = cosine * y - sine * x
    return along, across


@numba.njit(cache=True)
def waved(radius, waves, stretch, cosine, sine):
    """Return the inside of the curve r = radius (1 + waves of the angle), stretched and turned; waves: (n, 2)."""
    most = 1.0
    for k in range(len(waves)):
        most += math.sqrt(waves[k, 0] ** 2 + waves[k, 1] ** 2)
    reach = int(radius * most * stretch) + 1
    covered = np.zeros((2 * reach + 1, 2 * reach + 1), np.bool_)

    for r in range(-reach, reach + 1):
        for c in range(-reach, reach + 1):
            along, across = _turned(c, r, cosine, sine)
            x = along / stretch
            y = across * stretch
            distance = math.sqrt(x * x + y * y)

            if distance > radius * most:
                continue
            if distance == 0:
                covered[reach, reach] = True
                continue
            limit = _curve(waves, x / distance, y / distance)
            covered[r + reach, c + reach] = distance <= radius * max(limit, 0.2)

    return covered


@numba.njit(cache=True)
def _curve(waves, cosine, sine):
    """Return 1 + waves of an angle, whose cosine and sine are given."""
    limit = 1.0
    cos_k = 1.0
    sin_k = 0.0

    for k in range(len(waves)):
        # cos and sin of k angle are powers of a unit complex number: no call of a library
        next_cos = cos_k * cosine - sin_k * sine
        next_sin = cos_k * sine + sin_k * cosine
        cos_k = next_cos
        sin_k = next_sin
        limit += waves[k, 0] * cos_k + waves[k, 1] * sin_k

    return limit


@numba.njit(cache=True)
def stroked(lines, height, width):
    """Return lines through nodes (n, m, 3), each a row, a column and a width."""
    covered = np.zeros((height, width), np.bool_)

    for line in lines:
        for k in range(len(line) - 1):
            y0, x0, w0 = line[k]
            y1, x1, w1 = line[k + 1]
            stroke = Stroke(y0, x0, w0, y1 - y0, x1 - x0, w1 - w0)
            _fill_stroke(covered, stroke)

    return covered


class Stroke(NamedTuple):
    """A straight piece of a line: row, column and width at its start, and how they change to its end."""

    row: float
    column: float
    width: float
    down: float
    right: float
    growth: float


@numba.njit(cache=True)
def _fill_stroke(covered, stroke):
    """Set the pixels of a stroke."""
    height, width = covered.shape
    square = max(stroke.down * stroke.down + stroke.right * stroke.right, 1e-9)
    widest = max(stroke.width, stroke.width + stroke.growth)
    reach = max(widest / 2, _LEAST_HALF)
    rows = _reached(stroke.row, stroke.down, reach, height)
    columns = _reached(stroke.column, stroke.right, reach, width)

    for r in range(rows[0], rows[1]):
        for c in range(columns[0], columns[1]):
            y = r - stroke.row
            x = c - stroke.column

            # the nearest place on the stroke
            projected = (y * stroke.down + x * stroke.right) / square
            share = min(max(projected, 0.0), 1.0)
            y = y - share * stroke.down
            x = x - share * stroke.right

            own_width = stroke.width + share * stroke.growth
            half = max(own_width / 2, _LEAST_HALF)
            if y * y + x * x <= half * half:
                covered[r, c] = True


@numba.njit(cache=True)
def _reached(start, change, reach, side):
    """Return the first and the last pixel (exclusive) along an axis that a stroke may touch."""
    end = start + change
    low = int(min(start, end) - reach)
    high = int(max(start, end) + reach)
    return max(0, low), min(side, high + 2)


@numba.njit(cache=True)
def heights_in_ellipse(radius, stretch, turn, frequency, offset):
    """Return noise that sinks towards the edge of an ellipse, which no island reaches; -inf beyond."""
    cosine, sine = turn
    reach = int(radius * stretch) + 1
    heights = np.full((2 * reach + 1, 2 * reach + 1), -np.inf)

    for r in range(-reach, reach + 1):
        for c in range(-reach, reach + 1):
            along, across = _turned(c, r, cosine, sine)
            x = along / stretch
            y = across * stretch
            share = (x * x + y * y) / (radius * radius)
            if share >= 1 and (r != 0 or c != 0):
                continue

            noise = _three_octaves(x * frequency + offset[0], y * frequency + offset[1], offset[2])
            heights[r + reach, c + reach] = noise - 0.7 * share

    return heights


@numba.njit(cache=True)
def _three_octaves(x, y, z):
    first = perlin3(x, y, z)
    second = perlin3(2 * x, 2 * y, z + 9)
    third = perlin3(4 * x, 4 * y, z + 17)
    return first + 0.5 * second + 0.25 * third


@numba.njit(cache=True)
def thickness(covered):
    """Return area over length of the edge, in pixels: half the width of a line, half the radius of a disc."""
    height, width = covered.shape
    area = 0
    edge = 0

    for r in range(height):
        for c in range(width):
            if covered[r, c]:
                area += 1
                edge += not _surrounded(covered, r, c)

    return area / edge


@numba.njit(cache=True)
def _surrounded(covered, r, c):
    """Whether the pixels above, below, left and right are True too."""
    height, width = covered.shape
    if r == 0 or c == 0 or r == height - 1 or c == width - 1:
        return False
    upright = covered[r - 1, c] and covered[r + 1, c]
    level = covered[r, c - 1] and covered[r, c + 1]
    return upright and level


@numba.njit(cache=True)
def tent_sums(covered, radius):
    """Return the box sums of the box sums around each pixel, int64, with 2 `radius` more on each side."""
    margin = 2 * radius
    rows, columns = covered.shape
    sums = np.zeros((rows + 2 * margin, columns + 2 * margin), np.int64)
    line = np.zeros(columns + 2 * margin, np.int64)

    for r in range(rows):
        own = sums[r + margin]
        for c in range(columns):
            own[c + margin] = covered[r, c]
        for _ in range(2):
            _box_sums(own, line, radius)

    for _ in range(2):
        sums = _box_sums_of_rows(sums, radius)
    return sums


@numba.njit(cache=True)
def _box_sums(values, line, radius):
    """Replace numbers by the sums of those up to `radius` away; `line` is room for a copy."""
    count = len(values)
    line[:] = values
    total = 0

    for i in range(-radius, count):
        entering = i + radius
        leaving = i - radius - 1
        if entering < count:
            total += line[entering]
        if leaving >= 0:
            total -= line[leaving]
        if i >= 0:
            values[i] = total


@numba.njit(cache=True)
def _box_sums_of_rows(values, radius):
    """Return for each row the sum of those up to `radius` away."""
    height, width = values.shape
    sums = np.empty_like(values)
    total = np.zeros(width, np.int64)

    for r in range(-radius, height):
        entering = r + radius
        leaving = r - radius - 1
        if entering < height:
            for c in range(width):
                total[c] += values[entering, c]
        if leaving >= 0:
            for c in range(width):
                total[c] -= values[leaving, c]
        if r >= 0:
            for c in range(width):
                sums[r, c] = total[c]

    return sums
