"""Places for defects that the camera sees, on parts of any shape."""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.mesh.scene import pose_matrix
from synthgen.surface.optics.light import CAMERA_DISTANCE

_CANDIDATES = 64  # tries for a place that the camera sees
_FRAME = 0.95  # share of the picture, from its middle, in which places lie


class Places:
    """Places for defects that the camera sees.

    Parameters
    ----------
    mesh : trimesh.Trimesh
    pose : dict
        As returned by `sample_pose`.
    field_of_view : float
        Width of the picture, mm.
    aspect : float
        Its height divided by its width.
    """

    def __init__(self, mesh, pose: dict, field_of_view: float, aspect: float = 0.8):
        self._rotation, self._move = pose_matrix(pose)
        self._seen = _seen_of(mesh, self._rotation, self._move)
        self._field_of_view = field_of_view
        self._aspect = aspect

    def sample(self, rng: np.random.Generator) -> dict | None:
        """Draw a place.

        Returns
        -------
        dict or None
            ``center`` and ``normal``, (3,) in the part's coordinates, and ``angle``, degrees; rounded. None where
            no point of those tried is seen: a part may show nothing.
        """
        u = rng.random((_CANDIDATES, 3))
        angle = round(360 * float(rng.random()), 3)
        found = _first_visible(self._seen, u, self._field_of_view, self._aspect)
        if found is None:
            return None

        point, normal = found
        center = self._rotation.T @ (point - self._move)
        outward = self._rotation.T @ (normal / np.linalg.norm(normal))
        return {
            "center": np.round(center, 4).tolist(),
            "normal": np.round(outward, 6).tolist(),
            "angle": angle,
        }


class _Seen(NamedTuple):
    """The triangles of a part in the world.

    `triangles` (n, 3, 3) and their `normals` (n, 3) of any length; `camera` (3,); `sums` (n,) of the areas that the
    camera sees of them, up to each triangle.
    """

    triangles: np.ndarray
    normals: np.ndarray
    camera: np.ndarray
    sums: np.ndarray


def _seen_of(mesh, rotation: np.ndarray, move: np.ndarray) -> _Seen:
    """Return the triangles of a part, and what the camera sees of them, hidden or not."""
    vertices = np.asarray(mesh.vertices)
    corners = vertices[mesh.faces]
    triangles = corners @ rotation.T + move
    start = triangles[:, 0]
    first = triangles[:, 1] - start
    second = triangles[:, 2] - start
    normals = np.cross(first, second)

    camera = np.array([0.0, 0.0, CAMERA_DISTANCE])
    towards = camera - triangles.mean(axis=1)
    distance = np.linalg.norm(towards, axis=1)
    facing = (normals * towards).sum(axis=1) / distance
    areas = np.maximum(facing, 0.0)
    return _Seen(
        triangles=triangles,
        normals=normals,
        camera=camera,
        sums=np.cumsum(areas),
    )


def _first_visible(seen: _Seen, u: np.ndarray, field_of_view: float, aspect: float) -> tuple | None:
    """Return the first of some random points that the camera sees, with its normal; None where there is none."""
    whole = seen.sums[-1]
    if not whole > 0:
        return None

    faces = np.searchsorted(seen.sums, u[:, 0] * whole, side="right")
    faces = np.minimum(faces, len(seen.sums) - 1)
    points = points_of(seen.triangles[faces], u[:, 1], u[:, 2])

    # nearer points fill more of the picture
    x = np.abs(points[:, 0])
    y = np.abs(points[:, 1])
    closeness = points[:, 2] / CAMERA_DISTANCE
    half = field_of_view / 2 * _FRAME * (1 - closeness)
    framed = (x < half) & (y < half * aspect)
    for number in np.flatnonzero(framed):
        face = faces[number]
        point = points[number]
        if not _hidden(seen.triangles, seen.camera, point, face):
            return point, seen.normals[face]
    return None


def points_of(triangles: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return points of triangles, (n, 3), evenly spread where the two numbers are, each in [0, 1)."""
    root = np.sqrt(first)
    weights = [
        1 - root,
        root * (1 - second),
        root * second,
    ]
    return np.einsum("nk,nkj->nj", np.stack(weights, axis=1), triangles)


@numba.njit(cache=True)
def _hidden(triangles, camera, point, own):
    """Return whether a triangle other than its own lies between a point and the camera."""
    ray = camera - point
    low = np.minimum(point, camera)
    high = np.maximum(point, camera)
    for i in range(len(triangles)):
        if i == own or _beside(triangles, i, low, high):
            continue
        if _meets(ray, point, triangles[i]):
            return True
    return False


@numba.njit(cache=True)
def _beside(triangles, number, low, high):
    """Return whether a triangle lies beside a box, wholly on one side of it."""
    for axis in range(3):
        a = triangles[number, 0, axis]
        b = triangles[number, 1, axis]
        c = triangles[number, 2, axis]
        if max(a, b, c) < low[axis] or min(a, b, c) > high[axis]:
            return True
    return False


@numba.njit(cache=True)
def _meets(ray, point, triangle):
    """Return whether a ray from a point meets a triangle within its length (Moeller and Trumbore)."""
    origin = triangle[0]
    first = triangle[1] - origin
    second = triangle[2] - origin
    start = point - origin
    across = _cross(ray, second)
    det = _dot(first, across)
    if det == 0.0:
        return False

    around = _cross(start, first)
    u = _dot(start, across) / det
    v = _dot(ray, around) / det
    share = _dot(second, around) / det

    within = u >= 0 and v >= 0 and u + v <= 1
    between = 1e-6 < share < 1
    return within and between


@numba.njit(cache=True, inline="always")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True, inline="always")
def _cross(a, b):
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
