"""The samples of which a picture of a part is made: one in most pixels, `SIDE` x `SIDE` where the part has an edge.

A pixel has an edge where one of its finer samples misses the part, lies on another side of a crease, or off the
plane of the others. All other pixels have one sample, in the middle of the finer ones.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.mesh.scene import TILE, Lens, Model, View, meet, triangle_tiles, triangles_in

f32, i32 = np.float32, np.int32

SIDE = 2  # along each side of a pixel
_COUNT = SIDE * SIDE
_MIDDLE = 0.5 * (SIDE - 1)  # of a pixel, from its first sample
# Samples of one pixel whose normals are as near as this, squared, lie on one smooth side; and no farther than this
# share of the pixel's side off their common plane.
_SAME_NORMAL = 0.003
_SAME_PLANE = 0.25


class Samples(NamedTuple):
    """Samples of a window of a picture.

    Attributes
    ----------
    pixels : ndarray of int32, (n,)
        The pixel of each, in the window that is counted row by row; ascending.
    shares : ndarray of float32, (n,)
        Of the pixel: 1, or 1 / 4.
    points, normals : ndarray of float64, (n, 3)
        In the part's coordinates.
    faces : ndarray of int32, (n,)
        The triangle that is seen.
    """

    pixels: np.ndarray
    shares: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray


class Tile(NamedTuple):
    """A window of a picture, and what is seen there.

    Attributes
    ----------
    window : (slice, slice)
        Rows and columns of the picture.
    samples : Samples
    seen : ndarray of float32, (rows, columns)
        Share of each pixel that shows the part.
    view : Finer
        What of the part the finer samples see.
    """

    window: tuple[slice, slice]
    samples: Samples
    seen: np.ndarray
    view: "Finer"

    def places(self, pixels: np.ndarray, width: int) -> np.ndarray:
        """Return where pixels of the window lie in the picture of a width, counted row by row."""
        rows, columns = self.window
        of_window = columns.stop - columns.start
        row, column = np.divmod(pixels, of_window)
        whole_row = row + rows.start
        whole_column = column + columns.start
        return whole_row * width + whole_column


class Finer(NamedTuple):
    """The triangles of a finer picture, `SIDE` samples along each side of a pixel, and its camera.

    Attributes
    ----------
    numbers : ndarray of int32, (SIDE * rows, SIDE * columns)
    model : Model
    lens : Lens
    """

    numbers: np.ndarray
    model: Model
    lens: Lens

    def points(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where all finer samples of some pixels lie, and their normals, (n, 4, 3); NaN off the part."""
        return _finer_points(self.numbers, self.model, self.lens, pixels)


def sample_tiles(
    model: Model, flats: np.ndarray, size: tuple[int, int], field_of_view: float, tile: int = TILE
) -> Iterator[Tile]:
    """Yield the samples of a picture of a part, tile by tile; tiles that see nothing are left out.

    Parameters
    ----------
    model : Model
    flats : ndarray of bool, (F,)
        Which triangles belong to flat sides.
    size : (int, int)
        Height and width of the picture in pixels.
    field_of_view : float
        Width of the picture at the origin, mm.
    tile : int
        Largest side of a tile, in finer samples.
    """
    height, width = size
    finer = (SIDE * height, SIDE * width)
    pitch = field_of_view / width
    for place, numbers, lens in triangle_tiles(model, finer, field_of_view, tile=tile):
        yield _tile_of(place, Finer(numbers, model, lens), flats, pitch)


def sample_window(model: Model, flats: np.ndarray, view: View, window: tuple[slice, slice], pitch: float) -> Tile:
    """Return the samples of a window of a picture of a part.

    Parameters
    ----------
    model : Model
    flats : ndarray of bool, (F,)
        Which triangles belong to flat sides.
    view : View
        The part in a picture with `SIDE` samples along each side of a pixel.
    window : (slice, slice)
        Rows and columns of the picture, in pixels.
    pitch : float
        Side of a pixel, mm.
    """
    rows, columns = (slice(SIDE * span.start, SIDE * span.stop) for span in window)
    numbers, lens = triangles_in(view, (rows, columns))
    return _tile_of((rows, columns), Finer(numbers, model, lens), flats, pitch)


