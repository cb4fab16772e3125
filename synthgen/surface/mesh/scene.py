"""What a camera sees of a mesh: depth, points, normals and mask.

`raster` says which triangle lies in each pixel. Where the pixel's ray meets that triangle is computed here, so that
points lie on the mesh to rounding.
"""

from collections.abc import Iterator
from math import cos, inf, pi, radians, sin, sqrt
from typing import NamedTuple

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.surface.mesh.normals import corner_normals
from synthgen.surface.mesh.raster import Screen, nearest_triangles, on_screen
from synthgen.surface.optics.light import CAMERA_DISTANCE

FIELD_OF_VIEW = 120.0  # mm
MAX_SIZE = 16_384
TILE = 2048  # pixels; a picture is drawn in tiles, so that buffers stay small
# Parts must lie before the camera by this share of its distance.
_LEAST_DEPTH = 0.01
# Normals that look at the camera at less than this cosine are lifted to it.
_HORIZON = 1e-3


class Surface(NamedTuple):
    """What a camera sees of a part; lengths in mm.

    Attributes
    ----------
    depth : ndarray of float32, (H, W)
        Distance from the camera along its axis; infinite where it sees nothing.
    points : ndarray of float64, (H, W, 3)
        Where the rays of the pixels' centers meet the part, in the part's own coordinates; NaN where they do not.
    normals : ndarray of float64, (H, W, 3)
        Unit vectors on the camera's side, in the part's own coordinates; smooth where the part is. Zero elsewhere.
    mask : ndarray of uint8, (H, W)
        255 where the camera sees the part.
    faces : ndarray of int32, (H, W)
        The triangle that is seen, -1 elsewhere.
    """

    depth: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    mask: np.ndarray
    faces: np.ndarray


class Model(NamedTuple):
    """A part and the camera that looks at it, as compiled code takes them.

    `vertices` are in the part's own coordinates, `placed` the same from the camera: x to the right, y up, z towards
    the viewer. `corners` are the normals of the corners of `faces`, `camera` is where it stands, in the part's
    coordinates.
    """

    vertices: np.ndarray
    placed: np.ndarray
    faces: np.ndarray
    corners: np.ndarray
    camera: np.ndarray


class Lens(NamedTuple):
    """Focal length, and the row and column of the camera's axis, in pixels of a tile."""

    focal: float
    row: float
    column: float


class View(NamedTuple):
    """A part on the screen of a camera, and the lens of the whole picture."""

    screen: Screen
    lens: Lens


def sample_pose(rng: np.random.Generator, tilt: float = 20.0, shift: float = 4.0) -> dict:
    """Draw how a part lies under the camera: any turn about the camera's axis, then a tilt.

    Parameters
    ----------
    rng : numpy.random.Generator
    tilt : float
        Largest angle, in degrees, by which the part's z leaves the camera's axis.
    shift : float
        Largest move of the part's center along x and y, in mm.

    Returns
    -------
    dict
        ``rotation``, a unit quaternion (w, x, y, z), and ``translation``, (x, y, z) in mm; rounded.
    """
    u = rng.random(5).tolist()
    turn = 2 * pi * u[0]
    lean = radians(tilt) * u[1]
    way = 2 * pi * u[2]

    # (lean about an axis in the plane) after (turn about z)
    upright = cos(lean / 2)
    leaning = sin(lean / 2)
    half_turn = turn / 2
    rotation = (
        upright * cos(half_turn),
        leaning * cos(way - half_turn),
        leaning * sin(way - half_turn),
        upright * sin(half_turn),
    )
    x = shift * (2 * u[3] - 1)
    y = shift * (2 * u[4] - 1)
    return {
        "rotation": [round(value, 6) for value in rotation],
        "translation": [round(x, 4), round(y, 4), 0.0],
    }


