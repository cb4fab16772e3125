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
    upright = abs(sine)
    level = abs(cosine)
    high = upright * half_length + level * half_width
    wide = level * half_length + upright * half_width

    rows = int(high) + 1
    columns = int(wide) + 1
    height = 2 * rows + 1
    width = 2 * columns + 1
    covered = np.zeros((height, width), np.bool_)

    for r in range(height):
        down = r - rows
        for c in range(width):
            right = c - columns
            along, across = _turned(right, down, cosine, sine)
            in_length = abs(along) <= half_length
            in_width = abs(across) <= half_width
            covered[r, c] = in_length and in_width

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
        cosine_weight, sine_weight = waves[k]
        square = cosine_weight**2 + sine_weight**2
        most += math.sqrt(square)
    farthest = radius * most
    reach = int(farthest * stretch) + 1
    side = 2 * reach + 1
    covered = np.zeros((side, side), np.bool_)

    for r in range(side):
        for c in range(side):
            along, across = _turned(c - reach, r - reach, cosine, sine)
            x = along / stretch
            y = across * stretch
            square = x * x + y * y
            distance = math.sqrt(square)

            if distance > farthest:
                continue
            if distance == 0:
                covered[r, c] = True
                continue

            curve = _curve(waves, x / distance, y / distance)
            limit = radius * max(curve, 0.2)
            covered[r, c] = distance <= limit

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
        cosine_weight, sine_weight = waves[k]
        limit += cosine_weight * cos_k + sine_weight * sin_k

    return limit


@numba.njit(cache=True)
def stroked(lines, height, width):
    """Return lines through nodes (n, m, 3), each a row, a column and a width."""
    covered = np.zeros((height, width), np.bool_)

    for line in lines:
        for k in range(len(line) - 1):
            y0, x0, w0 = line[k]
            y1, x1, w1 = line[k + 1]
            stroke = Stroke(
                row=y0,
                column=x0,
                width=w0,
                down=y1 - y0,
                right=x1 - x0,
                growth=w1 - w0,
            )
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
    down = stroke.down
    right = stroke.right
    square = down * down + right * right
    square = max(square, 1e-9)

    # the pixels that it may touch
    end_width = stroke.width + stroke.growth
    widest = max(stroke.width, end_width)
    half = widest / 2
    reach = max(half, _LEAST_HALF)
    top, bottom = _reached(stroke.row, down, reach, height)
    first, last = _reached(stroke.column, right, reach, width)

    for r in range(top, bottom):
        for c in range(first, last):
            y = r - stroke.row
            x = c - stroke.column

            # the nearest place on the stroke
            projected = y * down + x * right
            share = projected / square
            share = min(max(share, 0.0), 1.0)
            y -= share * down
            x -= share * right

            own_width = stroke.width + share * stroke.growth
            half = max(own_width / 2, _LEAST_HALF)
            distance = y * y + x * x
            if distance <= half * half:
                covered[r, c] = True


@numba.njit(cache=True)
def _reached(start, change, reach, side):
    """Return the first and the last pixel (exclusive) along an axis that a stroke may touch."""
    end = start + change
    lowest = min(start, end) - reach
    highest = max(start, end) + reach
    first = int(lowest)
    last = int(highest) + 2
    return max(0, first), min(side, last)


@numba.njit(cache=True)
def heights_in_ellipse(radius, stretch, turn, frequency, offset):
    """Return noise that sinks towards the edge of an ellipse, which no island reaches; -inf beyond."""
    cosine, sine = turn
    offset_x, offset_y, offset_z = offset
    reach = int(radius * stretch) + 1
    side = 2 * reach + 1
    heights = np.full((side, side), -np.inf)
    square = radius * radius

    for r in range(side):
        down = r - reach
        for c in range(side):
            right = c - reach
            along, across = _turned(right, down, cosine, sine)
            x = along / stretch
            y = across * stretch
            distance = x * x + y * y
            share = distance / square
            at_center = down == 0 and right == 0
            if share >= 1 and not at_center:
                continue

            noise_x = x * frequency + offset_x
            noise_y = y * frequency + offset_y
            noise = _three_octaves(noise_x, noise_y, offset_z)
            heights[r, c] = noise - 0.7 * share

    return heights


@numba.njit(cache=True)
def _three_octaves(x, y, z):
    noise = perlin3(x, y, z)
    x *= 2
    y *= 2
    noise += 0.5 * perlin3(x, y, z + 9)
    x *= 2
    y *= 2
    noise += 0.25 * perlin3(x, y, z + 17)
    return noise


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
    """Whether the pixels above, below, left and right are True too; beyond the border none is."""
    height, width = covered.shape
    last_row = height - 1
    last_column = width - 1
    inside = 0 < r < last_row and 0 < c < last_column
    if not inside:
        return False

    above = covered[r - 1, c]
    below = covered[r + 1, c]
    left = covered[r, c - 1]
    right = covered[r, c + 1]
    return above and below and left and right


@numba.njit(cache=True)
def tent_sums(covered, radius):
    """Return the box sums of the box sums around each pixel, int64, with 2 `radius` more on each side."""
    margin = 2 * radius
    rows, columns = covered.shape
    height = rows + 2 * margin
    width = columns + 2 * margin
    sums = np.zeros((height, width), np.int64)
    line = np.zeros(width, np.int64)

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
