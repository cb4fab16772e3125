"""What a camera sees of a mesh: depth, points, normals and mask.

OpenGL answers one question: which triangle lies in each pixel. Where the pixel's ray meets that triangle is
computed here in float64, so that points lie on the mesh to rounding, not to the steps of a 24-bit depth buffer.
"""

from collections.abc import Iterator
from math import cos, pi, radians, sin
from typing import NamedTuple

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.surface.mesh.files import corner_normals
from synthgen.surface.mesh.opengl import triangle_drawer
from synthgen.surface.optics.light import CAMERA_DISTANCE

FIELD_OF_VIEW = 120.0  # mm
MAX_SIZE = 16_384
TILE = 1024  # pixels; a picture is drawn in tiles, so that OpenGL's buffers stay small


class Surface(NamedTuple):
    """What a camera sees of a part; lengths in mm.

    Attributes
    ----------
    depth : ndarray of float32, (H, W)
        Distance from the camera along its axis; infinite where it sees nothing.
    points : ndarray of float64, (H, W, 3)
        Where the rays of the pixels' centres meet the part, in the part's own coordinates; NaN where they do not.
    normals : ndarray of float64, (H, W, 3)
        Unit vectors on the camera's side, in the part's own coordinates; smooth where the part is. Zero elsewhere.
    mask : ndarray of uint8, (H, W)
        255 where the camera sees the part.
    """

    depth: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    mask: np.ndarray


def sample_pose(rng: np.random.Generator, tilt: float = 20.0, shift: float = 4.0) -> dict:
    """Draw how a part lies under the camera: any turn about the camera's axis, then a tilt.

    Parameters
    ----------
    rng : numpy.random.Generator
    tilt : float
        Largest angle, in degrees, by which the part's z leaves the camera's axis.
    shift : float
        Largest move of the part's centre along x and y, in mm.

    Returns
    -------
    dict
        ``rotation``, a unit quaternion (w, x, y, z), and ``translation``, (x, y, z) in mm; rounded.
    """
    u = rng.random(5).tolist()
    turn, lean, way = 2 * pi * u[0], radians(tilt) * u[1], 2 * pi * u[2]
    # (lean about an axis in the plane) after (turn about z)
    w, z = cos(lean / 2) * cos(turn / 2), cos(lean / 2) * sin(turn / 2)
    x, y = sin(lean / 2) * cos(way - turn / 2), sin(lean / 2) * sin(way - turn / 2)
    return {
        "rotation": [round(v, 6) for v in (w, x, y, z)],
        "translation": [round(shift * (2 * v - 1), 4) for v in u[3:]] + [0.0],
    }


