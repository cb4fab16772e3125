"""The compiled loops behind `synthgen.compose.shapes`: which pixels an outline covers. Plain arithmetic only."""

import math

import numba
import numpy as np

from synthgen.surface.perlin import perlin3


@numba.njit(cache=True)
def bounds(covered):
    """Return top, left, bottom and right of the True pixels, the last two exclusive."""
    top, left, bottom, right = covered.shape[0], covered.shape[1], 0, 0
    for r in range(covered.shape[0]):
        for c in range(covered.shape[1]):
            if covered[r, c]:
                top, bottom = min(top, r), r + 1
                left, right = min(left, c), max(right, c + 1)
    return top, left, bottom, right


@numba.njit(cache=True)
def tilted(half_length, half_width, cosine, sine):
    """Return a turned rectangle, in an array with its centre in the middle."""
    rows = int(abs(sine) * half_length + abs(cosine) * half_width) + 1
    columns = int(abs(cosine) * half_length + abs(sine) * half_width) + 1
    covered = np.zeros((2 * rows + 1, 2 * columns + 1), np.bool_)
    for r in range(-rows, rows + 1):
        for c in range(-columns, columns + 1):
            along, across = cosine * c + sine * r, cosine * r - sine * c
            covered[r + rows, c + columns] = abs(along) <= half_length and abs(across) <= half_width
    return covered


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
            x, y = (cosine * c + sine * r) / stretch, (cosine * r - sine * c) * stretch
            distance = math.sqrt(x * x + y * y)
            if distance > radius * most:
                continue
            if distance == 0:
                covered[reach, reach] = True
                continue
            x, y = x / distance, y / distance
            limit, cos_k, sin_k = 1.0, 1.0, 0.0
            for k in range(len(waves)):
                # cos and sin of k angle are powers of a unit complex number: no call of a library
                cos_k, sin_k = cos_k * x - sin_k * y, cos_k * y + sin_k * x
                limit += waves[k, 0] * cos_k + waves[k, 1] * sin_k
            covered[r + reach, c + reach] = distance <= radius * max(limit, 0.2)
    return covered


@numba.njit(cache=True)
def stroked(lines, height, width):
    """Return lines through nodes (n, m, 3), each a row, a column and a width."""
    covered = np.zeros((height, width), np.bool_)
    for line in lines:
        for k in range(len(line) - 1):
            y0, x0, w0 = line[k]
            y1, x1, w1 = line[k + 1]
            dy, dx = y1 - y0, x1 - x0
            square = max(dy * dy + dx * dx, 1e-9)
            # at least this thick, so that a line of any direction stays in one piece
            reach = max(max(w0, w1) / 2, 0.71)
            for r in range(max(0, int(min(y0, y1) - reach)), min(height, int(max(y0, y1) + reach) + 2)):
                for c in range(max(0, int(min(x0, x1) - reach)), min(width, int(max(x0, x1) + reach) + 2)):
                    share = min(max(((r - y0) * dy + (c - x0) * dx) / square, 0.0), 1.0)
                    y, x = r - y0 - share * dy, c - x0 - share * dx
                    half = max((w0 + share * (w1 - w0)) / 2, 0.71)
                    if y * y + x * x <= half * half:
                        covered[r, c] = True
    return covered


@numba.njit(cache=True)
def heights_in_ellipse(radius, stretch, cosine, sine, frequency, x0, y0, z0):
    """Three octaves of noise that sink towards the edge of an ellipse, which no island reaches; -inf beyond."""
    reach = int(radius * stretch) + 1
    heights = np.full((2 * reach + 1, 2 * reach + 1), -np.inf)
    for r in range(-reach, reach + 1):
        for c in range(-reach, reach + 1):
            x, y = (cosine * c + sine * r) / stretch, (cosine * r - sine * c) * stretch
            share = (x * x + y * y) / (radius * radius)
            if share >= 1 and (r != 0 or c != 0):
                continue
            x, y = x * frequency + x0, y * frequency + y0
            noise = perlin3(x, y, z0) + 0.5 * perlin3(2 * x, 2 * y, z0 + 9) + 0.25 * perlin3(4 * x, 4 * y, z0 + 17)
            heights[r + reach, c + reach] = noise - 0.7 * share
    return heights


@numba.njit(cache=True)
def thickness(covered):
    """Return area over length of the edge, in pixels: half the width of a line, half the radius of a disc."""
    height, width = covered.shape
    area, edge = 0, 0
    for r in range(height):
        for c in range(width):
            if covered[r, c]:
                area += 1
                inside = 0 < r < height - 1 and 0 < c < width - 1
                if not (
                    inside and covered[r - 1, c] and covered[r + 1, c] and covered[r, c - 1] and covered[r, c + 1]
                ):
                    edge += 1
    return area / edge


@numba.njit(cache=True)
def tent_sums(covered, radius):
    """Return the box sums of the box sums around each pixel, int64, with 2 `radius` more on each side."""
    margin = 2 * radius
    height, width = covered.shape[0] + 2 * margin, covered.shape[1] + 2 * margin
    sums, line = np.zeros((height, width), np.int64), np.zeros(max(height, width), np.int64)
    for r in range(covered.shape[0]):
        for c in range(covered.shape[1]):
            sums[r + margin, c + margin] = covered[r, c]
        for _ in range(2):
            _box_sums(sums[r + margin], line, radius)
    for _ in range(2):
        sums = _box_sums_of_rows(sums, radius)
    return sums


@numba.njit(cache=True)
def _box_sums(values, line, radius):
    count = len(values)
    line[:count] = values
    total = 0
    for i in range(-radius, count):
        if i + radius < count:
            total += line[i + radius]
        if i - radius - 1 >= 0:
            total -= line[i - radius - 1]
        if i >= 0:
            values[i] = total


@numba.njit(cache=True)
def _box_sums_of_rows(values, radius):
    height, width = values.shape
    out = np.empty_like(values)
    total = np.zeros(width, np.int64)
    for r in range(-radius, height):
        if r + radius < height:
            for c in range(width):
                total[c] += values[r + radius, c]
        if r - radius - 1 >= 0:
            for c in range(width):
                total[c] -= values[r - radius - 1, c]
        if r >= 0:
            for c in range(width):
                out[r, c] = total[c]
    return out
