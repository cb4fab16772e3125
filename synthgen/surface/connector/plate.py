"""The picture of a flat connector: its outline and holes, rounded rims, walls of holes, and shadow on the cloth."""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.chance import cosine_and_sine
from synthgen.surface.connector.plan import CORNER, HALF_LENGTH, HALF_WIDTH, RIM, THICKNESS
from synthgen.surface.optics.light import CAMERA_DISTANCE

f32 = np.float32

# How far the shadow reaches over the cloth, mm, and what is left of its light under the plate.
_SHADOW = 1.6
_IN_SHADOW = 0.35
# A hole shows the cloth below, with this share of its light.
_IN_HOLE = 0.3
# Brightness of a rim and of a wall that face neither the room's light nor away from it, and how much that matters.
_RIM_LIGHT = 0.6
_WALL_LIGHT = 0.34
_FACING = 0.85
# A bottom edge, farther from the camera, is seen as much smaller.
_BELOW = CAMERA_DISTANCE / (CAMERA_DISTANCE + THICKNESS)


class Outline(NamedTuple):
    """The shape of a plate, as compiled code takes it.

    Attributes
    ----------
    holes : ndarray of float64, (n, 3)
        (u, v, radius), mm.
    bites : ndarray of float64, (m, 3)
        Discs that are broken out.
    cut : ndarray of float64, (3,)
        (a, b, c): what lies beyond a u + b v = c is cut off.
    """

    holes: np.ndarray
    bites: np.ndarray
    cut: np.ndarray


class Pose(NamedTuple):
    """How a part lies: cosine and sine of its turn, and its middle (x, y), mm."""

    cosine: float
    sine: float
    x: float
    y: float

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Return (x, y) of a point (u, v) of the part."""
        x = self.x + self.cosine * u - self.sine * v
        y = self.y + self.sine * u + self.cosine * v
        return x, y


class Grid(NamedTuple):
    """Where pixels lie, mm: x and y of the first one, and the side of a pixel."""

    left: float
    top: float
    pitch: float


class Room(NamedTuple):
    """The direction from which the room is lit, (x, y) of length 1, and the reflectance of the metal."""

    x: float
    y: float
    reflectance: float


class Edges(NamedTuple):
    """The edge nearest to each pixel; all float32 (H, W).

    Attributes
    ----------
    distance : ndarray
        From it, mm; below 0 on the metal.
    right, down : ndarray
        Direction away from the metal, of length 1.
    hole : ndarray of int16
        The number of the hole whose edge it is, -1 for the outer edge.
    """

    distance: np.ndarray
    right: np.ndarray
    down: np.ndarray
    hole: np.ndarray


def outline_of(plate: dict) -> Outline:
    """Return the shape of a plate, as returned by `synthgen.surface.connector.plan.sample_plate`."""
    holes = [[*hole["at"], hole["radius"]] for hole in plate["holes"]]
    nothing = (1.0, 0.0, 10 * HALF_LENGTH)
    cut = plate["cut"] or nothing
    return Outline(
        holes=discs_in(holes),
        bites=discs_in(plate["bites"]),
        cut=np.array(cut, float),
    )


def discs_in(discs: list) -> np.ndarray:
    """Return discs (u, v, radius) as an array, (n, 3), also where there are none."""
    return np.array(discs, float).reshape(-1, 3)


def pose_of(pose: dict) -> Pose:
    """Return a pose with ``angle`` in degrees and ``at``, (x, y) in mm."""
    x, y = pose["at"]
    return Pose(*cosine_and_sine(pose["angle"]), x, y)


def grid_of(view) -> Grid:
    """Return where the pixels of a view lie."""
    top, left = view.corner
    return Grid(left, top, view.pitch)


def edges_of(outline: Outline, pose: Pose, grid: Grid, shape: tuple[int, int]) -> Edges:
    """Return the edge nearest to each pixel, (H, W)."""
    edges = Edges(
        distance=np.empty(shape, f32),
        right=np.empty(shape, f32),
        down=np.empty(shape, f32),
        hole=np.empty(shape, np.int16),
    )
    _measure(outline, pose, grid, edges)
    return edges


def changed_between(before: Edges, after: Edges, pitch: float) -> np.ndarray:
    """Return the pixels that may look different, bool (H, W), of two shapes of a plate.

    An edge shows in its rim, in a pixel more for the smooth outline, and in its shadow.
    """
    differs = before.distance != after.distance
    outermost = np.maximum(before.distance, after.distance)
    innermost = np.minimum(before.distance, after.distance)
    shows = (outermost > -(RIM + pitch)) & (innermost < _SHADOW + pitch)
    # Within a hole every point shows the shadow and the wall
    holes = (before.hole >= 0) | (after.hole >= 0)
    return differs & (shows | (holes & (outermost > 0)))


def lay(surfaces: tuple, outline: Outline, edges: Edges, where: tuple, room: Room) -> np.ndarray:
    """Return a picture of a plate on cloth, float32 (H, W).

    Parameters
    ----------
    surfaces : (ndarray, ndarray)
        Brightness of the metal and of the cloth, wherever they may be seen; float32 (H, W).
    outline : Outline
    edges : Edges
    where : (Pose, Grid)
    room : Room
    """
    metal, _ = surfaces
    out = np.empty_like(metal)
    _lay(surfaces, outline, edges, where, room, out)
    return out


@numba.njit(cache=True)
def _measure(outline, pose, grid, edges):
    """Fill the edges of a plate."""
    height, width = edges.distance.shape
    for r in range(height):
        y = grid.top + r * grid.pitch - pose.y
        for c in range(width):
            x = grid.left + c * grid.pitch - pose.x
            u, v = unturned(pose, x, y)
            nearest = _outer_edge(outline, u, v)
            number = -1
            if nearest[0] < 0:
                nearest, number = _with_holes(outline.holes, u, v, nearest)

            distance, along, across = nearest
            right, down = turned(pose, along, across)
            edges.distance[r, c] = distance
            edges.right[r, c] = right
            edges.down[r, c] = down
            edges.hole[r, c] = number


@numba.njit(cache=True, inline="always")
def turned(pose, u, v):
    """Return a direction of the part in the image, (x, y)."""
    x = pose.cosine * u - pose.sine * v
    y = pose.sine * u + pose.cosine * v
    return x, y


@numba.njit(cache=True, inline="always")
def unturned(pose, x, y):
    """Return a direction of the image in the part, (u, v)."""
    u = pose.cosine * x + pose.sine * y
    v = pose.cosine * y - pose.sine * x
    return u, v


@numba.njit(cache=True)
def _outer_edge(outline, u, v):
    """Return the distance from the outer edge, below 0 on the metal, and the direction away from the metal."""
    distance, along, across = rounded_box(u, v, HALF_LENGTH, HALF_WIDTH, CORNER)
    a, b, c = outline.cut
    beyond = a * u + b * v - c
    if beyond > distance:
        distance = beyond
        along = a
        across = b

    bites = outline.bites
    for k in range(len(bites)):
        inside, right, down = _hole(u, v, bites[k])
        if inside > distance:
            distance = inside
            along = right
            across = down
    return distance, along, across


@numba.njit(cache=True)
def _with_holes(holes, u, v, nearest):
    """Return the nearest edge, that of a hole where one is nearer, and the number of the hole or -1."""
    number = -1
    for k in range(len(holes)):
        edge = _hole(u, v, holes[k])
        if edge[0] > nearest[0]:
            nearest = edge
            number = k
    return nearest, number


@numba.njit(cache=True, inline="always")
def rounded_box(u, v, half_length, half_width, corner):
    """Return the distance from a box with round corners, below 0 within, and the direction away from its middle."""
    beyond_u = abs(u) - (half_length - corner)
    beyond_v = abs(v) - (half_width - corner)
    sign_u = 1.0 if u >= 0 else -1.0
    sign_v = 1.0 if v >= 0 else -1.0

    if beyond_u > 0 and beyond_v > 0:
        length = length_of(beyond_u, beyond_v)
        along = sign_u * beyond_u / length
        across = sign_v * beyond_v / length
        return length - corner, along, across
    if beyond_u > beyond_v:
        return beyond_u - corner, sign_u, 0.0
    return beyond_v - corner, 0.0, sign_v


@numba.njit(cache=True, inline="always")
def length_of(x, y):
    """Return the length of a vector."""
    square = x * x + y * y
    return square**0.5


@numba.njit(cache=True, inline="always")
def _hole(u, v, disc):
    """Return how far within a disc a point lies, and the direction to its middle."""
    off_u = disc[0] - u
    off_v = disc[1] - v
    length = max(length_of(off_u, off_v), 1e-9)
    inside = disc[2] - length
    return inside, off_u / length, off_v / length


@numba.njit(cache=True, inline="always")
def share_of(value):
    """Return a number bounded to 0..1."""
    return min(max(value, 0.0), 1.0)


@numba.njit(cache=True, inline="always")
def facing(room, right, down):
    """Return how much a steep flank that looks in a direction gets of the room's light; 1 on average."""
    towards = right * room.x + down * room.y
    return 1 + _FACING * towards


