"""The inspected plate: 100 x 120 mm of brushed aluminium, a ring light, a camera (paper 002, section V-A).

Everything is measured in mm from the middle of the plate, y down the rows and x along the columns.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.marks.defects import Placed, displacement, reach
from synthgen.surface.optics.brushed import ACROSS, ALONG, streaks
from synthgen.surface.optics.light import CAMERA_DISTANCE, LIGHT_HEIGHT, look_up, reflection_map

# Height and width of the plate, mm; its longer side lies along the columns.
PLATE = (100.0, 120.0)
# Share of the plate that is seen where no field of view is given: its edge stays outside.
_SEEN = 0.985
# Brightness of a surface that mirrors nothing but light, and of one that mirrors only the dark room; 1 is white.
_BRIGHT, _AMBIENT = 1.14, 0.08
_BACKGROUND = 0.012

# Samples along each side of a pixel of a defect; soft ones need no more than one.
SAMPLES = {"scratch": 3, "dent": 2, "bump": 1}
# How much of the brushing is left in a scratch.
_LEFT = 0.3

f32 = np.float32


class View(NamedTuple):
    """Which part of the plane the image shows.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    pitch : float
        Side of a pixel, mm.
    """

    shape: tuple[int, int]
    pitch: float

    @property
    def corner(self) -> tuple[float, float]:
        """(y, x) of the centre of the first pixel, mm."""
        return tuple(-(n - 1) / 2 * self.pitch for n in self.shape)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The part of the plate that is seen, (y0, x0, y1, x1) in mm."""
        y, x = (min(side, n * self.pitch) / 2 for side, n in zip(PLATE, self.shape, strict=True))
        return -y, -x, y, x

    @property
    def pixels_of_plate(self) -> tuple[slice, slice]:
        """Rows and columns whose centres lie on the plate."""
        # the same float32 sums as where the pixels are drawn
        half = [f32(side / 2) for side in PLATE]
        places = [
            f32(a) + np.arange(n, dtype=np.float32) * f32(self.pitch)
            for a, n in zip(self.corner, self.shape, strict=True)
        ]
        inside = [np.flatnonzero(np.abs(x) <= h) for x, h in zip(places, half, strict=True)]
        return tuple(slice(int(i[0]), int(i[-1]) + 1) for i in inside)


def view_of(shape: tuple[int, int], field_of_view: float | None = None) -> View:
    """Return the view of an image.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    field_of_view : float, optional
        Width of what the image shows, mm; by default as much as lies on the plate.
    """
    if field_of_view is None:
        field_of_view = _SEEN * min(PLATE[1], PLATE[0] * shape[1] / shape[0])
    return View(tuple(shape), round(field_of_view / shape[1], 9))


class LitPlate(NamedTuple):
    """All that the brightness of a point of the plate depends on; see `prepare`."""

    streaks: np.ndarray
    mirrored: np.ndarray
    numbers: np.ndarray


def prepare(brushed: dict, light: dict, view: View) -> LitPlate:
    """Return a plate under a light, ready to be looked at.

    Parameters
    ----------
    brushed, light : dict
        As returned by `sample_brushed` and `sample_light`.
    view : View
    """
    table = streaks(brushed, view.pitch)
    mirrored = reflection_map(light, brushed["direction"], brushed["roughness"])
    turn = np.deg2rad(brushed["direction"])
    numbers = (
        round(float(np.cos(turn)), 9),
        round(float(np.sin(turn)), 9),
        (table.shape[0] - 1) / 2,
        (table.shape[1] - 1) / 2,
        *(-s / d for s, d in zip(mirrored.start, mirrored.step, strict=True)),
        *((1 + LIGHT_HEIGHT / CAMERA_DISTANCE) / d for d in mirrored.step),
        *(2 * LIGHT_HEIGHT / d for d in mirrored.step),
        brushed["reflectance"],
        1 / ALONG,
        1 / ACROSS,
    )
    return LitPlate(table, mirrored.values, np.array(numbers, np.float32))


def radiance(plate: LitPlate, view: View) -> np.ndarray:
    """Return the brightness of every pixel of a clean plate, float32 (H, W); 1 is white."""
    y, x = view.corner
    limits = tuple(f32(side / 2) for side in PLATE)
    return _radiance(*plate, view.shape, (f32(y), f32(x)), f32(view.pitch), limits)


def bend(plate: LitPlate, view: View, image: np.ndarray, defects: list[Placed]) -> list:
    """Draw defects into a picture of the plate.

    Parameters
    ----------
    plate : LitPlate
    view : View
    image : ndarray of float32, (H, W)
        Brightness, changed in place.
    defects : list of Placed
        Where they overlap, their heights add up.

    Returns
    -------
    list of (rows, columns)
        The pixels of each defect: all that it changed.
    """
    touched = []
    for number, defect in enumerate(defects):
        rows, columns = _pixels_near(defect, view)
        points = _points(rows, columns, view, SAMPLES[defect.shape["kind"]])
        total = displacement(defect, points)
        inside = total.inside.any(axis=1)
        rows, columns, points = rows[inside], columns[inside], points[inside]
        slopes, worn = total.gradient[inside, :, :2], total.inside[inside] & (defect.shape["kind"] == "scratch")
        for other_number, other in enumerate(defects):
            if other_number != number and _overlap(defect, other):
                also = displacement(other, points)
                slopes = slopes + also.gradient[..., :2]
                worn |= also.inside & (other.shape["kind"] == "scratch")
        y, x = view.corner
        _shade(*plate, image, rows, columns, (f32(y), f32(x)), f32(view.pitch), slopes.astype(np.float32), worn)
        touched.append((rows, columns))
    return touched