def _tile_of(place: tuple[slice, slice], view: Finer, flats: np.ndarray, pitch: float) -> Tile:
    """Return the samples of a window, which is given in finer samples."""
    rows, columns = (slice(span.start // SIDE, span.stop // SIDE) for span in place)
    *arrays, seen = _sample(view.numbers, view.model, view.lens, flats, pitch)
    return Tile(
        window=(rows, columns),
        samples=Samples(*arrays),
        seen=seen,
        view=view,
    )


class _Block(NamedTuple):
    """Room for the finer samples of one pixel: how many hit the part, and where."""

    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray


@numba.njit(cache=True)
def _sample(numbers, model, lens, flats, pitch):
    """Return the fields of `Samples`, and the share of each pixel that shows the part."""
    height = numbers.shape[0] // SIDE
    width = numbers.shape[1] // SIDE
    most = _most_samples(numbers, height, width)
    pixels = np.empty(most, i32)
    shares = np.empty(most, f32)
    points = np.empty((most, 3))
    normals = np.empty((most, 3))
    faces = np.empty(most, i32)
    seen = np.zeros((height, width), f32)

    arrays = (model.placed, model.faces, model.vertices, model.corners)
    camera = model.camera
    block = _Block(np.empty((_COUNT, 3)), np.empty((_COUNT, 3)), np.empty(_COUNT, i32))
    count = 0
    for row in range(height):
        for column in range(width):
            hits = _hits(numbers, row, column)
            if hits == 0:
                continue
            first = count
            seen[row, column] = hits / _COUNT
            all_hit = hits == _COUNT
            if all_hit and _shows_one(numbers, row, column):
                face = numbers[SIDE * row, SIDE * column]
                x, y = _ray(lens, SIDE * row + _MIDDLE, SIDE * column + _MIDDLE)
                meet(arrays, camera, face, x, y, points[count], normals[count])
                faces[count] = face
                count += 1
            else:
                _fill_block(numbers, arrays, camera, lens, (row, column), block)
                smooth = all_hit and _is_smooth(block, flats, pitch)
                if smooth:
                    _merge(block)
                for n in range(1 if smooth else hits):
                    points[count] = block.points[n]
                    normals[count] = block.normals[n]
                    faces[count] = block.faces[n]
                    count += 1

            whole = all_hit and count == first + 1
            pixels[first:count] = row * width + column
            shares[first:count] = 1 if whole else 1 / _COUNT
    return (
        pixels[:count],
        shares[:count],
        points[:count],
        normals[:count],
        faces[:count],
        seen,
    )


@numba.njit(cache=True)
def _most_samples(numbers, height, width):
    """Return how many samples there are if all pixels that show several triangles have an edge."""
    most = 0
    for row in range(height):
        for column in range(width):
            hits = _hits(numbers, row, column)
            alone = hits == _COUNT and _shows_one(numbers, row, column)
            most += 1 if alone else hits
    return most


@numba.njit(cache=True)
def _hits(numbers, row, column):
    """Return how many finer samples of a pixel show the part."""
    top = SIDE * row
    left = SIDE * column
    hits = 0
    for r in range(top, top + SIDE):
        for c in range(left, left + SIDE):
            hits += numbers[r, c] >= 0
    return hits


@numba.njit(cache=True)
def _shows_one(numbers, row, column):
    """Return whether all finer samples of a pixel show the same triangle."""
    top = SIDE * row
    left = SIDE * column
    first = numbers[top, left]
    for r in range(top, top + SIDE):
        for c in range(left, left + SIDE):
            if numbers[r, c] != first:
                return False
    return True


@numba.njit(cache=True)
def _ray(lens, row, column):
    """Return x and y of the ray (x, y, -1) through the middle of a sample."""
    right = column + 0.5 - lens.column
    up = lens.row - row - 0.5
    return right / lens.focal, up / lens.focal


@numba.njit(cache=True)
def _fill_block(numbers, arrays, camera, lens, pixel, block):
    """Write the finer samples of a pixel that show the part, one after the other."""
    row, column = pixel
    top = SIDE * row
    left = SIDE * column
    count = 0
    for r in range(top, top + SIDE):
        for c in range(left, left + SIDE):
            face = numbers[r, c]
            if face < 0:
                continue
            x, y = _ray(lens, r, c)
            block.faces[count] = face
            meet(arrays, camera, face, x, y, block.points[count], block.normals[count])
            count += 1


@numba.njit(cache=True)
def _is_smooth(block, flats, pitch):
    """Return whether the finer samples of a pixel, all of which show the part, lie on one smooth side."""
    origin = block.points[0]
    upwards = block.normals[0]
    flat = flats[block.faces[0]]
    for n in range(1, _COUNT):
        if flats[block.faces[n]] != flat:
            return False

        bend = 0.0
        rise = 0.0
        for axis in range(3):
            change = block.normals[n, axis] - upwards[axis]
            away = block.points[n, axis] - origin[axis]
            bend += change * change
            rise += upwards[axis] * away
        if bend > _SAME_NORMAL or abs(rise) > _SAME_PLANE * pitch:
            return False
    return True


@numba.njit(cache=True)
def _merge(block):
    """Put the mean of all finer samples in place of the first."""
    for axis in range(3):
        block.points[0, axis] = block.points[:, axis].mean()
        block.normals[0, axis] = block.normals[:, axis].mean()

    square = 0.0
    for axis in range(3):
        square += block.normals[0, axis] ** 2
    block.normals[0] /= np.sqrt(square)


@numba.njit(cache=True)
def _finer_points(numbers, model, lens, pixels):
    """Return points and normals of the finer samples of some pixels, (n, 4, 3)."""
    width = numbers.shape[1] // SIDE
    arrays = (model.placed, model.faces, model.vertices, model.corners)
    camera = model.camera
    points = np.full((len(pixels), _COUNT, 3), np.nan)
    normals = np.full((len(pixels), _COUNT, 3), np.nan)
    for n in range(len(pixels)):
        row, column = divmod(pixels[n], width)
        for k in range(_COUNT):
            down, right = divmod(k, SIDE)
            r = SIDE * row + down
            c = SIDE * column + right
            if numbers[r, c] < 0:
                continue
            x, y = _ray(lens, r, c)
            meet(arrays, camera, numbers[r, c], x, y, points[n, k], normals[n, k])
    return points, normals


def pixel_means(samples: Samples, seen: np.ndarray, values: np.ndarray, beside: float) -> np.ndarray:
    """Return the brightness of the pixels of a window, float32 (rows, columns).

    Parameters
    ----------
    samples : Samples
    seen : ndarray of float32, (rows, columns)
        Share of each pixel that shows the part.
    values : ndarray of float32, (n,)
        Brightness of the samples.
    beside : float
        Brightness of what is seen beside the part.
    """
    means = (1 - seen) * f32(beside)
    _add(means.ravel(), samples.pixels, samples.shares, values)
    return means


@numba.njit(cache=True)
def _add(means, pixels, shares, values):
    """Add the shares of values to the pixels, in place."""
    for n in range(len(values)):
        means[pixels[n]] += shares[n] * values[n]
