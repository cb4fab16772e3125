"""Shadows that a part throws on itself under a ring light.

The ring is looked at as `_LIGHTS` points. From each of them the nearest distance of the part is drawn once; a point
that lies farther away is in the shadow of what is nearer.
"""

from math import cos, pi, radians, sin
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.mesh.scene import depth_map, pose_matrix
from synthgen.surface.optics.light import INNER, LIGHT_HEIGHT, OUTER

_LIGHTS = 6
_SIZE = 512  # pixels along each side of a map of distances
_CENTER = _SIZE / 2 - 0.5  # row and column of the axis
_ROOM = 1.05  # the maps show this much more than the part
# What lies no deeper than this behind what is nearest is the same surface, mm.
_SAME = 0.35


class Shadows(NamedTuple):
    """Maps of distances from the points of a ring light.

    Attributes
    ----------
    depths : ndarray of float32, (lights, size, size)
        Nearest distance along the axis of each map, mm; infinite where there is nothing.
    turns : ndarray of float64, (lights, 3, 3)
        Rotations of the world that put each light on the z axis.
    distances : ndarray of float64, (lights,)
        Of the lights from the origin, mm.
    focals : ndarray of float64, (lights,)
        In pixels.
    """

    depths: np.ndarray
    turns: np.ndarray
    distances: np.ndarray
    focals: np.ndarray


def cast_shadows(mesh, pose: dict, light: dict) -> Shadows:
    """Return the shadows of a part under a light.

    Parameters
    ----------
    mesh : trimesh.Trimesh
        In millimeters.
    pose, light : dict
        As returned by `sample_pose` and `sample_light`.

    Returns
    -------
    Shadows

    Raises
    ------
    UsageError
        If the part reaches the light.
    """
    rotation, move = pose_matrix(pose)
    vertices = np.asarray(mesh.vertices)
    world = vertices @ rotation.T + move
    lengths = np.linalg.norm(world, axis=1)
    radius = float(lengths.max())
    field_of_view = 2 * _ROOM * radius

    depths = []
    turns = []
    places = _places_of(light)
    distances = np.linalg.norm(places, axis=1)
    for place, distance in zip(places, distances, strict=True):
        turn = _turn_to(place / distance)
        turned = world @ turn.T
        seen = depth_map(turned, mesh.faces, _SIZE, field_of_view, float(distance))
        depths.append(seen)
        turns.append(turn)

    return Shadows(
        depths=np.stack(depths),
        turns=np.stack(turns),
        distances=distances,
        focals=distances * _SIZE / field_of_view,
    )


def _places_of(light: dict) -> np.ndarray:
    """Return points of a ring light, (lights, 3) in mm."""
    down, right = light["shift"]
    middle = (INNER + OUTER) / 2 * light["scale"]
    places = []
    for number in range(_LIGHTS):
        around = 2 * pi * number / _LIGHTS
        angle = radians(light["rotation"]) + around
        x = right + middle * cos(angle)
        y = -down - middle * sin(angle)
        places.append((x, y, LIGHT_HEIGHT))
    return np.round(places, 9)


def _turn_to(direction: np.ndarray) -> np.ndarray:
    """Return the rotation, (3, 3), that turns a direction to the z axis."""
    across = np.cross((0.0, 1.0, 0.0), direction)
    across /= np.linalg.norm(across)
    up = np.cross(direction, across)
    return np.stack([across, up, direction])


@numba.njit(cache=True)
def lit_share(shadows, point):
    """Return the share of the lights that a point of the world, a tuple, sees; soft within a pixel of the maps."""
    depths = shadows.depths
    turns = shadows.turns
    total = 0.0
    for k in range(len(depths)):
        turn = turns[k]
        x = _along(turn[0], point)
        y = _along(turn[1], point)
        z = _along(turn[2], point)

        depth = shadows.distances[k] - z
        scale = shadows.focals[k] / depth
        row = _CENTER - y * scale
        column = _CENTER + x * scale
        total += _seen_around(depths[k], row, column, depth)
    return total / len(depths)


@numba.njit(cache=True)
def _along(axis, point):
    first = axis[0] * point[0]
    second = axis[1] * point[1]
    third = axis[2] * point[2]
    return first + second + third


@numba.njit(cache=True)
def _seen_around(depths, row, column, depth):
    """Return how much of the four pixels around a place has nothing nearer than a depth, by their distances."""
    most = _SIZE - 1.001
    row = min(max(row, 0.0), most)
    column = min(max(column, 0.0), most)
    r = int(row)
    c = int(column)
    below = row - r
    right = column - c

    nearest = depth - _SAME
    upper_left = depths[r, c] > nearest
    upper_right = depths[r, c + 1] > nearest
    lower_left = depths[r + 1, c] > nearest
    lower_right = depths[r + 1, c + 1] > nearest
    left = 1.0 - right
    above = 1.0 - below
    upper = upper_left * left + upper_right * right
    lower = lower_left * left + lower_right * right
    return upper * above + lower * below