def pose_matrix(pose: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation (3, 3) and translation (3,) of a pose: world = rotation @ part + translation.

    Raises
    ------
    UsageError
        If the rotation is not four finite numbers, some of them not 0, or the translation not three finite ones.
    """
    quaternion, move = _numbers_of(pose)
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    rows = [
        [0, -z, y],
        [z, 0, -x],
        [-y, x, 0],
    ]
    cross = np.array(rows)
    rotation = np.eye(3) + 2 * w * cross + 2 * cross @ cross
    return rotation, move


def _numbers_of(pose: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return quaternion (4,) and translation (3,) of a pose; refuse what is none."""
    try:
        quaternion = np.array(pose["rotation"], np.float64)
        move = np.array(pose["translation"], np.float64)
    except (KeyError, TypeError, ValueError):
        quaternion = np.empty(0)
        move = np.empty(0)

    shaped = quaternion.shape == (4,) and move.shape == (3,)
    finite = np.isfinite(quaternion).all() and np.isfinite(move).all()
    if not (shaped and finite and quaternion.any()):
        rule = "a rotation (w, x, y, z) and a translation (x, y, z)"
        raise UsageError(f"pose must have {rule}, got {pose!r}")
    return quaternion, move


def pixel_of(points: np.ndarray, pose: dict, size, field_of_view: float = FIELD_OF_VIEW) -> np.ndarray:
    """Return where in a picture points of a part appear.

    Parameters
    ----------
    points : ndarray, (n, 3)
        In the part's coordinates, mm; before the camera.
    pose : dict
        As returned by `sample_pose`.
    size : (int, int)
        Height and width of the picture in pixels.
    field_of_view : float
        As of `render_scene`.

    Returns
    -------
    ndarray of float64, (n, 2)
        Row and column, with parts; the middle of the first pixel is (0, 0).
    """
    height, width = size
    rotation, move = pose_matrix(pose)
    world = np.asarray(points, np.float64) @ rotation.T + move
    x = world[:, 0]
    y = world[:, 1]
    z = world[:, 2]

    focal = CAMERA_DISTANCE * width / field_of_view
    scale = focal / (CAMERA_DISTANCE - z)
    middle_row = height / 2 - 0.5
    middle_column = width / 2 - 0.5
    rows = middle_row - y * scale
    columns = middle_column + x * scale
    return np.stack([rows, columns], axis=1)


def render_scene(
    mesh, pose: dict, size, field_of_view: float = FIELD_OF_VIEW, distance: float = CAMERA_DISTANCE
) -> Surface:
    """Return what a camera sees of a mesh.

    The camera stands on the z axis of the world and looks down to the origin; rows run against y, columns along x.

    Parameters
    ----------
    mesh : trimesh.Trimesh
        In millimeters.
    pose : dict
        As returned by `sample_pose`.
    size : (int, int)
        Height and width in pixels.
    field_of_view : float
        Width of the picture at the origin, in mm.
    distance : float
        Of the camera from the origin, in mm.

    Returns
    -------
    Surface

    Raises
    ------
    UsageError
        If a size or length is out of range, or the part reaches behind the camera.
    """
    height, width = size
    whole = Surface(
        depth=np.full((height, width), inf, np.float32),
        points=np.full((height, width, 3), np.nan),
        normals=np.zeros((height, width, 3)),
        mask=np.zeros((height, width), np.uint8),
        faces=np.full((height, width), -1, np.int32),
    )
    tiles = render_tiles(mesh, pose, size, field_of_view, distance)
    for place, tile in tiles:
        for target, part in zip(whole, tile, strict=True):
            target[place] = part
    return whole


def render_tiles(
    mesh, pose: dict, size, field_of_view=FIELD_OF_VIEW, distance=CAMERA_DISTANCE, tile: int = TILE
) -> Iterator[tuple[tuple[slice, slice], Surface]]:
    """Look at a mesh tile by tile: what `render_scene` does, in bounded memory.

    Yields
    ------
    place : (slice, slice)
        Rows and columns of the tile.
    surface : Surface
        What is seen there. Tiles that see nothing are left out.
    """
    model = model_of(mesh, pose, distance)
    for place, numbers, lens in triangle_tiles(model, size, field_of_view, distance, tile):
        yield place, Surface(*_intersect(numbers, model, lens))


def triangle_tiles(
    model: Model, size, field_of_view: float, distance: float = CAMERA_DISTANCE, tile: int = TILE
) -> Iterator[tuple[tuple[slice, slice], np.ndarray, Lens]]:
    """Look at a part tile by tile.

    Parameters
    ----------
    model : Model
    size, field_of_view, distance, tile
        As of `render_tiles`.

    Yields
    ------
    place : (slice, slice)
        Rows and columns of the tile.
    numbers : ndarray of int32, (rows, columns)
        The triangle that each pixel shows, -1 where there is none. Tiles that see nothing are left out.
    lens : Lens
        Of the tile.
    """
    height, width = size
    view = view_of(model, size, field_of_view, distance)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows = slice(top, min(top + tile, height))
            columns = slice(left, min(left + tile, width))
            numbers, lens = triangles_in(view, (rows, columns))
            if (numbers >= 0).any():
                yield (rows, columns), numbers, lens


def view_of(model: Model, size, field_of_view: float, distance: float = CAMERA_DISTANCE) -> View:
    """Return a part on the screen of a camera; arguments are those of `triangle_tiles`."""
    height, width = size
    _check_view(size, field_of_view, distance)
    _check_depth(model.placed, distance)
    focal = distance * width / field_of_view
    middle = (0.5 * height, 0.5 * width)
    screen = on_screen(model.placed, model.faces, focal, middle)
    return View(screen, Lens(focal, *middle))


def triangles_in(view: View, window: tuple[slice, slice]) -> tuple[np.ndarray, Lens]:
    """Return the number of the triangle that each pixel of a window shows, -1 for none, and the window's lens."""
    rows, columns = window
    numbers = nearest_triangles(view.screen, window)
    lens = view.lens._replace(
        row=view.lens.row - rows.start,
        column=view.lens.column - columns.start,
    )
    return numbers, lens


def depth_map(
    vertices: np.ndarray, faces: np.ndarray, size: int, field_of_view: float, distance: float
) -> np.ndarray:
    """Return the distances that a camera on the z axis sees, along its axis.

    Parameters
    ----------
    vertices : ndarray of float64, (V, 3)
        In the world, mm.
    faces : ndarray of int64, (F, 3)
    size : int
        Height and width in pixels, a power of two.
    field_of_view, distance : float
        As of `render_scene`.

    Returns
    -------
    ndarray of float32, (size, size)
        Infinite where it sees nothing.
    """
    faces = np.ascontiguousarray(faces, np.int64)
    placed = vertices - np.array([0, 0, distance])
    _check_depth(placed, distance)
    focal = distance * size / field_of_view
    whole = slice(0, size)
    screen = on_screen(placed, faces, focal, (0.5 * size, 0.5 * size))
    numbers = nearest_triangles(screen, (whole, whole))
    lens = Lens(focal, 0.5 * size, 0.5 * size)
    return _distances(numbers, placed, faces, lens)


def _check_view(size, field_of_view: float, distance: float) -> None:
    """Refuse a picture that is too large, and lengths that are none."""
    height, width = size
    if not (1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE):
        raise UsageError(f"size must lie in 1..{MAX_SIZE}, got {height} x {width}")

    lengths = {"field_of_view": field_of_view, "distance": distance}
    for name, value in lengths.items():
        if not 0 < value < inf:
            raise UsageError(f"{name} must be > 0 mm, got {value}")


def model_of(mesh, pose: dict, distance: float = CAMERA_DISTANCE) -> Model:
    """Return a part in its pose before the camera."""
    rotation, move = pose_matrix(pose)
    vertices = np.ascontiguousarray(mesh.vertices, np.float64)
    faces = np.ascontiguousarray(mesh.faces, np.int64)
    standpoint = np.array([0, 0, distance])
    world = vertices @ rotation.T + move
    return Model(
        vertices=vertices,
        placed=world - standpoint,
        faces=faces,
        corners=corner_normals(vertices, faces),
        camera=rotation.T @ (standpoint - move),
    )


def _check_depth(placed: np.ndarray, distance: float) -> None:
    """Refuse a part that does not lie before the camera."""
    nearest = (-placed[:, 2]).min()
    if nearest < _LEAST_DEPTH * distance:
        raise UsageError(f"mesh must lie before the camera, {distance} mm away, got {nearest:.4g} mm")


@numba.njit(cache=True)
def _intersect(numbers, model, lens):
    """Return where the ray of each pixel meets its triangle, as the fields of a `Surface`."""
    height, width = numbers.shape
    depth = np.full((height, width), np.inf, np.float32)
    points = np.full((height, width, 3), np.nan)
    normals = np.zeros((height, width, 3))
    mask = np.zeros((height, width), np.uint8)

    # out of the loop: each array taken out of a NamedTuple is counted
    arrays = (model.placed, model.faces, model.vertices, model.corners)
    camera = model.camera
    for row in range(height):
        up = lens.row - row - 0.5
        y = up / lens.focal
        for column in range(width):
            face = numbers[row, column]
            if face < 0:
                continue
            right = column + 0.5 - lens.column
            x = right / lens.focal
            mask[row, column] = 255
            point = points[row, column]
            normal = normals[row, column]
            depth[row, column] = meet(arrays, camera, face, x, y, point, normal)
    return depth, points, normals, mask, numbers


@numba.njit(cache=True)
def meet(arrays, camera, face, x, y, point, normal):
    """Write where the ray (x, y, -1) meets a triangle, and the normal there; return the distance along the axis.

    `arrays` are those of a `Model`: placed, faces, vertices, corners.
    """
    placed, faces, vertices, corners = arrays
    i = faces[face, 0]
    j = faces[face, 1]
    k = faces[face, 2]
    u, v, w, side = _weights(placed, (i, j, k), x, y)
    for axis in range(3):
        first = u * vertices[i, axis]
        second = v * vertices[j, axis]
        third = w * vertices[k, axis]
        point[axis] = first + second + third

        first = u * corners[face, 0, axis]
        second = v * corners[face, 1, axis]
        third = w * corners[face, 2, axis]
        normal[axis] = side * (first + second + third)
    _face_camera(normal, point, camera)
    return _along_axis(placed, (i, j, k), (u, v, w))


@numba.njit(cache=True)
def _along_axis(placed, face, weights):
    """Return the distance of a point of a triangle along the axis of the camera."""
    i, j, k = face
    u, v, w = weights
    first = u * placed[i, 2]
    second = v * placed[j, 2]
    third = w * placed[k, 2]
    return -(first + second + third)


@numba.njit(cache=True)
def _distances(numbers, placed, faces, lens):
    """Return the distance that each pixel shows, along the axis of the camera; infinite where there is nothing."""
    height, width = numbers.shape
    depth = np.full((height, width), np.inf, np.float32)
    for row in range(height):
        up = lens.row - row - 0.5
        y = up / lens.focal
        for column in range(width):
            face = numbers[row, column]
            if face < 0:
                continue
            right = column + 0.5 - lens.column
            x = right / lens.focal
            i, j, k = faces[face]
            u, v, w, _ = _weights(placed, (i, j, k), x, y)
            depth[row, column] = _along_axis(placed, (i, j, k), (u, v, w))
    return depth


@numba.njit(cache=True)
def _weights(placed, face, x, y):
    """Return barycentric weights of where the ray (x, y, -1) meets a triangle, and which side of it is seen.

    A ray that misses its triangle by a rounding gets the border's point.
    """
    i, j, k = face
    ax = placed[i, 0] + x * placed[i, 2]
    ay = placed[i, 1] + y * placed[i, 2]
    bx = placed[j, 0] + x * placed[j, 2]
    by = placed[j, 1] + y * placed[j, 2]
    cx = placed[k, 0] + x * placed[k, 2]
    cy = placed[k, 1] + y * placed[k, 2]

    # twice the areas opposite to the corners
    u = bx * cy - by * cx
    v = cx * ay - cy * ax
    w = ax * by - ay * bx
    whole = u + v + w
    side = 1.0 if whole >= 0 else -1.0
    u = max(side * u, 0.0)
    v = max(side * v, 0.0)
    w = max(side * w, 0.0)
    total = u + v + w

    # seen edge-on
    if total <= 0:
        third = 1 / 3
        return third, third, third, side
    return (
        u / total,
        v / total,
        w / total,
        side,
    )


@numba.njit(cache=True)
def _face_camera(normal, point, camera):
    """Make a normal a unit vector, and lift it to the horizon where, interpolated, it leans just behind it."""
    facing = 0.0
    reach = 0.0
    for axis in range(3):
        to_camera = camera[axis] - point[axis]
        facing += normal[axis] * to_camera
        reach += to_camera * to_camera

    distance = sqrt(reach)
    missing = max(_HORIZON - facing / distance, 0.0)
    lift = missing / distance

    square = 0.0
    for axis in range(3):
        to_camera = camera[axis] - point[axis]
        value = normal[axis] + lift * to_camera
        square += value * value
        normal[axis] = value

    length = sqrt(max(square, 1e-300))
    for axis in range(3):
        normal[axis] /= length
