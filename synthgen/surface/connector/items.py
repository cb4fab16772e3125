"""The picture of a tray: its walls and floors, and the screws and washers that lie in it, with their shadows."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.chance import between, cosine_and_sine
from synthgen.surface.connector.plan import RIM
from synthgen.surface.connector.plate import (
    Grid,
    Pose,
    Room,
    discs_in,
    facing,
    length_of,
    rounded_box,
    share_of,
    turned,
    unturned,
)
from synthgen.surface.connector.tray import COLUMNS, HALF_U, HALF_V, SCREWS, WALL, WASHERS, compartment
from synthgen.surface.perlin import perlin3

f32 = np.float32

# Radius of the corners of a compartment, and how wide its walls are rounded, mm.
_CORNER = 2.5
_BEVEL = 1.1
# How far the corners of a floor are darker, and the shadow of a wall reaches, mm.
_DARK = 8.0
_WALL_SHADOW = 4.0
# The table under the tray.
_TABLE = 0.05
# How far the light of the room goes around an item, mm.
_CONTACT = 0.9
# Crests of a thread a mm, and how deep they are as a share of the radius.
_THREAD = 1.15
_DEPTH = 0.13
# Slope of the flanks of a thread.
_STEEP = 0.55
# A thin rim and a steep flank get so much of the room's light.
_RIM_LIGHT = 0.62


def sample_plastic(rng: np.random.Generator) -> dict:
    """Draw the plastic of a tray.

    Returns
    -------
    dict
        ``tone``, its brightness (1 is white); ``grain``, how much that varies; ``place``, where in the noise.
    """
    return {
        "tone": between(rng, 0.13, 0.25),
        "grain": between(rng, 0.05, 0.14),
        "place": [between(rng, 1, 90) for _ in range(3)],
    }


class _Solid(NamedTuple):
    """An item as compiled code takes it: it lies at (x, y) with its first axis along (cosine, sine).

    A washer has no length; `inner` is the radius of its hole. A screw has `left` of its length.
    """

    x: float
    y: float
    cosine: float
    sine: float
    length: float
    left: float
    radius: float
    head: float
    height: float
    inner: float
    shade: float
    bites: np.ndarray


class _Tray(NamedTuple):
    """An empty tray as compiled code takes it: its floors, (6, 4), its plastic, and how it lies in what light."""

    cells: np.ndarray
    tone: float
    grain: float
    place: tuple[float, float, float]
    pose: Pose
    grid: Grid
    room: Room


def solid_of(item: dict, pose: Pose) -> _Solid:
    """Return an item of a tray that lies in a pose."""
    x, y = pose.place(*item["at"])
    own = cosine_and_sine(item["angle"])
    cosine, sine = turned(pose, *own)
    if item["kind"] == "washer":
        radius, inner = WASHERS[item["size"]]
        length = head = height = 0.0
    else:
        length, radius, head, height = SCREWS[item["size"]]
        inner = 0.0

    return _Solid(
        x=x,
        y=y,
        cosine=cosine,
        sine=sine,
        length=length,
        left=item["left"],
        radius=radius,
        head=head,
        height=height,
        inner=inner,
        shade=item["shade"],
        bites=discs_in(item["bites"]),
    )


def floor_of(plastic: dict, pose: Pose, grid: Grid, shape: tuple[int, int], room: Room) -> np.ndarray:
    """Return the picture of an empty tray, float32 (H, W)."""
    cells = [compartment(column, row) for row in (0, 1) for column in range(COLUMNS)]
    tray = _Tray(
        cells=np.array(cells),
        tone=plastic["tone"],
        grain=plastic["grain"],
        place=tuple(plastic["place"]),
        pose=pose,
        grid=grid,
        room=room,
    )
    out = np.empty(shape, f32)
    _empty_tray(tray, out)
    return out


def put(solid: _Solid, metal: np.ndarray, grid: Grid, room: Room, picture: np.ndarray) -> np.ndarray:
    """Lay an item into a picture of a tray; return the pixels that it changed, bool (H, W).

    Parameters
    ----------
    solid : _Solid
    metal : ndarray of float32, (H, W)
        Brightness of flat metal.
    grid : Grid
    room : Room
    picture : ndarray of float32, (H, W)
        Changed in place.
    """
    touched = np.zeros(picture.shape, bool)
    height, width = picture.shape
    rise = _rise(solid)
    half = solid.length / 2 + max(solid.radius, solid.head)
    reach = half + 2 * rise + _CONTACT + grid.pitch
    rows = _span(solid.y - grid.top, reach, grid.pitch, height)
    columns = _span(solid.x - grid.left, reach, grid.pitch, width)
    _put(solid, rise, metal, grid, room, (rows, columns), picture, touched)
    return touched


def _rise(solid: _Solid) -> float:
    """Return how far the shadow of an item falls, mm."""
    return 0.8 if solid.length == 0 else 1.1 * solid.radius


def _span(middle: float, reach: float, pitch: float, size: int) -> tuple[int, int]:
    """Return the first pixel within reach of a place, and the one after the last."""
    first = math.floor((middle - reach) / pitch)
    last = math.ceil((middle + reach) / pitch)
    return max(first, 0), min(last + 1, size)


@numba.njit(cache=True)
def _empty_tray(tray, out):
    """Fill a picture with an empty tray on its table."""
    grid = tray.grid
    pose = tray.pose
    height, width = out.shape
    for r in range(height):
        y = grid.top + r * grid.pitch - pose.y
        for c in range(width):
            x = grid.left + c * grid.pitch - pose.x
            u, v = unturned(pose, x, y)
            nap = _noise(tray.place, 3.1 * u, 3.1 * v)
            outside, _, _ = rounded_box(u, v, HALF_U + WALL, HALF_V + WALL, _CORNER)
            cover = share_of(0.5 - outside / grid.pitch)

            # the table, and the shadow on it
            near = 1 - share_of(outside / _WALL_SHADOW)
            darker = 1 - 0.7 * near * near
            table = _TABLE * darker * (1 + 2 * tray.grain * nap)
            out[r, c] = table
            if cover == 0:
                continue

            coarse = _noise(tray.place, 0.03 * x, 0.03 * y)
            surface = tray.tone * (1 + tray.grain * nap + 0.5 * coarse)
            plastic = _plastic_at(tray, surface, u, v, outside)
            out[r, c] = table + cover * (plastic - table)


@numba.njit(cache=True, inline="always")
def _noise(place, x, y):
    shift_x, shift_y, height = place
    return perlin3(f32(x + shift_x), f32(y + shift_y), f32(height))


@numba.njit(cache=True)
def _plastic_at(tray, surface, u, v, outside):
    """Return the brightness of a point of the tray: the top of a wall, its flank, or a floor."""
    top = 1.3 * surface
    if outside > -_BEVEL:
        bent = share_of(1 + outside / _BEVEL)
        top *= 1 - 0.45 * bent
    distance, along, across = _nearest_cell(tray.cells, u, v)
    if distance >= 0:
        return top

    # the corner of floor and wall, and the shadow of a wall
    room = tray.room
    toward_u, toward_v = unturned(tray.pose, room.x, room.y)
    lit, _, _ = _nearest_cell(tray.cells, u + 3 * toward_u, v + 3 * toward_v)
    corner = share_of(1 + distance / _DARK)
    shadow = share_of(0.5 + lit / _WALL_SHADOW)
    floor = surface * (1 - 0.4 * corner * corner)
    floor *= 1 - 0.5 * shadow

    # the flank of the wall
    right, down = turned(tray.pose, along, across)
    wall = 0.75 * surface * facing(room, -right, -down)
    steep = share_of(1 + distance / _BEVEL)
    floor += share_of(2 * steep) * (wall - floor)
    inside = share_of(0.5 - distance / tray.grid.pitch)
    return top + inside * (floor - top)


@numba.njit(cache=True)
def _nearest_cell(cells, u, v):
    """Return the distance from the nearest compartment, below 0 within, and the direction away from its middle."""
    nearest = (np.inf, 0.0, 0.0)
    for k in range(len(cells)):
        left, top, right, bottom = cells[k]
        half_u = (right - left) / 2
        half_v = (bottom - top) / 2
        edge = rounded_box(u - left - half_u, v - top - half_v, half_u, half_v, _CORNER)
        if edge[0] < nearest[0]:
            nearest = edge
    return nearest


@numba.njit(cache=True)
def _put(solid, rise, metal, grid, room, window, picture, touched):
    """Lay an item and its shadow into the rows and columns of a window."""
    rows, columns = window
    for r in range(rows[0], rows[1]):
        y = grid.top + r * grid.pitch - solid.y
        for c in range(columns[0], columns[1]):
            x = grid.left + c * grid.pitch - solid.x
            distance = _distance(solid, x, y)
            # what lies towards the light stands in its way
            away = _distance(solid, x + rise * room.x, y + rise * room.y)
            shadow = share_of(1 - away / rise)
            contact = share_of(1 - distance / _CONTACT)
            left = 1 - 0.5 * shadow * (2 - shadow)
            left *= 1 - 0.45 * contact * contact
            cover = share_of(0.5 - distance / grid.pitch)
            if left == 1 and cover == 0:
                continue

            touched[r, c] = True
            behind = picture[r, c] * left
            front = behind
            if cover > 0 and solid.length == 0:
                front = _washer_at(solid, x, y, distance, metal[r, c], room)
            elif cover > 0:
                front = _screw_at(solid, x, y, metal[r, c], room)
            picture[r, c] = behind + cover * (front - behind)


@numba.njit(cache=True)
def _distance(solid, x, y):
    """Return the distance from the outline of an item, below 0 within, mm."""
    if solid.length == 0:
        return _distance_from_washer(solid, x, y)
    along, across = unturned(solid, x, y)
    return _distance_from_screw(solid, along + solid.length / 2, across)


@numba.njit(cache=True)
def _distance_from_washer(solid, x, y):
    middle = length_of(x, y)
    distance = max(middle - solid.radius, solid.inner - middle)
    bites = solid.bites
    for k in range(len(bites)):
        off_x = x - bites[k, 0]
        off_y = y - bites[k, 1]
        inside = bites[k, 2] - length_of(off_x, off_y)
        distance = max(distance, inside)
    return distance


@numba.njit(cache=True)
def _distance_from_screw(solid, from_head, across):
    """Return the distance of a point `from_head` along the screw and `across` from its axis."""
    off = abs(across)

    # the shank, its thread and its tip
    to_tip = solid.length - from_head
    thread = solid.radius * _crest(from_head, across)
    tip = 0.25 + 0.55 * to_tip
    end = solid.left * solid.length
    if solid.left < 1:
        jagged = _crest(3 * off, 0.0) - 1
        end += 0.6 * jagged
    ends = max(from_head - end, solid.height / 2 - from_head)
    shank = max(off - min(thread, tip), ends)

    # the head, half an ellipse
    high = (solid.height - from_head) / solid.height
    wide = off / solid.head
    head = (length_of(high, wide) - 1) * solid.height
    head = max(head, from_head - solid.height)
    return min(shank, head)


@numba.njit(cache=True, inline="always")
def _turn_of_thread(along, across):
    """Return where in a turn of the thread a point lies, 0 to 1."""
    turn = _THREAD * (along + 0.3 * across)
    return turn - np.floor(turn)


@numba.njit(cache=True, inline="always")
def _crest(along, across):
    """Return the radius of a thread as a share of its largest."""
    turn = _turn_of_thread(along, across)
    return 1 - _DEPTH * abs(2 * turn - 1)


@numba.njit(cache=True)
def _washer_at(solid, x, y, distance, metal, room):
    """Return the brightness of a point of a washer."""
    front = metal * solid.shade
    middle = max(length_of(x, y), 1e-9)
    between_edges = (solid.radius + solid.inner) / 2
    outwards = 1.0 if middle > between_edges else -1.0
    right = outwards * x / middle
    down = outwards * y / middle

    rounded = share_of(1 + distance / RIM)
    rim = room.reflectance * _RIM_LIGHT * facing(room, right, down)
    return front + rounded * rounded * (rim - front)


@numba.njit(cache=True)
def _screw_at(solid, x, y, metal, room):
    """Return the brightness of a point of a screw, by the slope of its surface."""
    along, across = unturned(solid, x, y)
    from_head = along + solid.length / 2
    if from_head < solid.height:
        slope_along = (from_head - solid.height) / solid.height
        slope_across = _bounded(across / solid.head)
    else:
        slope_across = _bounded(across / solid.radius)
        steep = _STEEP if _turn_of_thread(from_head, across) < 0.5 else -_STEEP
        slope_along = steep * (1 - 0.4 * slope_across * slope_across)
    slope_along = _bounded(slope_along)

    square = slope_across * slope_across + slope_along * slope_along
    up = max(1 - square, 0.0)
    right, down = turned(solid, slope_along, slope_across)

    # the lamp above is mirrored by what lies flat, the room by what is steep
    lamp = share_of(1.6 * up - 0.6)
    light = 1.7 * metal * lamp * lamp
    flank = facing(room, right, down) * (1 - 0.6 * up)
    light += 0.32 * room.reflectance * flank
    return light * solid.shade


@numba.njit(cache=True, inline="always")
def _bounded(slope):
    return min(max(slope, -1.0), 1.0)
