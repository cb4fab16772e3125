"""Dried water on parts: each splash dries on the plane that touches the part where it fell.

All splashes that the camera may see are painted side by side into one flat picture, the sheet, by the painter of
plates. A sample of the part then looks up what lies on it: its place on the touching plane is a place on
the sheet. A splash lies over those before it.
"""

from itertools import product
from typing import NamedTuple

import numba
import numpy as np

from synthgen.seeding import noise_generator
from synthgen.surface.mesh.places import points_of
from synthgen.surface.mesh.samples import Tile
from synthgen.surface.mesh.scene import pixel_of, pose_matrix
from synthgen.surface.optics.light import CAMERA_DISTANCE
from synthgen.surface.plate.water import residue_of, splashes_of
from synthgen.surface.stains.dried import Frame, paint_dried, reach_of
from synthgen.surface.stains.drops import Drops, drops_of

f32 = np.float32

# A splash wets what faces the same way as the place where it fell, by this cosine at least, and lies no farther
# from its plane than this share of the distance from its middle, and some mm more.
_FACING = 0.45
_RISE = 0.7
_LEAST_RISE = 0.05
# Splashes that the camera sees at a smaller cosine are left out.
_LEAST_SEEN = 0.1
# Directions along the surface are those across "up", or across "right" where the surface looks up or down.
_UP = (0.0, 1.0, 0.0)
_RIGHT = (1.0, 0.0, 0.0)
_STEEP = 0.9
_GAP = 3  # pixels between splashes on the sheet
_LEAST_SHEET = 1024  # its width in pixels


class _Places(NamedTuple):
    """Where splashes fell: centers and three directions of length 1, (n, 3) each: across, down and outward."""

    centers: np.ndarray
    across: np.ndarray
    down: np.ndarray
    outward: np.ndarray

    def chosen(self, which: np.ndarray) -> "_Places":
        """Return some of the places."""
        columns = [values[which] for values in self]
        return _Places(*columns)


class _Sheet(NamedTuple):
    """What the splashes left, side by side.

    `cover` is what is hidden of the metal, `ids` the stain, (h, w). `corners`, (n, 2), are x and y on the plane of
    each splash of the first pixel of its patch; `spans`, (n, 4), the rows and columns of the patch: top, left,
    bottom, right.
    """

    cover: np.ndarray
    ids: np.ndarray
    corners: np.ndarray
    spans: np.ndarray


class DriedWater:
    """The dried water of a part, numbered as the tiles of its picture show it.

    Parameters
    ----------
    stains : dict
        As drawn by `synthgen.families.stains.sample` for dried water.
    mesh : trimesh.Trimesh
        In millimeters.
    pose : dict
    size : (int, int)
        Height and width of the picture in pixels.
    field_of_view : float
        Its width, mm.
    """

    def __init__(self, stains: dict, mesh, pose: dict, size: tuple[int, int], field_of_view: float):
        self._pitch = field_of_view / size[1]
        self._glow = f32(stains["glow"])
        self._numbers = np.zeros(size, np.uint32)

        everywhere = _places_of(mesh, stains["cell_size"], stains["seed"])
        drops, owners = drops_of(splashes_of(stains), len(everywhere.centers))
        seen = _may_be_seen(everywhere, drops, owners, pose, size, field_of_view)
        order = _older_first(seen, drops, owners)
        self._places = everywhere.chosen(order)
        self._sheet, self._points = _painted(stains, self._places, drops, owners, order, self._pitch)
        self._windows = _windows_of(self._places, self._sheet, self._pitch, pose, size, field_of_view)

    def lay(self, tile: Tile, values: np.ndarray) -> None:
        """Cover the samples of a tile in place, and note the stains at their pixels."""
        samples = tile.samples
        numbers = self._numbers[tile.window]
        counts = np.bincount(samples.pixels, minlength=numbers.size)
        ends = np.cumsum(counts)
        starts = np.concatenate([[0], ends])

        # the windows of the splashes, in the tile
        rows, columns = tile.window
        corner = (rows.start, columns.start)
        within = self._windows - (corner + corner)
        windows = np.clip(within, 0, numbers.shape + numbers.shape)
        look = (self._pitch, self._glow)
        _lay(
            self._places,
            self._sheet,
            windows,
            samples,
            starts,
            look,
            values,
            numbers,
        )

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of the stain at each pixel, and the centers of the stains, (n, 3)."""
        return only_seen(self._numbers, self._points)


def only_seen(numbers: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers 1..n of those things alone that have a pixel, and their points, (n, 3).

    Parameters
    ----------
    numbers : ndarray of uint32, (H, W)
        0, or the number of a thing.
    points : ndarray, (most, 3)
    """
    places = np.flatnonzero(numbers)
    found = numbers.ravel()[places]
    counts = np.bincount(found, minlength=len(points) + 1)
    kept = counts[1:] > 0
    from_one = np.cumsum(kept)
    new_numbers = np.concatenate([[0], from_one])

    renumbered = np.zeros_like(numbers)
    renumbered.ravel()[places] = new_numbers[found]
    return renumbered, points[kept]


