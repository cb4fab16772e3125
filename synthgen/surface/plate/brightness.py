"""How bright each point of a brushed plate is under a ring light, also where defects bend it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.chance import cosine_and_sine
from synthgen.surface.marks.defects import Placed, defect_reach, displacement
from synthgen.surface.optics.brushed import ACROSS, ALONG, streaks
from synthgen.surface.optics.light import CAMERA_DISTANCE, LIGHT_HEIGHT, look_up, reflection_map
from synthgen.surface.plate.view import PLATE, PlateView
from synthgen.threads import at_once, by_bands

f32, i32, u32 = np.float32, np.int32, np.uint32

# Brightness of a surface that mirrors nothing but light, and of one that mirrors only the dark room; 1 is white.
_BRIGHT = 1.14
_AMBIENT = 0.08
_BACKGROUND = 0.012

# Samples along each side of a pixel of a defect; soft ones need no more than one.
SAMPLES = {"scratch": 3, "dent": 2, "bump": 1}
# How much of the brushing is left in a scratch, where it is steeper than this; and how much of what it mirrors
# its torn metal scatters, to show this share of the light from everywhere: bright in the dark field, dull in the
# bright one.
_LEFT = 0.3
_STEEP = 0.06
_TORN = 0.8
_SCATTERED = 0.42


class PlateNumbers(NamedTuple):
    """The numbers behind the brightness of a point, float32, as compiled code takes them.

    The point (u, v) lies u along the brushing and v across it. Both tables are looked up at a position in cells,
    which is a middle or start plus a step times the coordinate; `tilt_row` and `tilt_column` are the cells by which
    a slope moves what is mirrored. `scattered` is what torn metal shows of the light, wherever it lies.
    """

    cosine: np.float32
    sine: np.float32
    middle_row: np.float32
    middle_column: np.float32
    rows_a_mm: np.float32
    columns_a_mm: np.float32
    mirror_row: np.float32
    mirror_column: np.float32
    mirror_rows_a_mm: np.float32
    mirror_columns_a_mm: np.float32
    tilt_row: np.float32
    tilt_column: np.float32
    reflectance: np.float32
    scattered: np.float32


class LitPlate(NamedTuple):
    """All that the brightness of a point of the plate depends on; see `prepare`.

    Attributes
    ----------
    streaks : ndarray of float32, (across, along, 2)
        As returned by `streaks`.
    mirrored : ndarray of float32, (across, along)
        The values of a `ReflectionMap`.
    numbers : PlateNumbers
    """

    streaks: np.ndarray
    mirrored: np.ndarray
    numbers: PlateNumbers


class _Grid(NamedTuple):
    """Where the pixels lie, mm, float32: y and x of the first one, and the side of a pixel."""

    top: np.float32
    left: np.float32
    pitch: np.float32


class _Bent(NamedTuple):
    """The pixels of a defect, (n,); slopes of their samples, (n, samples, 2), and which of these a scratch wore."""

    rows: np.ndarray
    columns: np.ndarray
    slopes: np.ndarray
    worn: np.ndarray


def prepare(brushed: dict, light: dict, view: PlateView) -> LitPlate:
    """Return a plate under a light, ready to be looked at.

    Parameters
    ----------
    brushed, light : dict
        As returned by `sample_brushed` and `sample_light`.
    view : PlateView

    Returns
    -------
    LitPlate
    """
    brush = partial(streaks, brushed, view.pitch)
    mirror = partial(reflection_map, light, brushed["direction"], brushed["roughness"])
    both: list[Callable] = [brush, mirror]
    table, mirrored = at_once(both, view.shape)
    cosine, sine = cosine_and_sine(brushed["direction"])
    rows, columns, _ = table.shape
    start_row, start_column = mirrored.start
    step_row, step_column = mirrored.step
    farther = 1 + LIGHT_HEIGHT / CAMERA_DISTANCE
    double_height = 2 * LIGHT_HEIGHT

    # camera and light stand over the middle of the view
    y, x = view.middle
    along = cosine * x + sine * y
    across = cosine * y - sine * x

    numbers = PlateNumbers(
        cosine=f32(cosine),
        sine=f32(sine),
        middle_row=f32((rows - 1) / 2),
        middle_column=f32((columns - 1) / 2),
        rows_a_mm=f32(1 / ACROSS),
        columns_a_mm=f32(1 / ALONG),
        mirror_row=f32((-start_row - farther * across) / step_row),
        mirror_column=f32((-start_column - farther * along) / step_column),
        mirror_rows_a_mm=f32(farther / step_row),
        mirror_columns_a_mm=f32(farther / step_column),
        tilt_row=f32(double_height / step_row),
        tilt_column=f32(double_height / step_column),
        reflectance=f32(brushed["reflectance"]),
        scattered=f32(_SCATTERED * light["luminance"]),
    )
    return LitPlate(table, mirrored.values, numbers)


def radiance(plate: LitPlate, view: PlateView) -> np.ndarray:
    """Return the brightness of every pixel of a clean plate, float32 (H, W); 1 is white."""
    height, width = PLATE
    half_height = f32(height / 2)
    half_width = f32(width / 2)
    grid = _grid_of(view)
    picture = np.empty(view.shape, f32)
    draw = partial(_shine_rows, plate, grid, (half_height, half_width), picture)
    by_bands(draw, view.shape)
    return picture


def _grid_of(view: PlateView) -> _Grid:
    y, x = view.corner
    return _Grid(
        top=f32(y),
        left=f32(x),
        pitch=f32(view.pitch),
    )


def bend(plate: LitPlate, view: PlateView, image: np.ndarray, defects: list[Placed]) -> list:
    """Draw defects into a picture of the plate.

    Parameters
    ----------
    plate : LitPlate
    view : PlateView
    image : ndarray of float32, (H, W)
        Brightness, changed in place.
    defects : list of Placed
        Where they overlap, their heights add up.

    Returns
    -------
    list of (rows, columns)
        The pixels of each defect: all that it changed.
    """
    grid = _grid_of(view)
    touched = []
    for number, defect in enumerate(defects):
        others = defects[:number] + defects[number + 1 :]
        bent = _bent_by(defect, others, view)
        _shade(plate, grid, bent, image)
        touched.append((bent.rows, bent.columns))
    return touched


def _bent_by(defect: Placed, others: list[Placed], view: PlateView) -> _Bent:
    """Return the pixels of a defect, bent by it and by those that overlap it."""
    rows, columns = _pixels_near(defect, view)
    points = _sample_points(rows, columns, view, SAMPLES[defect.kind])
    change = displacement(defect, points)
    touched = change.inside.any(axis=1)
    points = points[touched]

    slopes = change.gradient[touched, :, :2]
    worn = change.inside[touched] & (defect.kind == "scratch")
    for other in others:
        if not _overlap(defect, other):
            continue
        also = displacement(other, points)
        slopes = slopes + also.gradient[..., :2]
        if other.kind == "scratch":
            worn |= also.inside

    return _Bent(
        rows=rows[touched],
        columns=columns[touched],
        slopes=slopes.astype(f32),
        worn=worn,
    )


def _extent(defect: Placed) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper corners (x, y) of boxes that together hold a defect, each (n, 2)."""
    reach = defect_reach(defect)
    if defect.kind == "scratch":
        curve = defect.curve[:, :2]
        low = np.minimum(curve[:-1], curve[1:])
        high = np.maximum(curve[:-1], curve[1:])
        return low - reach, high + reach

    center = defect.center[None, :2]
    return center - reach, center + reach