@numba.njit(cache=True)
def _lay(surfaces, outline, edges, where, room, out):
    metal, cloth = surfaces
    pose, grid = where
    height, width = out.shape
    for r in range(height):
        y = grid.top + r * grid.pitch
        for c in range(width):
            x = grid.left + c * grid.pitch
            distance = edges.distance[r, c]
            number = edges.hole[r, c]
            flank = facing(room, edges.right[r, c], edges.down[r, c])

            cover = share_of(0.5 - distance / grid.pitch)
            behind = f32(0)
            if cover < 1 and number < 0:
                near = 1 - share_of(distance / _SHADOW)
                taken = (1 - _IN_SHADOW) * near * near
                behind = cloth[r, c] * (1 - taken)
            elif cover < 1:
                below = _wall_cover(outline.holes[number], pose, grid.pitch, x, y)
                wall = room.reflectance * _WALL_LIGHT * flank
                behind = cloth[r, c] * _IN_HOLE
                behind += below * (wall - behind)

            front = metal[r, c]
            rounded = share_of(1 + distance / RIM)
            if rounded > 0:
                rim = room.reflectance * _RIM_LIGHT * flank
                front += rounded * rounded * (rim - front)
            out[r, c] = behind + cover * (front - behind)


@numba.njit(cache=True)
def _wall_cover(hole, pose, pitch, x, y):
    """Return how much of a pixel in a hole shows the wall: what lies beyond the bottom edge."""
    u, v, radius = hole
    right, down = turned(pose, u, v)
    off_x = x - _BELOW * (pose.x + right)
    off_y = y - _BELOW * (pose.y + down)
    beyond = length_of(off_x, off_y) - _BELOW * radius
    return share_of(0.5 + beyond / pitch)