def _places_of(mesh, cell_size: float, seed: int) -> _Places:
    """Return where splashes fall: one for each square of the cells' size, evenly over the surface."""
    cells = mesh.area / cell_size**2
    count = int(np.ceil(cells))
    rng = noise_generator(seed)
    which, first, second = rng.random((3, count))

    sums = np.cumsum(mesh.area_faces)
    faces = np.searchsorted(sums, which * sums[-1], side="right")
    faces = np.minimum(faces, len(sums) - 1)
    corners = np.asarray(mesh.vertices)[mesh.faces[faces]]
    centers = points_of(corners, first, second)

    # any direction along the surface
    outward = np.asarray(mesh.face_normals)[faces]
    steep = np.abs(outward[:, 1:2]) > _STEEP
    upright = np.where(steep, _RIGHT, _UP)
    across = np.cross(upright, outward)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    down = np.cross(outward, across)
    return _Places(
        centers=centers,
        across=across,
        down=down,
        outward=outward,
    )


def _may_be_seen(places: _Places, drops: Drops, owners: np.ndarray, pose: dict, size, field_of_view) -> np.ndarray:
    """Return which splashes face the camera and lie in the picture or near it, bool (n,)."""
    rotation, move = pose_matrix(pose)
    standpoint = np.array([0, 0, CAMERA_DISTANCE])
    camera = rotation.T @ (standpoint - move)
    towards = camera - places.centers
    distances = np.linalg.norm(towards, axis=1)
    facing = (towards * places.outward).sum(axis=1)

    # twice as far as the farthest drop reaches: nearer to the camera it is larger
    away = np.hypot(drops.x, drops.y)
    reach = np.zeros(len(places.centers))
    np.maximum.at(reach, owners, away + 2 * drops.radius)
    pixels_of_mm = size[1] / field_of_view
    margin = 2 * pixels_of_mm * reach[:, None]

    pixels = pixel_of(places.centers, pose, size, field_of_view)
    below_limits = pixels < np.array(size) + margin
    inside = below_limits & (pixels > -margin)
    return inside.all(axis=1) & (facing > _LEAST_SEEN * distances)


def _older_first(seen: np.ndarray, drops: Drops, owners: np.ndarray) -> np.ndarray:
    """Return the numbers of the splashes that are seen: those that dried before the others come first."""
    older = np.zeros(len(seen))
    older[owners] = drops.older
    numbers = np.flatnonzero(seen)
    order = np.argsort(-older[numbers], kind="stable")
    return numbers[order]


def _painted(
    stains: dict, places: _Places, drops: Drops, owners: np.ndarray, order: np.ndarray, pitch: float
) -> tuple[_Sheet, np.ndarray]:
    """Return the sheet of the splashes in an order, and the centers of its stains, (n, 3)."""
    drops, patches = _of_patches(drops, owners, order)
    residue = residue_of(stains)._replace(glow=1.0)
    low, high = _extents(drops, patches, len(order), residue.roughness, pitch)
    sizes = np.ceil((high - low) / pitch).astype(np.int64) + 1
    spans, shape = _packed(sizes)

    # side by side
    shift = spans[:, 1::-1] * pitch - low
    right, down = shift[patches].T
    moved = drops._replace(x=drops.x + right, y=drops.y + down)
    cover = np.zeros(shape, f32)
    frame = Frame(
        left=0.0,
        top=0.0,
        pitch=pitch,
        cosine=1.0,
        sine=0.0,
    )
    older, newer = paint_dried(cover, frame, moved, residue)
    following = np.uint32(len(older.points))
    ids = np.where(newer.ids > 0, newer.ids + following, older.ids)

    sheet = _Sheet(
        cover=cover,
        ids=ids,
        corners=low,
        spans=spans,
    )
    on_sheet = np.concatenate([older.points, newer.points])
    return sheet, _on_part(on_sheet, moved, patches, shift, places)


def _of_patches(drops: Drops, owners: np.ndarray, order: np.ndarray) -> tuple[Drops, np.ndarray]:
    """Return the drops of the splashes in an order, and the place of each one's splash there."""
    most = int(owners.max(initial=-1)) + 1
    patch_of = np.full(most, -1)
    patch_of[order] = np.arange(len(order))

    patches = patch_of[owners]
    kept = patches >= 0
    columns = [values[kept] for values in drops]
    return Drops(*columns), patches[kept]


def _on_part(
    points: np.ndarray, drops: Drops, patches: np.ndarray, shift: np.ndarray, places: _Places
) -> np.ndarray:
    """Return where points of the sheet lie on the part, (n, 3): each is the middle of a drop."""
    middles = zip(drops.x, drops.y, strict=True)
    patch_at = dict(zip(middles, patches, strict=True))
    found = [patch_at[x, y] for x, y in points.tolist()]
    of_points = np.array(found, np.int64)

    along = points - shift[of_points]
    across = along[:, :1] * places.across[of_points]
    down = along[:, 1:] * places.down[of_points]
    return places.centers[of_points] + across + down