def pose_matrix(pose: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation (3, 3) and translation (3,) of a pose: world = rotation @ part + translation.

    Raises
    ------
    UsageError
        If the rotation is not four finite numbers, some of them not 0, or the translation not three finite ones.
    """
    try:
        q, move = (np.array(pose[key], dtype=np.float64) for key in ("rotation", "translation"))
    except (KeyError, TypeError, ValueError):
        q = move = np.empty(0)
    if q.shape != (4,) or move.shape != (3,) or not np.isfinite([*q, *move]).all() or not q.any():
        raise UsageError(f"pose: must have a rotation (w, x, y, z) and a translation (x, y, z), got {pose!r}")
    w, *v = q / np.linalg.norm(q)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross, move


def render_scene(
    mesh, pose: dict, size, field_of_view: float = FIELD_OF_VIEW, distance: float = CAMERA_DISTANCE
) -> Surface:
    """Look at a mesh.

    The camera stands on the z axis of the world and looks down to the origin; rows run against y, columns along x.

    Parameters
    ----------
    mesh : trimesh.Trimesh
        In millimetres.
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
    MissingExtraError
        If pyrender is not installed.
    DeviceError
        If there is no OpenGL library.
    """
    seen = Surface(
        np.full(size, np.inf, np.float32),
        np.full((*size, 3), np.nan),
        np.zeros((*size, 3)),
        np.zeros(size, np.uint8),
    )
    for place, tile in render_tiles(mesh, pose, size, field_of_view, distance):
        for whole, part in zip(seen, tile, strict=True):
            whole[place] = part
    return seen


def render_tiles(mesh, pose, size, field_of_view=FIELD_OF_VIEW, distance=CAMERA_DISTANCE, tile=TILE) -> Iterator:
    """Look at a mesh tile by tile: what `render_scene` does, in bounded memory.

    Yields
    ------
    place : (slice, slice)
        Rows and columns of the tile.
    surface : Surface
        What is seen there. Tiles that see nothing are left out.
    """
    height, width = size
    if not (1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE):
        raise UsageError(f"scene: size must lie in 1..{MAX_SIZE}, got {height} x {width}")
    if not (0 < field_of_view < np.inf and 0 < distance < np.inf):
        raise UsageError(f"scene: field of view and distance must be > 0 mm, got {field_of_view}, {distance}")
    rotation, move = pose_matrix(pose)
    vertices = np.ascontiguousarray(mesh.vertices, np.float64)
    faces = np.ascontiguousarray(mesh.faces, np.int64)
    # From the camera: x to the right, y up, z towards the viewer.
    placed = vertices @ rotation.T + move - [0, 0, distance]
    near, far = -placed[:, 2].max(), -placed[:, 2].min()
    if near < 0.01 * distance:
        raise UsageError(f"scene: the part must lie before the camera, {distance} mm away, got {near:.4g} mm")
    corners = corner_normals(vertices, faces)
    camera = rotation.T @ (np.array([0, 0, distance]) - move)
    focal = distance * width / field_of_view
    margin = 0.01 * (far - near) + 1e-3 * near
    depths = near - margin, far + margin
    drawer, positions = triangle_drawer(), placed.astype(np.float32)
    side = min(tile, 1 << (max(size) - 1).bit_length())
    for top in range(0, height, side):
        for left in range(0, width, side):
            middle = 0.5 * height - top, 0.5 * width - left
            numbers = drawer.draw(positions, faces, (focal, *middle), depths, side)[: height - top, : width - left]
            if numbers.any():
                rows, columns = numbers.shape
                seen = _intersect(numbers, placed, vertices, faces, corners, camera, focal, middle)
                yield (slice(top, top + rows), slice(left, left + columns)), Surface(*seen)


@numba.njit(cache=True)
def _intersect(numbers, placed, vertices, faces, corners, camera, focal, middle):
    """Meet the ray of each pixel with its triangle; the fields of a `Surface`."""
    height, width = numbers.shape
    depth = np.full((height, width), np.inf, np.float32)
    points, normals = np.full((height, width, 3), np.nan), np.zeros((height, width, 3))
    mask = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            if numbers[row, column] == 0:
                continue
            face = numbers[row, column] - 1
            i, j, k = faces[face]
            x, y = (column + 0.5 - middle[1]) / focal, (middle[0] - row - 0.5) / focal
            u, v, w, side = _weights(placed[i], placed[j], placed[k], x, y)
            mask[row, column] = 255
            depth[row, column] = -(u * placed[i, 2] + v * placed[j, 2] + w * placed[k, 2])
            for axis in range(3):
                points[row, column, axis] = u * vertices[i, axis] + v * vertices[j, axis] + w * vertices[k, axis]
                normals[row, column, axis] = side * (
                    u * corners[face, 0, axis] + v * corners[face, 1, axis] + w * corners[face, 2, axis]
                )
            _face_camera(normals[row, column], points[row, column], camera)
    return depth, points, normals, mask


@numba.njit(cache=True)
def _weights(a, b, c, x, y):
    """Return barycentric weights of where the ray (x, y, -1) meets a triangle, and which side of it is seen.

    OpenGL snaps corners to parts of a pixel: a ray may just miss its triangle, and then gets the border's point.
    """
    ax, ay = a[0] + x * a[2], a[1] + y * a[2]
    bx, by = b[0] + x * b[2], b[1] + y * b[2]
    cx, cy = c[0] + x * c[2], c[1] + y * c[2]
    u, v, w = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    side = 1.0 if u + v + w >= 0 else -1.0
    u, v, w = max(side * u, 0.0), max(side * v, 0.0), max(side * w, 0.0)
    total = u + v + w
    if total <= 0:  # seen edge-on
        return 1 / 3, 1 / 3, 1 / 3, side
    return u / total, v / total, w / total, side


@numba.njit(cache=True)
def _face_camera(normal, point, camera):
    """Make a normal a unit vector, and lift it to the horizon where, interpolated, it leans just behind it."""
    facing = reach = square = 0.0
    for axis in range(3):
        to_camera = camera[axis] - point[axis]
        facing += normal[axis] * to_camera
        reach += to_camera * to_camera
    lift = max(1e-3 - facing / reach**0.5, 0.0) / reach**0.5
    for axis in range(3):
        normal[axis] += lift * (camera[axis] - point[axis])
        square += normal[axis] * normal[axis]
    for axis in range(3):
        normal[axis] /= max(square, 1e-300) ** 0.5
