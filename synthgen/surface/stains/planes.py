"""Water stains on a plane, compiled: only the stains that cut it, and only the pixels within their reach."""

import math
from functools import partial
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.perlin import perlin3_along
from synthgen.surface.stains.points import (
    ABOVE_ONE,
    GRAIN,
    GRAIN_SHIFT,
    change_of,
    depth_of,
    stain_of,
    stain_reach,
)
from synthgen.surface.stains.rows import Near, near_rows, renumber, unite
from synthgen.threads import by_bands

f32, i32 = np.float32, np.int32
# Squared distances are wrong by this share at most; a stain that misses the plane by less is looked at.
_ROUNDING = 1e-9


class Plane(NamedTuple):
    """A grid of points: origin + row * down + column * along."""

    origin: tuple[float, float, float]
    down: tuple[float, float, float]
    along: tuple[float, float, float]


class Canvas(NamedTuple):
    """What `paint` changes; all of the shape of the picture."""

    reflectance: np.ndarray
    mask: np.ndarray
    ids: np.ndarray


class _Line(NamedTuple):
    """A row of the picture while it is painted.

    `x`, `y` and `z` are the points, `u`, `v` and `w` where the noise is looked up: arrays of their own, since a
    slice of a table is not contiguous to the compiler. `depth` is (d / r')**2 in the stain `owner`, whose intensity
    is `strength`. `noise` moves the outline, `grain` varies the inside. `changes` is what is added to the
    reflectance in the end.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray
    noise: np.ndarray
    grain: np.ndarray
    depth: np.ndarray
    owner: np.ndarray
    strength: np.ndarray
    changes: np.ndarray


class _Room(NamedTuple):
    """Room for the chords of a row, (n, 2), and the spans of some rows, (m, 3); and which stains cover a pixel."""

    chords: np.ndarray
    spans: np.ndarray
    used: np.ndarray


def paint(field, plane: Plane, stains: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Paint stains, and number them; return which of them cover a pixel, (n,)."""
    size = canvas.ids.shape
    extents = np.empty((len(stains), 2), np.int64)
    _fill_extents(field, plane, size, stains, extents)
    near = near_rows(extents, size[0])

    used = np.zeros(len(stains), bool)
    paint_rows = partial(_paint_rows, field, plane, stains, near, canvas, used)
    spans = np.concatenate(by_bands(paint_rows, size))

    from_one = np.cumsum(used)
    numbers = np.concatenate([[0], from_one])
    renumber(canvas.ids, numbers.astype(np.uint16), spans)
    return used


def _paint_rows(
    field, plane: Plane, stains: np.ndarray, near: Near, canvas: Canvas, used: np.ndarray, first: int, end: int
) -> np.ndarray:
    """Paint some rows, and return the spans of them that were looked at, (row, begin, end)."""
    starts = near.starts[first : end + 1]
    in_a_row = np.diff(starts)
    room = _Room(
        chords=np.empty((in_a_row.max(initial=0), 2), np.int64),
        spans=np.empty((starts[-1] - starts[0], 3), np.int64),
        used=used,
    )
    filled = _paint(field, plane, stains, near, canvas, room, (first, end))
    return room.spans[:filled]


@numba.njit(cache=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True)
def _minus(a, b):
    return (
        a[0] - b[0],
        a[1] - b[1],
        a[2] - b[2],
    )


@numba.njit(cache=True)
def cut(field, plane, size, normal, first, last, out):
    """Count the cells of a box whose stains can reach a pixel of the plane, and list the first len(out) of them.

    For each column of cells along the axis nearest to the normal, only those around the plane are looked at.
    """
    axis = _main_axis(normal)
    u = (axis + 1) % 3
    v = (axis + 2) % 3
    cell = field.cell
    level = _dot(plane.origin, normal)
    slack = _slack(field, normal, axis)

    count = 0
    here = np.zeros(3, np.int64)
    for a in range(first[u], last[u] + 1):
        across_u = (a + 0.5) * cell * normal[u]
        for b in range(first[v], last[v] + 1):
            across_v = (b + 0.5) * cell * normal[v]
            along = level - (across_u + across_v)
            middle = along / normal[axis]
            nearest = middle - slack
            farthest = middle + slack
            lowest = math.floor(nearest / cell)
            highest = math.floor(farthest / cell)
            low = max(lowest, first[axis])
            high = min(highest, last[axis])

            for c in range(low, high + 1):
                here[u] = a
                here[v] = b
                here[axis] = c
                stain = stain_of(field, here[0], here[1], here[2])
                begin, end = _rows(field, plane, size, stain)
                if begin >= end:
                    continue
                if count < len(out):
                    out[count] = here
                count += 1
    return count