def _overlap(one: Placed, other: Placed) -> bool:
    """Return whether the boxes of two defects have a point in common."""
    low, high = _extent(one)
    other_low, other_high = _extent(other)
    begin = np.maximum(
        low.min(axis=0),
        other_low.min(axis=0),
    )
    end = np.minimum(
        high.max(axis=0),
        other_high.max(axis=0),
    )
    shared = begin < end
    return bool(shared.all())


def _pixels_near(defect: Placed, view: PlateView) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels on the plate that a defect can reach, in order."""
    low, high = _extent(defect)
    rows, columns = view.pixels_of_plate
    starts = (columns.start, rows.start)
    stops = (columns.stop, rows.stop)
    y, x = view.corner
    corner = np.array([x, y])

    # half a pixel more on either side: samples lie anywhere in a pixel
    low_pixels = (low - corner) / view.pitch
    high_pixels = (high - corner) / view.pitch
    first = np.ceil(low_pixels - 0.5).astype(int)
    last = np.floor(high_pixels + 0.5).astype(int)
    first = np.clip(first, starts, stops)
    last = np.clip(last + 1, starts, stops)

    left, top = first.min(axis=0)
    right, bottom = last.max(axis=0)
    near = np.zeros((bottom - top, right - left), bool)
    corner_pixel = (left, top)
    first -= corner_pixel
    last -= corner_pixel
    for (x0, y0), (x1, y1) in zip(first, last, strict=True):
        near[y0:y1, x0:x1] = True

    near_rows, near_columns = np.nonzero(near)
    return near_rows + top, near_columns + left


def _sample_points(rows: np.ndarray, columns: np.ndarray, view: PlateView, samples: int) -> np.ndarray:
    """Return the sample points of pixels, float64 (n, samples^2, 3)."""
    count = len(rows)
    middles = (np.arange(samples) + 0.5) / samples
    offsets = middles - 0.5
    sample_rows = rows[:, None, None] + offsets[None, :, None]
    sample_columns = columns[:, None, None] + offsets[None, None, :]

    y, x = view.corner
    points = np.zeros((count, samples, samples, 3))
    points[..., 0] = x + sample_columns * view.pitch
    points[..., 1] = y + sample_rows * view.pitch
    return points.reshape(count, samples * samples, 3)


@numba.njit(cache=True, nogil=True)
def _shine_rows(plate, grid, limits, out, first, end):
    """Write the brightness of some rows of a clean plate; beyond its limits lies the background."""
    half_height, half_width = limits
    width = out.shape[1]
    columns = plate.streaks.shape[1]
    nodes = np.empty((columns, 2), f32)

    for r in range(first, end):
        y = grid.top + f32(r) * grid.pitch
        line = out[r]
        _cross(plate, y, nodes)
        for c in range(width):
            x = grid.left + f32(c) * grid.pitch
            line[c] = _shine(nodes, plate, x, y, f32(0), f32(0), f32(1))

        for c in range(width):
            x = grid.left + f32(c) * grid.pitch
            if abs(y) > half_height or abs(x) > half_width:
                line[c] = f32(_BACKGROUND)


@numba.njit(cache=True)
def _cross(plate, y, nodes):
    """Set `nodes`, (n, 2), to slope and reflectance where a row of pixels crosses the columns of the table.

    Between them the texture is linear along the row: 27 -> 15 ns a pixel against looking each one up in the table.
    """
    table = plate.streaks
    numbers = plate.numbers
    cosine = numbers.cosine
    sine = numbers.sine
    last_row = f32(len(table) - 1.001)

    for k in range(len(nodes)):
        column = f32(k) - numbers.middle_column
        along = column / numbers.columns_a_mm
        x = (along - sine * y) / cosine
        across = cosine * y - sine * x
        row = across * numbers.rows_a_mm + numbers.middle_row
        row = min(max(row, f32(0)), last_row)

        r = i32(row)
        part = row - f32(r)
        upper = table[r, k]
        lower = table[r + 1, k]
        for channel in range(2):
            rise = lower[channel] - upper[channel]
            nodes[k, channel] = upper[channel] + part * rise


@numba.njit(cache=True, inline="always")
def _shine(nodes, plate, x, y, along, across, left):
    """Return the brightness of a point with a slope (along, across), where a share of the brushing is left."""
    numbers = plate.numbers
    u = numbers.cosine * x + numbers.sine * y
    v = numbers.cosine * y - numbers.sine * x

    # the brushing, between two nodes of the row
    last_column = f32(len(nodes) - 1.001)
    column = u * numbers.columns_a_mm + numbers.middle_column
    column = min(max(column, f32(0)), last_column)
    k = u32(i32(column))
    part = column - f32(k)
    slope = nodes[k, 0]
    change = nodes[k, 1]
    slope += part * (nodes[k + 1, 0] - slope)
    change += part * (nodes[k + 1, 1] - change)

    # what it mirrors
    tilt = across + left * slope
    row = numbers.mirror_row + v * numbers.mirror_rows_a_mm
    row -= tilt * numbers.tilt_row
    column = numbers.mirror_column + u * numbers.mirror_columns_a_mm
    column -= along * numbers.tilt_column
    mirrored = look_up(plate.mirrored, row, column)

    torn = f32(_TORN) * (f32(1) - left)
    mirrored += torn * (numbers.scattered - mirrored)
    light = f32(_AMBIENT) + f32(_BRIGHT) * mirrored
    brushed = f32(1) + left * change
    return numbers.reflectance * brushed * light


@numba.njit(cache=True)
def _left_of_brushing(slope_x, slope_y):
    """Return how much of the brushing a scratch of a slope leaves."""
    square = slope_x * slope_x + slope_y * slope_y
    worn = square / (square + f32(_STEEP * _STEEP))
    return f32(1) - f32(1 - _LEFT) * worn


@numba.njit(cache=True)
def _shade(plate, grid, bent, image):
    """Set the pixels of a defect to the mean of their samples."""
    # out of the loop: each array taken out of a NamedTuple is counted
    rows = bent.rows
    columns = bent.columns
    slopes = bent.slopes
    worn = bent.worn
    cosine = plate.numbers.cosine
    sine = plate.numbers.sine
    samples = slopes.shape[1]
    nodes = np.empty((plate.streaks.shape[1], 2), f32)
    last = -1

    for i in range(len(rows)):
        r = rows[i]
        c = columns[i]
        y = grid.top + f32(r) * grid.pitch
        x = grid.left + f32(c) * grid.pitch
        if r != last:
            last = r
            _cross(plate, y, nodes)

        total = f32(0)
        for k in range(samples):
            slope_x = slopes[i, k, 0]
            slope_y = slopes[i, k, 1]
            along = cosine * slope_x + sine * slope_y
            across = cosine * slope_y - sine * slope_x
            left = _left_of_brushing(slope_x, slope_y) if worn[i, k] else f32(1)
            total += _shine(nodes, plate, x, y, along, across, left)
        image[r, c] = total / f32(samples)