def _extents(drops: Drops, patches: np.ndarray, count: int, roughness: float, pitch: float) -> tuple:
    """Return the lowest and the highest x and y that the drops of each patch reach, (n, 2) each."""
    reach = reach_of(drops.radius, roughness) + 2 * pitch
    low = np.full((count, 2), np.inf)
    high = np.full((count, 2), -np.inf)
    for axis, values in enumerate((drops.x, drops.y)):
        np.minimum.at(low[:, axis], patches, values - reach)
        np.maximum.at(high[:, axis], patches, values + reach)
    return low, high


def _packed(sizes: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return where patches of some widths and heights lie on a sheet, (n, 4), and its shape."""
    width = max(_LEAST_SHEET, int(sizes[:, 0].max(initial=0)) + _GAP)
    spans = np.zeros((len(sizes), 4), np.int64)
    top = 0
    left = 0
    shelf = 0
    for number in np.argsort(-sizes[:, 1], kind="stable"):
        across, down = sizes[number] + _GAP
        if left + across > width:
            top += shelf
            left = 0
            shelf = 0
        spans[number] = (top, left, top + down - _GAP, left + across - _GAP)
        left += across
        shelf = max(shelf, down)
    return spans, (int(top + shelf) + 1, width)


def _windows_of(places: _Places, sheet: _Sheet, pitch: float, pose: dict, size, field_of_view) -> np.ndarray:
    """Return the rows and columns of the picture that each splash may wet, (n, 4): top, left, bottom, right."""
    low = sheet.corners
    sizes = sheet.spans[:, 2:] - sheet.spans[:, :2]
    extent = sizes[:, ::-1] * pitch
    high = low + extent
    reach = np.maximum(np.abs(low), np.abs(high))
    farthest = reach.max(axis=1, keepdims=True, initial=0)
    rise = (_RISE * farthest + _LEAST_RISE) * places.outward

    corners = []
    for right, below, side in product((0, 1), (0, 1), (-1, 1)):
        x = low[:, :1] + right * extent[:, :1]
        y = low[:, 1:] + below * extent[:, 1:]
        along = x * places.across + y * places.down
        point = places.centers + along + side * rise
        pixels = pixel_of(point, pose, size, field_of_view)
        corners.append(pixels)

    stacked = np.stack(corners)
    first = np.floor(stacked.min(axis=0))
    last = np.ceil(stacked.max(axis=0)) + 1
    windows = np.concatenate([first, last], axis=1)
    return windows.astype(np.int64)


@numba.njit(cache=True)
def _lay(places, sheet, windows, samples, starts, look, values, numbers):
    """Cover the samples of a tile, splash by splash; write the stains into the pixels."""
    width = numbers.shape[1]
    pitch, glow = look
    points = samples.points
    normals = samples.normals
    for splash in range(len(windows)):
        top, left, bottom, right = windows[splash]
        center = places.centers[splash]
        axes = (places.across[splash], places.down[splash], places.outward[splash])
        first_x, first_y = sheet.corners[splash]
        span = sheet.spans[splash]

        for row in range(top, bottom):
            for column in range(left, right):
                pixel = row * width + column
                begin = starts[pixel]
                end = starts[pixel + 1]
                for n in range(begin, end):
                    x, y, near = _on_plane(points[n], normals[n], center, axes)
                    if not near:
                        continue

                    down = (y - first_y) / pitch
                    across = (x - first_x) / pitch
                    hidden, stain = _looked_up(sheet, span, down, across)
                    if hidden > 0:
                        values[n] += hidden * (glow - values[n])
                        numbers[row, column] = stain


@numba.njit(cache=True)
def _on_plane(point, normal, center, axes):
    """Return x and y of a point on the plane of a splash, and whether it lies near enough to it."""
    across, down, outward = axes
    x = 0.0
    y = 0.0
    rise = 0.0
    facing = 0.0
    for axis in range(3):
        away = point[axis] - center[axis]
        x += away * across[axis]
        y += away * down[axis]
        rise += away * outward[axis]
        facing += normal[axis] * outward[axis]
    far = max(abs(x), abs(y))
    return x, y, facing > _FACING and abs(rise) < _RISE * far + _LEAST_RISE


@numba.njit(cache=True)
def _looked_up(sheet, span, row, column):
    """Return what is hidden at a place of a patch, between its pixels, and the stain there."""
    top, left, bottom, right = span
    last_row = bottom - top - 1
    last_column = right - left - 1
    inside = 0 <= row < last_row and 0 <= column < last_column
    if not inside:
        return f32(0), 0

    r = int(row)
    c = int(column)
    below = row - r
    beside = column - c
    hidden = 0.0
    heaviest = 0.0
    stain = 0
    for i in range(2):
        of_row = below if i else 1 - below
        for j in range(2):
            of_column = beside if j else 1 - beside
            weight = of_row * of_column
            place = (top + r + i, left + c + j)
            hidden += weight * sheet.cover[place]

            number = sheet.ids[place]
            if number > 0 and weight > heaviest:
                heaviest = weight
                stain = number

    seen = hidden if stain > 0 else 0.0
    return f32(seen), stain
