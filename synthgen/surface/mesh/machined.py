"""Machined metal on parts of any shape: streaks, and how they mirror a ring light.

The light, the streaks and the lobe are those of the plate. A plate has one direction of brushing and small slopes.
Here the normal is any, so each facet's mirror ray is followed to the plane of the light.
"""

from math import sqrt
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.mesh.scene import pose_matrix
from synthgen.surface.mesh.shadows import Shadows, lit_share
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
_ALONG_AXIS = 0.5  # sides whose normals have a smaller cosine with the axis lie along it


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
    grid : tuple of float32, (4,)
        Its start and step, (row, column) each.
    rotation : tuple of float, (3, 3)
    move : tuple of float, (3,)
        The pose of the part.
    light : tuple of float, (3,)
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
    grid: tuple
    rotation: tuple
    move: tuple
    light: tuple
    spread: float
    reflectance: float


class Facets(NamedTuple):
    """Points of a part to shade, in its own coordinates.

    Attributes
    ----------
    points, normals : ndarray of float64, (n, 3)
        Normals have a length of 1.
    sides : ndarray of float64, (n, 3)
        Normals that no defect has bent: they tell how a place was machined.
    flats : ndarray of bool, (n,)
        Whether a point lies on a flat side: those of a turned part that lie along its axis were milled.
    """

    points: np.ndarray
    normals: np.ndarray
    sides: np.ndarray
    flats: np.ndarray


class _Seen(NamedTuple):
    """A point of the part in the world while it is shaded; each is a tuple of three numbers.

    `normal` is bent by the streak there, `across` is the direction across the streaks, `towards` that to the
    camera.
    """

    point: tuple
    normal: tuple
    across: tuple
    towards: tuple


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
    grid = np.array([*mirrored.start, *mirrored.step], f32)
    rotation, move = pose_matrix(pose)
    down, right = light["shift"]

    return Lighting(
        slopes=np.ascontiguousarray(table[..., 0]),
        changes=np.ascontiguousarray(table[..., 1]),
        turned=finish["kind"] == "turned",
        axis=finish["axis"],
        mirrored=mirrored.values,
        grid=tuple(grid),
        rotation=tuple(tuple(row) for row in rotation.tolist()),
        move=tuple(move.tolist()),
        light=(float(right), float(-down), LIGHT_HEIGHT),
        spread=wide,
        reflectance=finish["reflectance"],
    )


def shade_part(lighting: Lighting, shadows: Shadows, facets: Facets) -> np.ndarray:
    """Return the brightness of points of a part.

    Parameters
    ----------
    lighting : Lighting
    shadows : Shadows
    facets : Facets

    Returns
    -------
    ndarray of float32, (n,)
        1 is white.
    """
    return _shade(lighting, shadows, facets)


@numba.njit(cache=True)
def _shade(lighting, shadows, facets):
    """Return the brightness of points, float32 (n,)."""
    points = facets.points
    normals = facets.normals
    sides = facets.sides
    flats = facets.flats
    reflectance = f32(lighting.reflectance)
    out = np.empty(len(points), f32)
    for i in range(len(points)):
        point = _vector(points, i)
        normal = _vector(normals, i)
        side = _vector(sides, i)
        milled = _is_milled(lighting, side, flats[i])
        across = _direction_across(lighting, point, normal, side, milled)
        slope, change = _streak_at(lighting, point, side, milled)
        seen = _in_world(lighting, point, normal, across, slope)
        shine, up = _mirrored_by_facets(lighting, seen)

        horizon = min(max(0.5 + up, 0.0), 1.0)
        room = _FLOOR + (_ROOM - _FLOOR) * horizon
        diffuse = _DIFFUSE * _lit_from(lighting.light, seen)
        lit = lit_share(shadows, seen.point)
        light = f32(room + lit * (diffuse + _BRIGHT * shine))
        brushed = f32(1) + change
        out[i] = reflectance * brushed * light
    return out


@numba.njit(cache=True, inline="always")
def _vector(vectors, number):
    """Return a row of a table as a tuple: the compiler keeps one in registers, and need not count it."""
    return (
        vectors[number, 0],
        vectors[number, 1],
        vectors[number, 2],
    )


@numba.njit(cache=True, inline="always")
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True, inline="always")
def _minus(a, share, b):
    """Return a vector less a share of another."""
    return (
        a[0] - share * b[0],
        a[1] - share * b[1],
        a[2] - share * b[2],
    )


@numba.njit(cache=True, inline="always")
def _divided(vector, length):
    return (
        vector[0] / length,
        vector[1] / length,
        vector[2] / length,
    )


@numba.njit(cache=True)
def _is_milled(lighting, side, flat):
    """Return whether a point lies on a side along the axis of a turned part that no lathe made."""
    along, _, _ = _from_axis(side, lighting.axis)
    return lighting.turned and flat and abs(along) < _ALONG_AXIS