@numba.njit(cache=True)
def _main_axis(normal):
    """Return the axis nearest to a normal."""
    axis = 0
    for n in range(1, 3):
        if abs(normal[n]) > abs(normal[axis]):
            axis = n
    return axis


@numba.njit(cache=True)
def _slack(field, normal, axis):
    """Return how far, along the axis, a stain can lie from where the plane passes the middle of its column."""
    u = (axis + 1) % 3
    v = (axis + 2) % 3
    largest = stain_reach(field, field.radius + field.radius_span)
    sideways = abs(normal[u]) + abs(normal[v])
    half = field.cell * sideways / 2
    reach = largest + half
    steepness = abs(normal[axis])
    rounding = 1e-6 * field.cell
    return reach / steepness + rounding


@numba.njit(cache=True)
def _rows(field, plane, size, stain):
    """Return the first row that a stain can reach and the one after the last; equal if none."""
    height, width = size
    down = plane.down
    along = plane.along
    offset = _minus(stain, plane.origin)

    # row and column of the point of the plane that is nearest to the center
    down_down = _dot(down, down)
    along_along = _dot(along, along)
    down_along = _dot(down, along)
    offset_down = _dot(offset, down)
    offset_along = _dot(offset, along)
    det = down_down * along_along - down_along * down_along
    row = along_along * offset_down - down_along * offset_along
    column = down_down * offset_along - down_along * offset_down
    row /= det
    column /= det

    # the circle that the reach cuts out of the plane
    square = _dot(offset, offset)
    distance = square - row * offset_down - column * offset_along
    reach = stain_reach(field, stain[3])
    left = reach**2 - distance
    if left < -_ROUNDING * square:
        return 0, 0
    left = max(left, 0.0)
    of_rows = left * along_along
    of_columns = left * down_down
    half_rows = math.sqrt(of_rows / det)
    half_columns = math.sqrt(of_columns / det)

    rightmost = column + half_columns
    leftmost = column - half_columns
    if rightmost < -1 or leftmost > width:
        return 0, 0
    lowest = math.floor(row - half_rows)
    highest = math.ceil(row + half_rows)
    begin = max(lowest - 1, 0)
    end = min(highest + 2, height)
    return begin, max(end, begin)


@numba.njit(cache=True)
def _chord(field, start, along, width, stain):
    """Return the first column of a row that a stain can reach and the one after the last; equal if none."""
    offset = _minus(stain, start)
    along_along = _dot(along, along)
    offset_along = _dot(offset, along)
    square = _dot(offset, offset)

    distance = square - offset_along * offset_along / along_along
    reach = stain_reach(field, stain[3])
    left = reach**2 - distance
    if left < -_ROUNDING * square:
        return 0, 0

    middle = offset_along / along_along
    half = math.sqrt(max(left, 0.0) / along_along)
    lowest = math.floor(middle - half)
    highest = math.ceil(middle + half)
    begin = max(lowest - 1, 0)
    end = min(highest + 2, width)
    return begin, max(end, begin)


@numba.njit(cache=True)
def _fill_extents(field, plane, size, stains, out):
    """Write the first row of each stain and the one after its last, (n, 2)."""
    for s in range(len(stains)):
        begin, end = _rows(field, plane, size, stains[s])
        out[s, 0] = begin
        out[s, 1] = end


