"""Machined metal on parts of any shape: streaks, and how they mirror a ring light.

The light, the streaks and the lobe are those of the plate. A plate has one direction of brushing and small slopes;
here the normal is any, so each facet's mirror ray is followed to the plane of the light.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.mesh.scene import pose_matrix
from synthgen.surface.optics.brushed import ACROSS, ALONG, sample_brushed, streaks
from synthgen.surface.optics.light import CAMERA_DISTANCE, LIGHT_HEIGHT, look_up, reflection_map

TABLE = 0.018  # brightness of what the part lies on; 1 is white
# Built-in parts: how they were made, and the axis of the lathe or of the brushing.
_FINISH = {"plate": ("brushed", 0), "ring": ("turned", 2), "bolt": ("turned", 0)}
# Brightness of a surface that mirrors nothing but light; of one lit from straight above; of one that mirrors the
# dark room, below and above the horizon.
_BRIGHT, _DIFFUSE, _FLOOR, _ROOM = 1.0, 0.26, 0.04, 0.13
# Facets across the streaks: tilt in units of the roughness, and share.
_FACETS = np.array([(-1.6, 0.11), (-0.8, 0.23), (0.0, 0.32), (0.8, 0.23), (1.6, 0.11)], np.float32)
_TURN_RADIUS = 20.0  # mm: streaks around an axis are as long there as along a line

f32 = np.float32


def sample_finish(rng: np.random.Generator, mesh: str) -> dict:
    """Draw the machined surface of a part.

    Parameters
    ----------
    rng : numpy.random.Generator
    mesh : str
        ``ring`` and ``bolt`` come from a lathe; ``plate`` and files are brushed along x.

    Returns
    -------
    dict
        As `sample_brushed` returns, with wider ``roughness``, and ``kind`` (brushed or turned) and ``axis`` (0..2).
    """
    finish = sample_brushed(rng)
    u = rng.random(2).tolist()
    kind, axis = _FINISH.get(mesh, ("brushed", 0))
    roughness = [round(0.025 + 0.02 * u[0], 5), round(0.06 + 0.06 * u[1], 5)]
    return {**finish, "roughness": roughness, "kind": kind, "axis": axis}


class Lighting(NamedTuple):
    """All that the brightness of a point of a part depends on, beside the point; see `prepare_part`."""

    slopes: np.ndarray
    changes: np.ndarray
    turned: bool
    axis: int
    mirrored: np.ndarray
    grid: np.ndarray
    rotation: np.ndarray
    move: np.ndarray
    light: np.ndarray
    spread: float
    reflectance: float


def prepare_part(finish: dict, light: dict, pose: dict, pitch: float) -> Lighting:
    """Return a finish under a light, ready for `shade_part`; `pitch` is the side of a sample in mm."""
    table = streaks(finish, pitch)
    # The reflection map has no direction here: the facets across the streaks are summed point by point.
    fine, wide = finish["roughness"]
    mirrored = reflection_map(light, 0.0, (fine, fine))
    grid = np.array([*mirrored.start, *mirrored.step], np.float32)
    rotation, move = pose_matrix(pose)
    centre = np.array([light["shift"][1], -light["shift"][0], LIGHT_HEIGHT])
    slopes, changes = (np.ascontiguousarray(table[..., k]) for k in range(2))
    turned = finish["kind"] == "turned"
    return Lighting(
        slopes,
        changes,
        turned,
        finish["axis"],
        mirrored.values,
        grid,
        rotation,
        move,
        centre,
        wide,
        finish["reflectance"],
    )


def shade_part(lighting: Lighting, points: np.ndarray, normals: np.ndarray, reflectance: np.ndarray) -> np.ndarray:
    """Return the brightness of points of a part.

    Parameters
    ----------
    lighting : Lighting
    points, normals : ndarray of float64, (n, 3)
        In the part's coordinates; normals of length 1.
    reflectance : ndarray of float32, (n,)

    Returns
    -------
    ndarray of float32, (n,)
        1 is white.
    """
    return _shade(*lighting[:-1], points, normals, reflectance.astype(np.float32))


@numba.njit(cache=True, inline="always")
def _streak_at(p, turned, axis):
    """Return the place along and across the streaks, and the direction across (not of length 1) at a point."""
    a, b, c = p[axis], p[(axis + 1) % 3], p[(axis + 2) % 3]
    if not turned:
        return a, b + c, 0.0, 1.0, 1.0
    radius = max((b * b + c * c) ** 0.5, 1e-9)
    # mirrored after half a turn, so that no seam shows
    return _TURN_RADIUS * (abs(np.arctan2(c, b)) - 1.5708), radius + a, 1.0, b / radius, c / radius


@numba.njit(cache=True, inline="always")
def _mirrored_light(mirrored, grid, n, p, view):
    """Return the light that a facet with normal n mirrors, and how far up its mirror ray points."""
    facing = n[0] * view[0] + n[1] * view[1] + n[2] * view[2]
    x, y, z = (2 * facing * n[0] - view[0], 2 * facing * n[1] - view[1], 2 * facing * n[2] - view[2])
    if z < 0.02:
        return f32(0), z
    far = (LIGHT_HEIGHT - p[2]) / z
    row, column = f32(-(p[1] + far * y)), f32(p[0] + far * x)
    return look_up(mirrored, (row - grid[0]) / grid[2], (column - grid[1]) / grid[3]), z


@numba.njit(cache=True)
def _shade(
    slopes, changes, turned, axis, mirrored, grid, rotation, move, light, spread, points, normals, reflectance
):
    out = np.empty(len(points), np.float32)
    g, n, p, view, facet, across = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for i in range(len(points)):
        u, v, g[axis], g[(axis + 1) % 3], g[(axis + 2) % 3] = _streak_at(points[i], turned, axis)
        row = f32(v / ACROSS + (slopes.shape[0] - 1) / 2)
        column = f32(u / ALONG + (slopes.shape[1] - 1) / 2)
        slope, change = look_up(slopes, row, column), look_up(changes, row, column)
        rise = g[0] * normals[i, 0] + g[1] * normals[i, 1] + g[2] * normals[i, 2]
        length = 0.0
        for k in range(3):
            g[k] -= rise * normals[i, k]
            length += g[k] * g[k]
        length = max(length, 1e-12) ** 0.5
        far = 0.0
        for k in range(3):
            r = rotation[k]
            across[k] = (r[0] * g[0] + r[1] * g[1] + r[2] * g[2]) / length
            n[k] = r[0] * normals[i, 0] + r[1] * normals[i, 1] + r[2] * normals[i, 2] - slope * across[k]
            p[k] = r[0] * points[i, 0] + r[1] * points[i, 1] + r[2] * points[i, 2] + move[k]
            view[k] = -p[k]
        view[2] += CAMERA_DISTANCE
        for k in range(3):
            far += view[k] * view[k]
        lit, away = 0.0, 0.0
        for k in range(3):
            view[k] /= far**0.5
            lit += n[k] * (light[k] - p[k])
            away += (light[k] - p[k]) ** 2
        seen, up = f32(0), 0.0
        for j in range(len(_FACETS)):
            square = 0.0
            for k in range(3):
                facet[k] = n[k] - _FACETS[j, 0] * spread * across[k]
                square += facet[k] * facet[k]
            for k in range(3):
                facet[k] /= square**0.5
            shine, z = _mirrored_light(mirrored, grid, facet, p, view)
            seen += _FACETS[j, 1] * shine
            up += _FACETS[j, 1] * z
        room = _FLOOR + (_ROOM - _FLOOR) * min(max(0.5 + up, 0.0), 1.0)
        diffuse = _DIFFUSE * max(lit / away**0.5, 0.0)
        out[i] = reflectance[i] * (f32(1) + change) * f32(room + diffuse + _BRIGHT * seen)
    return out
