"""Machined metal on parts of any shape: streaks, and how they mirror a ring light.

The light, the streaks and the lobe are those of the plate. A plate has one direction of brushing and small slopes.
Here the normal is any, so each facet's mirror ray is followed to the plane of the light.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.mesh.scene import pose_matrix
from synthgen.surface.optics.brushed import ACROSS, ALONG, sample_brushed, streaks
from synthgen.surface.optics.light import CAMERA_DISTANCE, LIGHT_HEIGHT, look_up, reflection_map

f32 = np.float32

TABLE = 0.018  # brightness of what the part lies on; 1 is white
# Built-in parts: how they were made, and the axis of the lathe or of the brushing.
_FINISH = {"plate": ("brushed", 0), "ring": ("turned", 2), "bolt": ("turned", 0)}
# Brightness of a surface that mirrors nothing but light; of one lit from straight above; of one that mirrors the
# dark room, below and above the horizon.
_BRIGHT = 1.0
_DIFFUSE = 0.26
_FLOOR = 0.04
_ROOM = 0.13
# Facets across the streaks: tilt in units of the roughness, and share.
_FACETS = np.array([(-1.6, 0.11), (-0.8, 0.23), (0.0, 0.32), (0.8, 0.23), (1.6, 0.11)], f32)
# A mirror ray must rise at least so steeply to reach the light.
_LEAST_RISE = 0.02
_TURN_RADIUS = 20.0  # mm: streaks around an axis are as long there as along a line
_QUARTER = 1.5708  # radians


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
    along = round(0.025 + 0.02 * u[0], 5)
    across = round(0.06 + 0.06 * u[1], 5)
    return {
        **finish,
        "roughness": [along, across],
        "kind": kind,
        "axis": axis,
    }


class Lighting(NamedTuple):
    """All that the brightness of a point of a part depends on, beside the point; see `prepare_part`.

    Attributes
    ----------
    slopes, changes : ndarray of float32, (across, along)
        The two values of the streaks.
    turned : bool
        Whether the streaks run around the axis, or along it.
    axis : int
        0, 1 or 2.
    mirrored : ndarray of float32, (across, along)
        The values of a `ReflectionMap`.
    grid : ndarray of float32, (4,)
        Its start and step, (row, column) each.
    rotation : ndarray, (3, 3)
    move : ndarray, (3,)
        The pose of the part.
    light : ndarray, (3,)
        Center of the light, (x, y, z) in mm.
    spread : float
        Roughness across the streaks.
    reflectance : float
    """

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


class _Seen(NamedTuple):
    """A point of the part in the world while it is shaded, each (3,).

    `normal` is bent by the streak there, `across` is the direction across the streaks, `towards` that to the
    camera. `facet` is room for the normal of a facet.
    """

    point: np.ndarray
    normal: np.ndarray
    across: np.ndarray
    towards: np.ndarray
    facet: np.ndarray


def prepare_part(finish: dict, light: dict, pose: dict, pitch: float) -> Lighting:
    """Return a finish under a light, ready for `shade_part`.

    Parameters
    ----------
    finish, light, pose : dict
        As returned by `sample_finish`, `sample_light` and `sample_pose`.
    pitch : float
        Side of a sample, mm.

    Returns
    -------
    Lighting
    """
    table = streaks(finish, pitch)
    # The reflection map has no direction here: the facets across the streaks are summed point by point.
    fine, wide = finish["roughness"]
    mirrored = reflection_map(light, 0.0, (fine, fine))
    rotation, move = pose_matrix(pose)
    down, right = light["shift"]

    return Lighting(
        slopes=np.ascontiguousarray(table[..., 0]),
        changes=np.ascontiguousarray(table[..., 1]),
        turned=finish["kind"] == "turned",
        axis=finish["axis"],
        mirrored=mirrored.values,
        grid=np.array([*mirrored.start, *mirrored.step], f32),
        rotation=rotation,
        move=move,
        light=np.array([right, -down, LIGHT_HEIGHT]),
        spread=wide,
        reflectance=finish["reflectance"],
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
    return _shade(lighting, points, normals, reflectance.astype(f32))


@numba.njit(cache=True)
def _shade(lighting, points, normals, reflectance):
    """Return the brightness of points, float32 (n,)."""
    out = np.empty(len(points), f32)
    seen = _Seen(
        np.empty(3),
        np.empty(3),
        np.empty(3),
        np.empty(3),
        np.empty(3),
    )
    for i in range(len(points)):
        slope, change = _streak_at(lighting, points[i], normals[i], seen.across)
        _enter_world(lighting, points[i], normals[i], slope, seen)
        shine, up = _mirrored_by_facets(lighting, seen)

        horizon = min(max(0.5 + up, 0.0), 1.0)
        room = _FLOOR + (_ROOM - _FLOOR) * horizon
        diffuse = _DIFFUSE * _lit_from(lighting.light, seen)
        light = f32(room + diffuse + _BRIGHT * shine)
        out[i] = reflectance[i] * (f32(1) + change) * light
    return out


@numba.njit(cache=True)
def _streak_at(lighting, point, normal, across):
    """Return slope and change of reflectance at a point, and set the direction across, of length 1."""
    axis = lighting.axis
    second = (axis + 1) % 3
    third = (axis + 2) % 3
    u, v, across_axis, across_second, across_third = _place_in_streaks(
        point[axis],
        point[second],
        point[third],
        lighting.turned,
    )
    across[axis] = across_axis
    across[second] = across_second
    across[third] = across_third

    # along the surface: without the part that stands on it
    rise = across[0] * normal[0] + across[1] * normal[1] + across[2] * normal[2]
    square = 0.0
    for k in range(3):
        across[k] -= rise * normal[k]
        square += across[k] * across[k]
    length = max(square, 1e-12) ** 0.5
    _turn(lighting.rotation, across)
    for k in range(3):
        across[k] /= length

    height, width = lighting.slopes.shape
    row = f32(v / ACROSS + (height - 1) / 2)
    column = f32(u / ALONG + (width - 1) / 2)
    slope = look_up(lighting.slopes, row, column)
    change = look_up(lighting.changes, row, column)
    return slope, change


@numba.njit(cache=True)
def _place_in_streaks(a, b, c, turned):
    """Return the place along and across the streaks, and the direction across them, of any length."""
    if not turned:
        return a, b + c, 0.0, 1.0, 1.0

    radius = max((b * b + c * c) ** 0.5, 1e-9)
    # mirrored after half a turn, so that no seam shows
    around = abs(np.arctan2(c, b)) - _QUARTER
    return _TURN_RADIUS * around, radius + a, 1.0, b / radius, c / radius


@numba.njit(cache=True)
def _turn(rotation, vector):
    """Turn a vector in place."""
    x = vector[0]
    y = vector[1]
    z = vector[2]
    for k in range(3):
        row = rotation[k]
        vector[k] = row[0] * x + row[1] * y + row[2] * z


@numba.njit(cache=True)
def _enter_world(lighting, point, normal, slope, seen):
    """Set the point, its bent normal and the direction to the camera, in the world."""
    for k in range(3):
        seen.point[k] = point[k]
        seen.normal[k] = normal[k]
    _turn(lighting.rotation, seen.point)
    _turn(lighting.rotation, seen.normal)

    for k in range(3):
        seen.point[k] += lighting.move[k]
        seen.normal[k] -= slope * seen.across[k]
        seen.towards[k] = -seen.point[k]
    seen.towards[2] += CAMERA_DISTANCE

    square = 0.0
    for k in range(3):
        square += seen.towards[k] * seen.towards[k]
    for k in range(3):
        seen.towards[k] /= square**0.5


@numba.njit(cache=True)
def _lit_from(light, seen):
    """Return the cosine between the normal and the direction to the light; 0 where it looks away."""
    facing = 0.0
    square = 0.0
    for k in range(3):
        off = light[k] - seen.point[k]
        facing += seen.normal[k] * off
        square += off**2
    return max(facing / square**0.5, 0.0)


@numba.njit(cache=True)
def _mirrored_by_facets(lighting, seen):
    """Return the mean light that the facets mirror, and how far up their mirror rays point."""
    normal = seen.normal
    across = seen.across
    facet = seen.facet
    shine = f32(0)
    up = 0.0
    for j in range(len(_FACETS)):
        tilt = _FACETS[j, 0] * lighting.spread
        share = _FACETS[j, 1]
        square = 0.0
        for k in range(3):
            facet[k] = normal[k] - tilt * across[k]
            square += facet[k] * facet[k]
        for k in range(3):
            facet[k] /= square**0.5

        light, rise = _mirrored_light(lighting, seen)
        shine += share * light
        up += share * rise
    return shine, up


@numba.njit(cache=True)
def _mirrored_light(lighting, seen):
    """Return the light that a facet mirrors, and how far up its mirror ray points."""
    normal = seen.facet
    view = seen.towards
    point = seen.point
    facing = normal[0] * view[0] + normal[1] * view[1] + normal[2] * view[2]
    x = 2 * facing * normal[0] - view[0]
    y = 2 * facing * normal[1] - view[1]
    z = 2 * facing * normal[2] - view[2]
    if z < _LEAST_RISE:
        return f32(0), z

    # where the ray meets the plane of the light
    far = (LIGHT_HEIGHT - point[2]) / z
    down = f32(-(point[1] + far * y))
    right = f32(point[0] + far * x)
    grid = lighting.grid
    row = (down - grid[0]) / grid[2]
    column = (right - grid[1]) / grid[3]
    return look_up(lighting.mirrored, row, column), z