@numba.njit(cache=True, nogil=True)
def _paint(field, plane, stains, near, canvas, room, rows):
    """Paint some rows, one by one, and return how many spans were looked at."""
    chords, spans, used = room
    top, bottom = rows
    width = canvas.ids.shape[1]
    # taken out of the tuple once: to the compiler, each array taken out in a loop is a reference to count
    x, y, z, u, v, w, noise, grain, depth, owner, strength, changes = _new_line(width)
    count = 0
    for r in range(top, bottom):
        lowest = near.starts[r]
        highest = near.starts[r + 1]
        reaching = near.things[lowest:highest]
        start = _start_of_row(plane, r)
        for n in range(len(reaching)):
            stain = stains[reaching[n]]
            begin, end = _chord(field, start, plane.along, width, stain)
            chords[n, 0] = begin
            chords[n, 1] = end

        first = count
        count = unite(chords, len(reaching), r, spans, count)
        for n in range(first, count):
            begin = spans[n, 1]
            end = spans[n, 2]
            points = (x[begin:end], y[begin:end], z[begin:end])
            places = (u[begin:end], v[begin:end], w[begin:end])
            _lay_out(start, plane.along, begin, points, depth[begin:end], owner[begin:end])
            _fill_noise(points, field.frequency, 0.0, places, noise[begin:end])
            if field.heterogeneity != 0.0:
                _fill_noise(points, GRAIN * field.frequency, GRAIN_SHIFT, places, grain[begin:end])

        for n in range(len(reaching)):
            number = reaching[n]
            begin = chords[n, 0]
            end = chords[n, 1]
            points = (x[begin:end], y[begin:end], z[begin:end])
            found = (depth[begin:end], owner[begin:end], strength[begin:end])
            _deepen(field, stains[number], number, points, noise[begin:end], found)

        for n in range(first, count):
            begin = spans[n, 1]
            end = spans[n, 2]
            _fade(field, strength[begin:end], depth[begin:end], grain[begin:end], changes[begin:end])
            _put(owner, changes, r, begin, end, canvas, used)
    return count


@numba.njit(cache=True)
def _new_line(width):
    """Return room for a row of the picture."""
    return _Line(
        x=np.empty(width),
        y=np.empty(width),
        z=np.empty(width),
        u=np.empty(width, f32),
        v=np.empty(width, f32),
        w=np.empty(width, f32),
        noise=np.empty(width, f32),
        grain=np.zeros(width, f32),
        depth=np.empty(width),
        owner=np.empty(width, i32),
        strength=np.zeros(width),
        changes=np.empty(width),
    )


@numba.njit(cache=True)
def _start_of_row(plane, r):
    """Return the first point of a row."""
    origin = plane.origin
    down = plane.down
    return (
        origin[0] + r * down[0],
        origin[1] + r * down[1],
        origin[2] + r * down[2],
    )


@numba.njit(cache=True)
def _lay_out(start, along, begin, points, depth, owner):
    """Write the points of a span of a row, in no stain yet."""
    x, y, z = points
    for n in range(len(depth)):
        column = begin + n
        x[n] = start[0] + column * along[0]
        y[n] = start[1] + column * along[1]
        z[n] = start[2] + column * along[2]
        depth[n] = ABOVE_ONE
        owner[n] = -1


@numba.njit(cache=True)
def _fill_noise(points, frequency, shift, places, out):
    """Write the noise at points, and the places where it was looked up."""
    x, y, z = points
    u, v, w = places
    for n in range(len(out)):
        right = frequency * x[n] + shift
        down = frequency * y[n] + shift
        up = frequency * z[n] + shift
        u[n] = f32(right)
        v[n] = f32(down)
        w[n] = f32(up)
    perlin3_along(u, v, w, out)


@numba.njit(cache=True)
def _deepen(field, stain, number, points, noise, found):
    """Give the points of a chord to a stain where they lie deeper in it than in those before."""
    x, y, z = points
    depth, owner, strength = found
    for c in range(len(depth)):
        radius = stain[3] + field.amplitude * noise[c]
        dx = x[c] - stain[0]
        dy = y[c] - stain[1]
        dz = z[c] - stain[2]

        share = depth_of(dx, dy, dz, radius)
        deeper = share < depth[c]
        depth[c] = share if deeper else depth[c]
        owner[c] = i32(number) if deeper else owner[c]
        strength[c] = stain[4] if deeper else strength[c]


@numba.njit(cache=True, error_model="numpy")
def _fade(field, strength, depth, grain, changes):
    """Write what the stains add to a span, in a loop of its own, which becomes vector code: 44 -> 35 ms a plate."""
    for c in range(len(depth)):
        changes[c] = change_of(field, strength[c], depth[c], grain[c])


@numba.njit(cache=True)
def _put(owner, changes, r, begin, end, canvas, used):
    """Write a span into the picture, where it lies in stains."""
    reflectance = canvas.reflectance[r]
    mask = canvas.mask[r]
    ids = canvas.ids[r]

    for c in range(begin, end):
        stain = owner[c]
        if stain >= 0:
            reflectance[c] += changes[c]
            mask[c] = True
            ids[c] = stain + 1
            used[stain] = True
