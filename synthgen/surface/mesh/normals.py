"""Normals of a mesh that are smooth over its faces and keep its edges."""

from math import cos, radians

import numba
import numpy as np

CREASE = 25.0  # degrees; faces that meet at a larger angle have an edge between them
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
    ahead = np.roll(corners, -1, axis=1) - corners
    back = np.roll(corners, 1, axis=1) - corners
    across = np.cross(ahead, back)
    length = np.linalg.norm(across, axis=2)
    angles = np.arctan2(length, (ahead * back).sum(axis=2))
    unit = across[:, 0] / np.maximum(length[:, :1], _TINY)

    # the corners around each vertex: order[starts[v] : starts[v + 1]]
    flat = faces.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(len(vertices) + 1))
    least = cos(radians(crease))
    return _corner_normals(faces, unit, angles, order, starts, least)


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
            for i in range(starts[vertex], starts[vertex + 1]):
                other = order[i] // 3
                weight = angles[other, order[i] % 3]
                theirs = unit[other]
                alike = 0.0
                for axis in range(3):
                    alike += own[axis] * theirs[axis]
                if other == face or alike > least:
                    for axis in range(3):
                        total[axis] += weight * theirs[axis]

            square = total[0] * total[0] + total[1] * total[1] + total[2] * total[2]
            length = max(square**0.5, _TINY)
            for axis in range(3):
                total[axis] /= length
    return normals
