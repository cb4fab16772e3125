"""Water stains as a solid texture: Algorithm 1 of Mao et al. 2025 (section III), for any points in space.

Space is cut into cubic cells with one stain center each. A point lies in the stain of the nearest center if it is
nearer than the radius, which Perlin noise perturbs. `StainField.evaluate` looks at single points;
`StainField.paint` goes along the rows of a picture of a plane and visits only what lies within reach
of a stain. They agree to the bit.
"""

import copy
import math
import warnings
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.surface.chance import BOUND
from synthgen.surface.stains.planes import Canvas, Plane, cut, paint
from synthgen.surface.stains.points import MAX_CELL, Field, evaluate, evaluate_given, fill_stains, find

f32, u64 = np.float32, np.uint64

MAX_STAINS = 2**16 - 1
# Share of the reflectance of a surface that any stain leaves.
LEAST = f32(0.05)
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
    d / r' of the radius. With equal radii that is the stain of the nearest center, as in the paper. Where radii
    differ, the nearest center as such would cut a large stain off along a straight line beside a small one.

    The search over a point's own cell and the 26 around it sees every center up to one cell size away, and none
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
        Moves the centers, and draws from the ranges; the noise does not depend on it. 0 <= seed < 2**64.
    heterogeneity : float
        Noise inside the outline, in [0, 0.9]: the change is multiplied by 1 + heterogeneity * noise. 0 as in the
        paper.
    ring : float
        Further change of the reflectance at the crest of a drying ring along the outline. 0 as in the paper.
    centers : array_like, (n, 3), optional
        The only centers that there are: the branch of Algorithm 1 in which the center is given. There are no cells
        then, `cell_size` may be None, and no radius is too large; "cell" (i, 0, 0) is the i-th center.

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
    >>> center = field.centers([0, 0, 0])
    >>> reflectance, mask = field.evaluate([center, center + [1.5, 0, 0], [90, 4, 5]], 0.6)
    >>> mask.tolist()
    [True, True, False]
    """

    def __init__(
        self,
        cell_size,
        radius,
        frequency,
        amplitude,
        decay,
        intensity,
        seed=0,
        *,
        heterogeneity=0.0,
        ring=0.0,
        centers=None,
    ):
        given = centers is not None
        cell = 1.0 if given and cell_size is None else _number("cell_size", cell_size)
        low, high = _range("radius", radius)
        dim, bright = _range("intensity", intensity)
        if cell <= 0:
            raise UsageError(f"cell_size must be > 0, got {cell_size}")
        if low <= 0:
            raise UsageError(f"radius must be > 0, got {radius}")
        if isinstance(seed, float) or not 0 <= seed < 2**64:
            raise UsageError(f"seed must be an integer in 0..2**64-1, got {seed}")

        self.cell_size = cell
        self.radius = (low, high)
        self.intensity = (dim, bright)
        self._field = Field(
            seed=u64(seed),
            cell=cell,
            radius=low,
            radius_span=high - low,
            intensity=dim,
            intensity_span=bright - dim,
            frequency=_number("frequency", frequency),
            amplitude=_number("amplitude", amplitude),
            half_decay=_number("decay", decay) / 2,
            heterogeneity=_number("heterogeneity", heterogeneity),
            ring=_number("ring", ring),
        )

        if self._field.half_decay < 0:
            raise UsageError(f"decay must be >= 0, got {decay}")
        if not 0 <= self._field.heterogeneity <= 0.9:
            raise UsageError(f"heterogeneity must lie in [0, 0.9], got {heterogeneity}")
        self._given = _given_stains(self._field, centers) if given else None
        if not given:
            _check_reach(cell, high, self._field.amplitude)
            warn_of_crowding(self.radius, cell)

    def centers(self, cells) -> np.ndarray:
        """Return the center drawn in each cell.

        Parameters
        ----------
        cells : array_like of int, (..., 3)
            Cell (i, j, k) holds the points with i = floor(x / G) and so on.

        Returns
        -------
        ndarray of float64, (..., 3)

        Raises
        ------
        UsageError
            If the cells are not integers, or lie more than 2**20 cells from the origin.
        """
        cells = np.asarray(cells)
        shaped = cells.ndim > 0 and cells.shape[-1] == 3
        whole = cells.dtype.kind in "iu"
        if not (shaped and whole):
            raise UsageError(f"cells must be integers (..., 3), got {cells.dtype} {cells.shape}")

        on_grid = (cells >= -MAX_CELL) & (cells < MAX_CELL)
        if not on_grid.all():
            off_grid = cells[~on_grid.all(axis=-1)]
            wrong = off_grid[0].tolist()
            raise UsageError(f"cells must lie in -{MAX_CELL}..{MAX_CELL - 1}, got {wrong}")

        flat = cells.reshape(-1, 3).astype(np.int64)
        stains = self._stains_of(flat)
        points = stains[:, :3]
        return points.reshape(cells.shape)

    def with_centers(self, centers) -> "StainField":
        """Return the same field with the only centers that there are, (n, 3)."""
        changed = copy.copy(self)
        changed._given = _given_stains(self._field, centers)
        return changed

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
        dtype = f32 if given.dtype == f32 else np.float64
        out = np.empty(points.shape[:-1], dtype)
        try:
            out[...] = given
        except ValueError:
            raise UsageError(f"reflectance must fit points of shape {points.shape}, got {given.shape}") from None

        if self._given is not None:
            owners = self._owners(points, out.reshape(-1))
            return out, owners.reshape(out.shape) >= 0

        mask = np.zeros(out.shape, bool)
        on_grid = evaluate(
            self._field,
            points.reshape(-1, 3),
            out.reshape(-1),
            mask.reshape(-1),
        )
        if not on_grid:
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
        if self._given is not None:
            owners = self._owners(points, np.zeros(points.size // 3))
            ids, found = _numbered(owners)
            return ids.reshape(points.shape[:-1]), _cells_of_given(found)

        keys = np.empty(points.shape[:-1], np.int64)
        flat = keys.reshape(-1)
        on_grid = find(self._field, points.reshape(-1, 3), flat)
        if not on_grid:
            raise _too_far()

        ids, found = _numbered(flat)
        return ids.reshape(keys.shape), _unpacked(found)

    def near_outline(self, points: np.ndarray, margin: float) -> np.ndarray:
        """Return which points, (n, 3), lie nearer to an outline than a margin, or on either side of one: bool (n,).

        The noise is taken for that of the points themselves, so that outlines may move by less than the margin.
        """
        wide = self._field._replace(radius=self._field.radius + margin)
        narrow = self._field._replace(radius=self._field.radius - margin)
        keys = np.empty((2, len(points)), np.int64)
        for of_field, field in zip(keys, (wide, narrow), strict=True):
            if not find(field, points, of_field):
                raise _too_far()
        reached, deep = keys >= 0
        return reached & ~deep

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
        is_picture = isinstance(reflectance, np.ndarray) and reflectance.ndim == 2
        if not is_picture or reflectance.dtype != f32:
            raise UsageError("reflectance must be a float32 array (H, W)")
        plane = Plane(
            origin=_vector("origin", origin),
            down=_vector("row_step", row_step),
            along=_vector("column_step", column_step),
        )
        normal, area = _normal_of(plane)
        size = reflectance.shape
        mask = np.zeros(size, bool)
        ids = np.zeros(size, np.uint16)
        if mask.size == 0:
            none = np.empty((0, 3), np.int64)
            return Painted(mask, ids, none)

        cells = self._cells_near(plane, size, normal, area)
        if len(cells) > MAX_STAINS:
            raise _too_many(len(cells))

        stains = self._stains_of(cells)
        canvas = Canvas(reflectance, mask, ids)
        used = paint(self._field, plane, stains, canvas)
        return Painted(mask, ids, cells[used])

    def _stains_of(self, cells: np.ndarray) -> np.ndarray:
        """Return x, y, z of the center, radius and intensity of the stains of cells, (n, 5)."""
        if self._given is None:
            return _stains_of(self._field, cells)
        places = cells[:, 0]
        count = len(self._given)
        named = (places >= 0) & (places < count)
        if not named.all():
            raise UsageError(f"cells must name one of {count} centers, got {places.max()}")
        return self._given[places]

    def _owners(self, points: np.ndarray, reflectance: np.ndarray) -> np.ndarray:
        """Add the given stains in place; return which of them covers each point, or -1."""
        owners = np.empty(len(reflectance), np.int64)
        flat = points.reshape(-1, 3)
        evaluate_given(self._field, self._given, flat, owners, reflectance)
        return owners

    def _cells_near(self, plane: Plane, size: tuple[int, ...], normal: tuple, area: float) -> np.ndarray:
        """Return the cells, (n, 3) in rising order, that have to be looked at for a picture of a plane."""
        if self._given is not None:
            return _cells_of_given(np.arange(len(self._given)))

        volume = self.cell_size**3
        stains_per_area = sum(self.radius) / volume
        height, width = size
        expected = area * height * width * stains_per_area
        if expected > 2 * MAX_STAINS:
            raise _too_many(expected)
        return self._cells_cut(plane, size, normal)

    def _cells_cut(self, plane: Plane, size: tuple[int, ...], normal: tuple) -> np.ndarray:
        """Return the cells, (n, 3) in rising order, whose stains may reach a pixel."""
        first, last = self._box_of(plane, size)
        where = (self._field, plane, size, normal, first, last)
        none = np.empty((0, 3), np.int64)
        count = cut(*where, none)

        cells = np.empty((count, 3), np.int64)
        cut(*where, cells)
        order = np.argsort(_packed(cells))
        return cells[order]

    def _box_of(self, plane: Plane, size: tuple[int, ...]) -> tuple[tuple, tuple]:
        """Return the first and the last cell, (i, j, k), of a box around a picture and its neighbors."""
        corners = np.array(_corners_of(plane, size))
        low = corners.min(axis=0) / self.cell_size
        high = corners.max(axis=0) / self.cell_size
        first = np.floor(low) - 1
        last = np.floor(high) + 1
        on_grid = first.min() >= -MAX_CELL and last.max() < MAX_CELL
        if not on_grid:
            raise _too_far()

        first_cell = first.astype(int).tolist()
        last_cell = last.astype(int).tolist()
        return tuple(first_cell), tuple(last_cell)


def stain_field(stains: dict) -> StainField:
    """Return the field of the ``stains`` of a sample; the object lies in it at their ``offset``."""
    others = ("water", "layer", "offset")
    numbers = {name: value for name, value in stains.items() if name not in others}
    return StainField(**numbers)


def stain_layer(stains: dict, reach: float) -> StainField:
    """Return the stains of one layer of cells, all centers of which lie in the plane of a plate.

    Parameters
    ----------
    stains : dict
        The ``stains`` of a sample; the middle of the plate lies at their ``offset``.
    reach : float
        How far the plate reaches from its middle along an axis, mm.
    """
    field = stain_field(stains)
    middle = np.array(stains["offset"])
    low = np.floor((middle - reach) / field.cell_size).astype(int) - 1
    high = np.floor((middle + reach) / field.cell_size).astype(int) + 2
    level = int(np.floor(middle[2] / field.cell_size))
    columns = np.arange(low[0], high[0])
    rows = np.arange(low[1], high[1])
    cells = np.stack(np.meshgrid(columns, rows, [level], indexing="ij"), axis=-1)

    centers = field.centers(cells).reshape(-1, 3)
    centers[:, 2] = middle[2]
    return field.with_centers(centers)


def warn_of_crowding(radius: tuple[float, float], cell_size: float) -> None:
    """Warn where stains of radii (low, high) leave next to nothing of the surface."""
    low, high = radius
    mean = (low + high) / 2
    if mean < ALL_STAIN * cell_size:
        return

    span = f"{low:g}:{high:g}" if low < high else f"{low:g}"
    advice = "take larger cells or smaller stains"
    warnings.warn(
        f"radius {span} at cell_size {cell_size:g} makes nearly all of the surface stain; {advice}",
        stacklevel=3,
    )


def _check_reach(cell: float, radius: float, amplitude: float) -> None:
    """Refuse a radius that, with all of its noise, reaches farther than the search sees."""
    noise = abs(amplitude) * BOUND
    largest = cell - noise
    if largest <= 0:
        most = _rounded_down(cell / BOUND)
        raise UsageError(f"amplitude must be < {most} (cell_size / {BOUND}), got {amplitude}")

    if radius > largest:
        most = _rounded_down(largest)
        why = f"cell_size - {BOUND} * amplitude, as far as the search sees"
        raise UsageError(f"radius must be <= {most} ({why}), got {radius}")


def _normal_of(plane: Plane) -> tuple[tuple, float]:
    """Return the normal of a plane, of length 1, and the area of a pixel."""
    down = np.array(plane.down)
    along = np.array(plane.along)
    normal = np.cross(down, along)
    area = float(np.linalg.norm(normal))

    height = np.linalg.norm(down)
    width = np.linalg.norm(along)
    rectangle = height * width
    if not area > 1e-9 * rectangle:
        raise UsageError(f"row_step and column_step must span a plane, got {plane.down}, {plane.along}")
    unit = normal / area
    return tuple(unit.tolist()), area


def _corners_of(plane: Plane, size: tuple[int, ...]) -> list[np.ndarray]:
    """Return the points of the four pixels in the corners of a picture."""
    height, width = size
    corners = []
    for row in (0, height - 1):
        for column in (0, width - 1):
            down = np.multiply(plane.down, row)
            along = np.multiply(plane.along, column)
            corners.append(plane.origin + (down + along))
    return corners


def _number(name: str, value) -> float:
    numeric = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not numeric or not math.isfinite(value):
        raise UsageError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def _range(name: str, value) -> tuple[float, float]:
    if not isinstance(value, tuple | list):
        value = (value, value)
    if len(value) != 2:
        raise UsageError(f"{name} must be a number or (low, high), got {value!r}")

    low = _number(name, value[0])
    high = _number(name, value[1])
    if low > high:
        raise UsageError(f"{name} must be (low, high) with low <= high, got {value!r}")
    return low, high


def _vector(name: str, value) -> tuple[float, float, float]:
    vector = np.asarray(value, np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise UsageError(f"{name} must be three finite numbers, got {value!r}")
    return tuple(vector.tolist())


def _points(points) -> np.ndarray:
    points = np.asarray(points, np.float64)
    if points.ndim == 0 or points.shape[-1] != 3:
        raise UsageError(f"points must have shape (..., 3), got {points.shape}")
    return points


def _rounded_down(value: float) -> float:
    whole = math.floor(value * 1e4)
    return whole / 1e4


def _too_far() -> UsageError:
    return UsageError(f"points must lie within {MAX_CELL} cells of the origin; take larger cells")


def _too_many(count: float) -> UsageError:
    return UsageError(f"a plane may cut at most {MAX_STAINS} stains, got {count:.0f}; take larger cells")


def _packed(cells: np.ndarray) -> np.ndarray:
    """Return one number for each cell, in the order of (i, j, k)."""
    shifted = cells + MAX_CELL
    i = shifted[:, 0]
    j = shifted[:, 1]
    k = shifted[:, 2]
    return i << 42 | j << 21 | k


def _unpacked(keys: np.ndarray) -> np.ndarray:
    """Return the cells, (n, 3), of what `_packed` returned."""
    low_bits = 0x1FFFFF
    columns = [
        keys >> 42,
        keys >> 21 & low_bits,
        keys & low_bits,
    ]
    return np.stack(columns, axis=-1) - MAX_CELL


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 0 for each key below 0, else the number of the key in rising order from 1; and the keys, (n,)."""
    if len(keys) == 0:
        none = np.empty(0, np.int32)
        return none, np.empty(0, keys.dtype)

    # Points come in the order of pixels, mostly: there are far fewer runs of one key than points
    changed = keys[1:] != keys[:-1]
    changes = np.flatnonzero(changed) + 1
    begins = np.concatenate([[0], changes])
    lengths = np.diff(begins, append=len(keys))
    runs = keys[begins]

    stained = runs >= 0
    found = np.unique(runs[stained])
    places = np.searchsorted(found, runs) + 1
    numbers = np.where(stained, places, 0)
    ids = np.repeat(numbers.astype(np.int32), lengths)
    return ids, found


def _given_stains(field: Field, centers) -> np.ndarray:
    """Return the stains, (n, 5), at given centers; radius and intensity are drawn by their numbers."""
    points = np.asarray(centers, np.float64)
    shaped = points.ndim == 2 and points.shape[1] == 3
    if not shaped or not np.isfinite(points).all():
        raise UsageError(f"centers must be finite numbers (n, 3), got shape {points.shape}")
    numbers = np.arange(len(points))
    cells = _cells_of_given(numbers)
    stains = _stains_of(field, cells)
    stains[:, :3] = points
    return stains


def _cells_of_given(numbers: np.ndarray) -> np.ndarray:
    """Return the cells (i, 0, 0) that stand for given centers."""
    cells = np.zeros((len(numbers), 3), np.int64)
    cells[:, 0] = numbers
    return cells


def _stains_of(field: Field, cells: np.ndarray) -> np.ndarray:
    """Return x, y, z of the center, radius and intensity of the stains of cells, (n, 5)."""
    stains = np.empty((len(cells), 5))
    fill_stains(field, cells, stains)
    return stains