@numba.njit(cache=True)
def _streak_at(lighting, point, side, milled):
    """Return slope and change of reflectance at a point."""
    a, b, c = _from_axis(point, lighting.axis)
    u = a
    v = b + c
    if milled:
        # along the axis; each side of its own
        _, right, up = _from_axis(side, lighting.axis)
        v = right * c - up * b + 23.0 * right + 11.0 * up
    elif lighting.turned:
        # mirrored after half a turn, so that no seam shows
        around = abs(np.arctan2(c, b)) - _QUARTER
        u = _TURN_RADIUS * around
        v = _radius(b, c) + a

    slopes = lighting.slopes
    height, width = slopes.shape
    row = f32(v / ACROSS + (height - 1) / 2)
    column = f32(u / ALONG + (width - 1) / 2)
    slope = look_up(slopes, row, column)
    change = look_up(lighting.changes, row, column)
    return slope, change


@numba.njit(cache=True)
def _in_world(lighting, point, normal, across, slope):
    """Return a point with its bent normal and the direction to the camera, in the world."""
    place = _turn(lighting.rotation, point)
    place = (
        place[0] + lighting.move[0],
        place[1] + lighting.move[1],
        place[2] + lighting.move[2],
    )
    upright = _turn(lighting.rotation, normal)
    towards = (
        -place[0],
        -place[1],
        -place[2] + CAMERA_DISTANCE,
    )
    distance = sqrt(_dot(towards, towards))
    return _Seen(
        point=place,
        normal=_minus(upright, slope, across),
        across=across,
        towards=_divided(towards, distance),
    )


@numba.njit(cache=True, inline="always")
def _turn(rotation, vector):
    """Return a turned vector."""
    return (
        _dot(rotation[0], vector),
        _dot(rotation[1], vector),
        _dot(rotation[2], vector),
    )


@numba.njit(cache=True)
def _from_axis(vector, axis):
    """Return the coordinates of a vector from an axis on, in turn."""
    if axis == 0:
        return vector
    if axis == 1:
        return vector[1], vector[2], vector[0]
    return vector[2], vector[0], vector[1]


@numba.njit(cache=True)
def _direction_across(lighting, point, normal, side, milled):
    """Return the direction across the streaks at a point, in the world and of length 1."""
    away = (0.0, 1.0, 1.0)
    if milled:
        _, right, up = _from_axis(side, lighting.axis)
        away = (0.0, -up, right)
    elif lighting.turned:
        _, b, c = _from_axis(point, lighting.axis)
        radius = _radius(b, c)
        away = (1.0, b / radius, c / radius)
    away = _from_axis(away, (3 - lighting.axis) % 3)

    # along the surface: without the part that stands on it
    rise = _dot(away, normal)
    across = _minus(away, rise, normal)
    length = sqrt(max(_dot(across, across), 1e-12))
    return _divided(_turn(lighting.rotation, across), length)


@numba.njit(cache=True, inline="always")
def _radius(b, c):
    """Return the distance from the axis of the lathe, never 0."""
    return max(sqrt(b * b + c * c), 1e-9)


@numba.njit(cache=True)
def _lit_from(light, seen):
    """Return the cosine between the normal and the direction to the light; 0 where it looks away."""
    off = _minus(light, 1.0, seen.point)
    facing = _dot(seen.normal, off)
    distance = sqrt(_dot(off, off))
    return max(facing / distance, 0.0)


@numba.njit(cache=True)
def _mirrored_by_facets(lighting, seen):
    """Return the mean light that the facets mirror, and how far up their mirror rays point."""
    mirrored = lighting.mirrored
    grid = lighting.grid
    shine = f32(0)
    up = 0.0
    for j in range(len(_FACETS)):
        tilt = _FACETS[j, 0] * lighting.spread
        share = _FACETS[j, 1]
        facet = _minus(seen.normal, tilt, seen.across)
        length = sqrt(_dot(facet, facet))
        normal = _divided(facet, length)

        light, rise = _mirrored_light(mirrored, grid, normal, seen)
        shine += share * light
        up += share * rise
    return shine, up


@numba.njit(cache=True)
def _mirrored_light(mirrored, grid, normal, seen):
    """Return the light that a facet with a normal mirrors, and how far up its mirror ray points."""
    view = seen.towards
    point = seen.point
    twice = 2 * _dot(normal, view)
    x = twice * normal[0] - view[0]
    y = twice * normal[1] - view[1]
    z = twice * normal[2] - view[2]
    if z < _LEAST_RISE:
        return f32(0), z

    # where the ray meets the plane of the light
    far = (LIGHT_HEIGHT - point[2]) / z
    down = f32(-(point[1] + far * y))
    right = f32(point[0] + far * x)
    row = (down - grid[0]) / grid[2]
    column = (right - grid[1]) / grid[3]
    return look_up(mirrored, row, column), z
