"""Normals of a mesh that are smooth over its faces and keep its edges."""

from math import cos, radians

import numba
import numpy as np

CREASE = 25.0  # degrees; faces that meet at a larger angle have an edge between them
_FLAT = 1e-6  # largest difference of the normals at the corners of a flat triangle
_TINY = 1e-300  # stands for a length of 0 where one divides by it


def corner_normals(vertices: np.ndarray, faces: np.ndarray, crease: float = CREASE) -> np.ndarray:
    """Return a normal for each corner of each triangle.

    Parameters
    ----------
    vertices : ndarray of float64, (V, 3)
    faces : ndarray of int64, (F, 3)
    crease : float
        Angle in degrees; faces that meet at a larger one do not share their normals.

    Returns
    -------
    ndarray of float64, (F, 3, 3)
        Mean, weighted by their angles there, of the normals of the faces around a corner; face, corner, coordinate.
    """
    vertices = np.asarray(vertices, np.float64)
    faces = np.ascontiguousarray(faces, np.int64)
    corners = vertices[faces]
    following = np.roll(corners, -1, axis=1)
    preceding = np.roll(corners, 1, axis=1)
    ahead = following - corners
    back = preceding - corners

    across = np.cross(ahead, back)
    length = np.linalg.norm(across, axis=2)
    facing = (ahead * back).sum(axis=2)
    angles = np.arctan2(length, facing)
    unit = across[:, 0] / np.maximum(length[:, :1], _TINY)

    # the corners around each vertex: order[starts[v] : starts[v + 1]]
    flat = faces.ravel()
    order = np.argsort(flat, kind="stable")
    bounds = np.arange(len(vertices) + 1)
    starts = np.searchsorted(flat[order], bounds)
    least = cos(radians(crease))
    return _corner_normals(faces, unit, angles, order, starts, least)


def flat_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return which triangles belong to flat sides and not to curved ones, bool (F,).

    Parameters
    ----------
    vertices, faces : ndarray
        As of `corner_normals`.
    """
    corners = corner_normals(vertices, faces)
    bent = np.abs(corners - corners[:, :1]).max(axis=(1, 2))
    return bent < _FLAT


@numba.njit(cache=True)
def _corner_normals(faces, unit, angles, order, starts, least):
    """Return the normals; faces whose unit normals have a product below `least` do not share them."""
    normals = np.empty((len(faces), 3, 3))
    for face in range(len(faces)):
        own = unit[face]
        for corner in range(3):
            vertex = faces[face, corner]
            total = normals[face, corner]
            total[:] = 0.0

            begin = starts[vertex]
            end = starts[vertex + 1]
            for i in range(begin, end):
                other = order[i] // 3
                other_corner = order[i] % 3
                theirs = unit[other]
                alike = 0.0
                for axis in range(3):
                    alike += own[axis] * theirs[axis]

                if other == face or alike > least:
                    weight = angles[other, other_corner]
                    for axis in range(3):
                        total[axis] += weight * theirs[axis]

            square = 0.0
            for axis in range(3):
                square += total[axis] * total[axis]
            length = max(square**0.5, _TINY)
            for axis in range(3):
                total[axis] /= length
    return normals