def _extent(defect: Placed) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper corners (x, y) of boxes that together hold a defect, each (n, 2)."""
    far = reach(defect)
    if defect.shape["kind"] == "scratch":
        curve = defect.curve[:, :2]
        return np.minimum(curve[:-1], curve[1:]) - far, np.maximum(curve[:-1], curve[1:]) + far
    centre = defect.centre[None, :2]
    return centre - far, centre + far


def _overlap(a: Placed, b: Placed) -> bool:
    (low_a, high_a), (low_b, high_b) = _extent(a), _extent(b)
    low = np.maximum(low_a.min(axis=0), low_b.min(axis=0))
    return bool((low < np.minimum(high_a.max(axis=0), high_b.max(axis=0))).all())


def _pixels_near(defect: Placed, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels on the plate that a defect can reach, in order."""
    low, high = _extent(defect)
    on_plate = view.pixels_of_plate[::-1]
    starts, stops = ([getattr(s, name) for s in on_plate] for name in ("start", "stop"))
    corner = np.array(view.corner[::-1])
    # half a pixel more on either side: samples lie anywhere in a pixel
    first = np.clip(np.ceil((low - corner) / view.pitch - 0.5).astype(int), starts, stops)
    last = np.clip(np.floor((high - corner) / view.pitch + 0.5).astype(int) + 1, starts, stops)
    origin = first.min(axis=0)
    near = np.zeros((last.max(axis=0) - origin)[::-1], bool)
    for (x0, y0), (x1, y1) in zip(first - origin, last - origin, strict=True):
        near[y0:y1, x0:x1] = True
    rows, columns = np.nonzero(near)
    return rows + origin[1], columns + origin[0]


def _points(rows, columns, view: View, samples: int) -> np.ndarray:
    """Return the sample points of pixels, float64 (n, samples^2, 3)."""
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    y, x = view.corner
    out = np.zeros((len(rows), samples, samples, 3))
    out[..., 0] = x + (columns[:, None, None] + offsets[None, None, :]) * view.pitch
    out[..., 1] = y + (rows[:, None, None] + offsets[None, :, None]) * view.pitch
    return out.reshape(len(rows), samples * samples, 3)


@numba.njit(cache=True)
def _radiance(table, mirrored, numbers, shape, corner, pitch, limits):
    height, width = shape
    out = np.empty((height, width), np.float32)
    nodes = np.empty((table.shape[1], 2), np.float32)
    for r in range(height):
        y, line = corner[0] + f32(r) * pitch, out[r]
        _cross(table, numbers, y, nodes)
        for c in range(width):
            x = corner[1] + f32(c) * pitch
            line[c] = _shine(nodes, mirrored, numbers, x, y, f32(0), f32(0), f32(1))
        for c in range(width):
            x = corner[1] + f32(c) * pitch
            if abs(y) > limits[0] or abs(x) > limits[1]:
                line[c] = f32(_BACKGROUND)
    return out


@numba.njit(cache=True)
def _cross(table, numbers, y, nodes):
    """Set `nodes`, (n, 2), to slope and reflectance where a row of pixels crosses the columns of the table.

    Between them the texture is linear along the row: 27 -> 15 ns a pixel against looking each one up in the table.
    """
    cosine, sine = numbers[0], numbers[1]
    for k in range(len(nodes)):
        x = ((f32(k) - numbers[3]) / numbers[11] - sine * y) / cosine
        row = min(max((cosine * y - sine * x) * numbers[12] + numbers[2], f32(0)), f32(len(table) - 1.001))
        r = np.int32(row)
        part = row - f32(r)
        nodes[k, 0] = table[r, k, 0] + part * (table[r + 1, k, 0] - table[r, k, 0])
        nodes[k, 1] = table[r, k, 1] + part * (table[r + 1, k, 1] - table[r, k, 1])


@numba.njit(cache=True, inline="always")
def _shine(nodes, mirrored, numbers, x, y, along, across, left):
    """Return the brightness of a point with a slope (along, across), where a share of the brushing is left."""
    cosine, sine = numbers[0], numbers[1]
    u, v = cosine * x + sine * y, cosine * y - sine * x
    column = min(max(u * numbers[11] + numbers[3], f32(0)), f32(len(nodes) - 1.001))
    k = np.uint32(np.int32(column))
    part = column - f32(k)
    slope = nodes[k, 0] + part * (nodes[k + 1, 0] - nodes[k, 0])
    change = nodes[k, 1] + part * (nodes[k + 1, 1] - nodes[k, 1])
    row = numbers[4] + v * numbers[6] - (across + left * slope) * numbers[8]
    light = look_up(mirrored, row, numbers[5] + u * numbers[7] - along * numbers[9])
    return numbers[10] * (f32(1) + left * change) * (f32(_AMBIENT) + f32(_BRIGHT) * light)


@numba.njit(cache=True)
def _shade(table, mirrored, numbers, image, rows, columns, corner, pitch, slopes, worn):
    """Set pixels to the mean of their samples, whose slopes (x, y) are given, float32 (n, samples, 2)."""
    cosine, sine = numbers[0], numbers[1]
    count, last = slopes.shape[1], -1
    nodes = np.empty((table.shape[1], 2), np.float32)
    for i in range(len(rows)):
        y, x = corner[0] + f32(rows[i]) * pitch, corner[1] + f32(columns[i]) * pitch
        if rows[i] != last:
            last = rows[i]
            _cross(table, numbers, y, nodes)
        total = f32(0)
        for k in range(count):
            left = f32(_LEFT) if worn[i, k] else f32(1)
            along = cosine * slopes[i, k, 0] + sine * slopes[i, k, 1]
            across = cosine * slopes[i, k, 1] - sine * slopes[i, k, 0]
            total += _shine(nodes, mirrored, numbers, x, y, along, across, left)
        image[rows[i], columns[i]] = total / f32(count)
