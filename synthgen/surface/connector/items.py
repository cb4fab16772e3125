"""The picture of a tray: its walls and floors, and the screws and washers that lie in it, with their shadows."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.chance import between, cosine_and_sine
from synthgen.surface.connector.plan import RIM
from synthgen.surface.connector.plate import facing, share_of
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


def solid_of(item: dict, pose) -> _Solid:
    """Return an item of a tray that lies in a pose."""
    x, y = pose.place(*item["at"])
    cosine, sine = cosine_and_sine(item["angle"])
    if item["kind"] == "washer":
        radius, inner = WASHERS[item["size"]]
        length = head = height = 0.0
    else:
        length, radius, head, height = SCREWS[item["size"]]
        inner = 0.0
    return _Solid(
        x=x,
        y=y,
        cosine=pose.cosine * cosine - pose.sine * sine,
        sine=pose.sine * cosine + pose.cosine * sine,
        length=length,
        left=item["left"],
        radius=radius,
        head=head,
        height=height,
        inner=inner,
        shade=item["shade"],
        bites=np.array(item["bites"], float).reshape(-1, 3),
    )


def floor_of(plastic: dict, pose, grid, shape: tuple[int, int], room) -> np.ndarray:
    """Return the picture of an empty tray, float32 (H, W)."""
    cells = [compartment(column, row) for row in (0, 1) for column in range(COLUMNS)]
    out = np.empty(shape, f32)
    place = tuple(plastic["place"])
    _empty_tray(np.array(cells), (plastic["tone"], plastic["grain"]), place, pose, grid, room, out)
    return out


def put(solid: _Solid, metal: np.ndarray, grid, room, picture: np.ndarray) -> np.ndarray:
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
    rise = _rise(solid)
    reach = solid.length / 2 + max(solid.radius, solid.head) + 2 * rise + _CONTACT + grid.pitch
    rows = _span(solid.y, reach, grid.top, grid.pitch, picture.shape[0])
    columns = _span(solid.x, reach, grid.left, grid.pitch, picture.shape[1])
    _put(solid, rise, metal, grid, room, (*rows, *columns), picture, touched)
    return touched


def _rise(solid: _Solid) -> float:
    """Return how far the shadow of an item falls, mm."""
    return 0.8 if solid.length == 0 else 1.1 * solid.radius


def _span(middle: float, reach: float, origin: float, pitch: float, size: int) -> tuple[int, int]:
    first = math.floor((middle - reach - origin) / pitch)
    last = math.ceil((middle + reach - origin) / pitch)
    return max(first, 0), min(last + 1, size)


@numba.njit(cache=True)
def _empty_tray(cells, plastic, place, pose, grid, room, out):
    height, width = out.shape
    tone, grain = plastic
    for r in range(height):
        for c in range(width):
            x = grid.left + c * grid.pitch - pose.x
            y = grid.top + r * grid.pitch - pose.y
            u = pose.cosine * x + pose.sine * y
            v = pose.cosine * y - pose.sine * x
            nap = perlin3(f32(3.1 * u + place[0]), f32(3.1 * v + place[1]), f32(place[2]))
            coarse = perlin3(f32(0.03 * x + place[1]), f32(0.03 * y + place[2]), f32(place[0]))
            surface = tone * (1 + grain * nap + 0.5 * coarse)

            outside, _, _ = _box(u, v, -HALF_U - WALL, -HALF_V - WALL, HALF_U + WALL, HALF_V + WALL)
            cover = share_of(0.5 - outside / grid.pitch)
            near = 1 - share_of(outside / _WALL_SHADOW)
            table = _TABLE * (1 - 0.7 * near * near) * (1 + 2 * grain * nap)
            if cover == 0:
                out[r, c] = table
                continue

            distance, along, across = _nearest_cell(cells, u, v)
            right = pose.cosine * along - pose.sine * across
            down = pose.sine * along + pose.cosine * across
            top = 1.3 * surface
            if outside > -_BEVEL:
                bent = share_of(1 + outside / _BEVEL)
                top *= 1 - 0.45 * bent
            if distance < 0:
                # the corner of floor and wall, and the wall's shadow
                corner = share_of(1 + distance / _DARK)
                toward_u = pose.cosine * room.x + pose.sine * room.y
                toward_v = pose.cosine * room.y - pose.sine * room.x
                lit, _, _ = _nearest_cell(cells, u + 3 * toward_u, v + 3 * toward_v)
                shadow = share_of(0.5 + lit / _WALL_SHADOW)
                floor = surface * (1 - 0.4 * corner * corner) * (1 - 0.5 * shadow)
                wall = surface * 0.75 * facing(room, -right, -down)
                steep = share_of(1 + distance / _BEVEL)
                floor += (steep > 0) * share_of(2 * steep) * (wall - floor)
                inside = share_of(0.5 - distance / grid.pitch)
                top += inside * (floor - top)
            out[r, c] = table + cover * (top - table)


@numba.njit(cache=True)
def _nearest_cell(cells, u, v):
    """Return the distance from the nearest compartment, below 0 within, and the direction away from its middle."""
    best = np.inf
    along = 0.0
    across = 0.0
    for k in range(len(cells)):
        distance, right, down = _box(u, v, cells[k, 0], cells[k, 1], cells[k, 2], cells[k, 3])
        if distance < best:
            best = distance
            along = right
            across = down
    return best, along, across


@numba.njit(cache=True)
def _box(u, v, left, top, right, bottom):
    """Return the distance from a box with round corners, and the direction away from its middle."""
    middle_u = (left + right) / 2
    middle_v = (top + bottom) / 2
    sign_u = 1.0 if u >= middle_u else -1.0
    sign_v = 1.0 if v >= middle_v else -1.0
    beyond_u = abs(u - middle_u) - (right - left) / 2 + _CORNER
    beyond_v = abs(v - middle_v) - (bottom - top) / 2 + _CORNER
    if beyond_u > 0 and beyond_v > 0:
        length = (beyond_u * beyond_u + beyond_v * beyond_v) ** 0.5
        return length - _CORNER, sign_u * beyond_u / length, sign_v * beyond_v / length
    if beyond_u > beyond_v:
        return beyond_u - _CORNER, sign_u, 0.0
    return beyond_v - _CORNER, 0.0, sign_v


@numba.njit(cache=True)
def _put(solid, rise, metal, grid, room, window, picture, touched):
    for r in range(window[0], window[1]):
        for c in range(window[2], window[3]):
            x = grid.left + c * grid.pitch - solid.x
            y = grid.top + r * grid.pitch - solid.y
            distance = _distance(solid, x, y)
            # what lies towards the light stands in its way
            away = _distance(solid, x + rise * room.x, y + rise * room.y)
            shadow = share_of(1 - away / rise)
            contact = share_of(1 - distance / _CONTACT)
            left = (1 - 0.5 * shadow * (2 - shadow)) * (1 - 0.45 * contact * contact)
            cover = share_of(0.5 - distance / grid.pitch)
            if left == 1 and cover == 0:
                continue

            touched[r, c] = True
            behind = picture[r, c] * left
            front = behind
            if cover > 0 and solid.length == 0:
                front = _flat(solid, x, y, distance, metal[r, c], room)
            elif cover > 0:
                front = _round(solid, x, y, metal[r, c], room)
            picture[r, c] = behind + cover * (front - behind)


@numba.njit(cache=True)
def _distance(solid, x, y):
    """Return the distance from the outline of an item, below 0 within, mm."""
    a = solid.cosine * x + solid.sine * y
    b = abs(solid.cosine * y - solid.sine * x)
    if solid.length == 0:
        middle = (x * x + y * y) ** 0.5
        distance = max(middle - solid.radius, solid.inner - middle)
        for k in range(len(solid.bites)):
            off_x = x - solid.bites[k, 0]
            off_y = y - solid.bites[k, 1]
            distance = max(distance, solid.bites[k, 2] - (off_x * off_x + off_y * off_y) ** 0.5)
        return distance

    # the shank with its tip, and the head
    from_head = a + solid.length / 2
    end = solid.left * solid.length
    to_tip = solid.length - from_head
    radius = min(solid.radius * _crest(from_head, solid.cosine * y - solid.sine * x), 0.25 + 0.55 * to_tip)
    if solid.left < 1:
        end += 0.6 * (_crest(3 * b, 0.0) - 1)
    shank = max(b - radius, max(from_head - end, solid.height / 2 - from_head))
    high = (solid.height - from_head) / solid.height
    wide = b / solid.head
    head = ((high * high + wide * wide) ** 0.5 - 1) * solid.height
    head = max(head, from_head - solid.height)
    return min(shank, head)


@numba.njit(cache=True, inline="always")
def _crest(along, across):
    """Return the radius of a thread as a share of its largest."""
    turn = _THREAD * (along + 0.3 * across)
    turn -= np.floor(turn)
    return 1 - _DEPTH * abs(2 * turn - 1)


@numba.njit(cache=True)
def _flat(solid, x, y, distance, metal, room):
    """Return the brightness of a washer."""
    middle = max((x * x + y * y) ** 0.5, 1e-9)
    front = metal * solid.shade
    rounded = share_of(1 + distance / RIM)
    outwards = 1.0 if middle > (solid.radius + solid.inner) / 2 else -1.0
    rim = room.reflectance * _RIM_LIGHT * facing(room, outwards * x / middle, outwards * y / middle)
    return front + rounded * rounded * (rim - front)


@numba.njit(cache=True)
def _round(solid, x, y, metal, room):
    """Return the brightness of a screw, by the slope of its surface."""
    a = solid.cosine * x + solid.sine * y
    b = solid.cosine * y - solid.sine * x
    from_head = a + solid.length / 2
    if from_head < solid.height:
        along = (from_head - solid.height) / solid.height
        across = b / solid.head
        steep = 0.0
    else:
        along = 0.0
        across = b / solid.radius
        turn = _THREAD * (from_head + 0.3 * b)
        turn -= np.floor(turn)
        steep = 0.55 if turn < 0.5 else -0.55

    across = min(max(across, -1.0), 1.0)
    along = min(max(along + steep * (1 - 0.4 * across * across), -1.0), 1.0)
    up = max(1 - across * across - along * along, 0.0)
    right = solid.cosine * along - solid.sine * across
    down = solid.sine * along + solid.cosine * across

    # the lamp above is mirrored by what lies flat, the room by what is steep
    lamp = share_of(1.6 * up - 0.6)
    light = 1.7 * metal * lamp * lamp
    light += room.reflectance * 0.32 * facing(room, right, down) * (1 - 0.6 * up)
    return light * solid.shade
