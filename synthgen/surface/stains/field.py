"""Water stains as a solid texture: Algorithm 1 of paper 002 (section III), for any points in space.

Space is cut into cubic cells with one stain centre each. A point lies in the stain of the nearest centre if it is
nearer than the radius, which Perlin noise perturbs. `StainField.evaluate` looks at single points;
`StainField.paint` goes along the rows of a picture of a plane and visits only what lies within reach
of a stain. They agree to the bit.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.surface.perlin import BOUND
from synthgen.surface.stains.planes import Plane, cut, paint
from synthgen.surface.stains.points import MAX_CELL, Field, evaluate, fill_stains, find

f32, u32, u64 = np.float32, np.uint32, np.uint64

MAX_STAINS = 2**16 - 1
# From this radius on, in cells, more than 95 % of the points lie in a stain (measured on 400,000 points)
ALL_STAIN = 0.8


class Painted(NamedTuple):
    """What `StainField.paint` did to a picture.

    Attributes
    ----------
    mask : ndarray of bool, (H, W)
        The pixels that lie in a stain; no other pixel was changed.
    ids : ndarray of uint16, (H, W)
        0 outside the stains, else 1..n.
    cells : ndarray of int64, (n, 3)
        The grid cell of each stain, in rising order: ``cells[ids[r, c] - 1]``.
    """

    mask: np.ndarray
    ids: np.ndarray
    cells: np.ndarray


class StainField:
    """Water stains all over space, one for each cell of a grid.

    A point may lie in several stains; it then belongs to the one in which it lies deepest, at the least share
    d / r' of the radius. With equal radii that is the stain of the nearest centre, as in the paper. Where radii
    differ, the nearest centre as such would cut a large stain off along a straight line beside a small one.

    The search over a point's own cell and the 26 around it sees every centre up to one cell size away, and none
    beyond for certain: a radius with all of its noise must not exceed the cell size.

    Parameters
    ----------
    cell_size : float
        Side G of a cell, in the unit of the points (mm).
    radius : float or (low, high)
        Radius r of a stain before noise; from a range each stain has its own.
    frequency : float
        Cells of noise in a unit of length; the outline is r + amplitude * pnoise3(frequency * p).
    amplitude : float
        Height A of the noise on the outline; the noise stays within +-1.0364.
    decay : float
        Exponent gamma >= 0 of the reflectance, which changes by intensity * (d / r') ** decay inside.
    intensity : float or (low, high)
        Change alpha of the reflectance at the edge; negative for dark edges.
    seed : int
        Moves the centres, and draws from the ranges; the noise does not depend on it. 0 <= seed < 2**64.
    heterogeneity : float
        Noise inside the outline, in [0, 0.9]: the change is multiplied by 1 + heterogeneity * noise. 0 as in the
        paper.
    ring : float
        Further change of the reflectance at the crest of a drying ring along the outline. 0 as in the paper.

    Raises
    ------
    UsageError
        If a number is out of range, or the radius larger than the search sees.

    Notes
    -----
    A plane cuts 2 r / G**3 stains per unit of area. A radius so large that nearly all is stain gives a warning.
    Keep frequency * p within +-100: the noise repeats after 256, and takes its coordinates in float32.

    Examples
    --------
    >>> field = StainField(5, radius=2, frequency=0.5, amplitude=0.3, decay=3, intensity=-0.2)
    >>> centre = field.centers([0, 0, 0])
    >>> reflectance, mask = field.evaluate([centre, centre + [1.5, 0, 0], [90, 4, 5]], 0.6)
    >>> mask.tolist()
    [True, True, False]
    """

    def __init__(
        self, cell_size, radius, frequency, amplitude, decay, intensity, seed=0, *, heterogeneity=0.0, ring=0.0
    ):
        cell = _number("cell_size", cell_size)
        low, high = _range("radius", radius)
        dim, bright = _range("intensity", intensity)
        frequency, amplitude = _number("frequency", frequency), _number("amplitude", amplitude)
        decay, ring = _number("decay", decay), _number("ring", ring)
        heterogeneity = _number("heterogeneity", heterogeneity)
        if cell <= 0:
            raise UsageError(f"StainField: cell_size must be > 0, got {cell_size}")
        if low <= 0:
            raise UsageError(f"StainField: radius must be > 0, got {radius}")
        if decay < 0:
            raise UsageError(f"StainField: decay must be >= 0, got {decay}")
        if not 0 <= heterogeneity <= 0.9:
            raise UsageError(f"StainField: heterogeneity must lie in [0, 0.9], got {heterogeneity}")
        if isinstance(seed, float) or not 0 <= seed < 2**64:
            raise UsageError(f"StainField: seed must be an integer in 0..2**64-1, got {seed}")
        largest = cell - abs(amplitude) * BOUND
        if largest <= 0:
            most = _rounded_down(cell / BOUND)
            raise UsageError(f"StainField: amplitude must be < {most} (cell_size / {BOUND}), got {amplitude}")
        if high > largest:
            raise UsageError(
                f"StainField: radius must be <= {_rounded_down(largest)} (cell_size - {BOUND} * amplitude, as far "
                f"as the search sees), got {high}"
            )
        warn_of_crowding((low, high), cell)
        self.cell_size, self.radius, self.intensity = cell, (low, high), (dim, bright)
        self._field = Field(
            u64(seed),
            cell,
            low,
            high - low,
            dim,
            bright - dim,
            frequency,
            amplitude,
            decay / 2,
            heterogeneity,
            ring,
        )

    def centers(self, cells) -> np.ndarray:
        """Return the centre drawn in each cell.

        Parameters
        ----------
        cells : array_like of int, (..., 3)
            Cell (i, j, k) holds the points with i = floor(x / G) and so on.

        Returns
        -------
        ndarray of float64, (..., 3)
        """
        cells = np.asarray(cells)
        if cells.ndim == 0 or cells.shape[-1] != 3 or cells.dtype.kind not in "iu":
            raise UsageError(f"StainField: cells must be integers (..., 3), got {cells.dtype} {cells.shape}")
        if cells.size and not (cells.min() >= -MAX_CELL and cells.max() < MAX_CELL):
            raise UsageError(
                f"StainField: cells must lie in -{MAX_CELL}..{MAX_CELL - 1}, got {cells.tolist()}"[:200]
            )
        stains = _stains_of(self._field, cells.reshape(-1, 3).astype(np.int64))
        return stains[:, :3].reshape(cells.shape)

    def evaluate(self, points, reflectance) -> tuple[np.ndarray, np.ndarray]:
        """Return the reflectance of points with the stains on them, and which points are stained.

        Parameters
        ----------
        points : array_like, (..., 3)
            In the unit of the cell size. Points that are not finite (the background of a mesh) are not stained.
        reflectance : array_like, (...)
            Reflectance without stains, or one number for all; it is not changed.

        Returns
        -------
        reflectance : ndarray, (...)
            float32 where `reflectance` is, else float64.
        mask : ndarray of bool, (...)

        Raises
        ------
        UsageError
            If shapes do not fit, or a point lies more than 2**20 cells from the origin.
        """
        points = _points(points)
        given = np.asarray(reflectance)
        out = np.empty(points.shape[:-1], given.dtype if given.dtype == np.float32 else np.float64)
        try:
            out[...] = given
        except ValueError:
            raise UsageError(
                f"StainField: reflectance must fit points of shape {points.shape}, got {given.shape}"
            ) from None
        mask = np.zeros(out.shape, bool)
        if not evaluate(self._field, points.reshape(-1, 3), out.reshape(-1), mask.reshape(-1)):
            raise _too_far()
        return out, mask

    def identify(self, points) -> tuple[np.ndarray, np.ndarray]:
        """Return which stain covers each point.

        Parameters
        ----------
        points : array_like, (..., 3)

        Returns
        -------
        ids : ndarray of int32, (...)
            0 outside the stains, else 1..n.
        cells : ndarray of int64, (n, 3)
            The cell of each stain, in rising order.

        Raises
        ------
        UsageError
            As `evaluate`.
        """
        points = _points(points)
        keys = np.empty(points.shape[:-1], np.int64)
        if not find(self._field, points.reshape(-1, 3), keys.reshape(-1)):
            raise _too_far()
        ids, found = _numbered(keys.reshape(-1))
        return ids.reshape(keys.shape), _unpacked(found)

    def paint(self, reflectance: np.ndarray, origin, row_step, column_step) -> Painted:
        """Paint the stains that a plane cuts into the reflectance of a picture of that plane.

        Pixel (r, c) shows ``origin + r * row_step + c * column_step``; its value is what `evaluate` gives there.

        Parameters
        ----------
        reflectance : ndarray of float32, (H, W)
            Changed in place.
        origin, row_step, column_step : array_like, (3,)
            The point of pixel (0, 0), and the steps from a pixel to the next row and the next column.

        Returns
        -------
        Painted

        Raises
        ------
        UsageError
            If the steps do not span a plane, more than 65,535 stains are cut, or the plane leaves the grid.
        """
        if not (isinstance(reflectance, np.ndarray) and reflectance.dtype == np.float32 and reflectance.ndim == 2):
            raise UsageError("StainField: paint needs a float32 array (H, W)")
        plane = Plane(
            *(_vector(n, v) for n, v in (("origin", origin), ("row_step", row_step), ("column_step", column_step)))
        )
        down, along = np.array(plane.down), np.array(plane.along)
        normal = np.cross(down, along)
        area = np.linalg.norm(normal)
        if not area > 1e-9 * np.linalg.norm(down) * np.linalg.norm(along):
            raise UsageError(
                f"StainField: row_step and column_step must span a plane, got {row_step}, {column_step}"
            )
        height, width = reflectance.shape
        mask, ids = np.zeros((height, width), bool), np.zeros((height, width), np.uint16)
        if mask.size == 0:
            return Painted(mask, ids, np.empty((0, 3), np.int64))
        expected = area * mask.size * sum(self.radius) / self.cell_size**3
        if expected > 2 * MAX_STAINS:
            raise _too_many(expected)
        cells = self._cells_cut(plane, (height, width), normal / area)
        if len(cells) > MAX_STAINS:
            raise _too_many(len(cells))
        used = paint(self._field, plane, _stains_of(self._field, cells), reflectance, mask, ids)
        return Painted(mask, ids, cells[used])

    def _cells_cut(self, plane, size, normal) -> np.ndarray:
        """Return the cells, (n, 3) in rising order, whose stains may reach a pixel."""
        rows, columns = (0, size[0] - 1), (0, size[1] - 1)
        edges = [np.multiply(plane.down, r) + np.multiply(plane.along, c) for r in rows for c in columns]
        corners = np.array(plane.origin) + edges
        low = np.floor(corners.min(0) / self.cell_size) - 1
        high = np.floor(corners.max(0) / self.cell_size) + 1
        if not (low.min() >= -MAX_CELL and high.max() < MAX_CELL):
            raise _too_far()
        box = tuple(low.astype(int).tolist()), tuple(high.astype(int).tolist())
        cells = np.empty((0, 3), np.int64)
        cells = np.empty((cut(self._field, plane, size, tuple(normal.tolist()), *box, cells), 3), np.int64)
        cut(self._field, plane, size, tuple(normal.tolist()), *box, cells)
        return cells[np.argsort(_packed(cells))]


def warn_of_crowding(radius: tuple[float, float], cell_size: float) -> None:
    """Warn where stains of radii (low, high) leave next to nothing of the surface."""
    if sum(radius) / 2 >= ALL_STAIN * cell_size:
        span = f"{radius[0]:g}:{radius[1]:g}" if radius[0] < radius[1] else f"{radius[0]:g}"
        warnings.warn(
            f"radius {span} at cell_size {cell_size:g} makes nearly all of the surface stain; take larger cells or "
            "smaller stains",
            stacklevel=3,
        )


def _number(name: str, value) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.integer | np.floating)
        or not math.isfinite(value)
    ):
        raise UsageError(f"StainField: {name} must be a finite number, got {value!r}")
    return float(value)


def _range(name: str, value) -> tuple[float, float]:
    if not isinstance(value, tuple | list):
        value = (value, value)
    if len(value) != 2:
        raise UsageError(f"StainField: {name} must be a number or (low, high), got {value!r}")
    low, high = (_number(name, v) for v in value)
    if low > high:
        raise UsageError(f"StainField: {name} must be (low, high) with low <= high, got {value!r}")
    return low, high


def _vector(name: str, value) -> tuple[float, float, float]:
    vector = np.asarray(value, np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise UsageError(f"StainField: {name} must be three finite numbers, got {value!r}")
    return tuple(vector.tolist())


def _points(points) -> np.ndarray:
    points = np.asarray(points, np.float64)
    if points.ndim == 0 or points.shape[-1] != 3:
        raise UsageError(f"StainField: points must have shape (..., 3), got {points.shape}")
    return points


def _rounded_down(value: float) -> float:
    return math.floor(value * 1e4) / 1e4


def _too_far() -> UsageError:
    return UsageError(f"StainField: points must lie within {MAX_CELL} cells of the origin; take larger cells")


def _too_many(count: float) -> UsageError:
    return UsageError(
        f"StainField: a plane may cut at most {MAX_STAINS} stains, got {count:.0f}; take larger cells"
    )


def _packed(cells: np.ndarray) -> np.ndarray:
    """Return one number for each cell, in the order of (i, j, k)."""
    shifted = cells + MAX_CELL
    return shifted[:, 0] << 42 | shifted[:, 1] << 21 | shifted[:, 2]


def _unpacked(keys: np.ndarray) -> np.ndarray:
    return np.stack([keys >> 42, keys >> 21 & 0x1FFFFF, keys & 0x1FFFFF], axis=-1) - MAX_CELL


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 0 for each key below 0, else the number of the key in rising order from 1; and the keys, (n,)."""
    # Points come in the order of pixels, mostly: there are far fewer runs of one key than points
    begins = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1]) if len(keys) else np.empty(0, int)
    runs = keys[begins]
    found = np.unique(runs[runs >= 0])
    numbers = np.where(runs >= 0, np.searchsorted(found, runs) + 1, 0).astype(np.int32)
    return np.repeat(numbers, np.diff(begins, append=len(keys))), found


def _stains_of(field: Field, cells: np.ndarray) -> np.ndarray:
    """Return x, y, z of the centre, radius and intensity of the stains of cells, (n, 5)."""
    stains = np.empty((len(cells), 5))
    fill_stains(field, cells, stains)
    return stains
