"""Water stains at single points, compiled: which stain a point lies in, how deep, and what that changes."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.splitmix import mix
from synthgen.surface.chance import BOUND
from synthgen.surface.perlin import perlin3
from synthgen.surface.power import power

f32, u32, u64 = np.float32, np.uint32, np.uint64

MAX_CELL = 2**20  # cells are numbered from -MAX_CELL to MAX_CELL - 1 along each axis
# Variation inside the outline: this much finer than the outline, and at another place of the noise
GRAIN = 3.0
GRAIN_SHIFT = 0.37
_RIM = 0.14  # width of the drying ring, as a share of the radius
ABOVE_ONE = math.nextafter(1.0, 2.0)
_NEIGHBORS = 27  # a cell and those around it
# What `_enter` finds.
_READY, _NOT_FINITE, _BEYOND = 1, 0, -1


class Field(NamedTuple):
    """The numbers of a field, as compiled code takes them."""

    seed: np.uint64
    cell: float
    radius: float
    radius_span: float
    intensity: float
    intensity_span: float
    frequency: float
    amplitude: float
    half_decay: float
    heterogeneity: float
    ring: float


@numba.njit(cache=True)
def _share(bits):
    """Return a number in the open interval (0, 1) from 32 bits."""
    lower = np.float64(u32(bits))
    middle = lower + 0.5
    return middle * 2.0**-32


@numba.njit(cache=True)
def stain_of(field, i, j, k):
    """Return x, y, z of the center, radius and intensity of the stain of a cell."""
    root = mix(field.seed)
    root = mix(root + u64(i))
    root = mix(root + u64(j))
    root = mix(root + u64(k))
    first = mix(root)
    second = mix(root + u64(1))
    third = mix(root + u64(2))

    half = u64(32)
    x = i + _share(first)
    y = j + _share(first >> half)
    z = k + _share(second)
    larger = field.radius_span * _share(second >> half)
    brighter = field.intensity_span * _share(third)
    return (
        x * field.cell,
        y * field.cell,
        z * field.cell,
        field.radius + larger,
        field.intensity + brighter,
    )


@numba.njit(cache=True)
def stain_reach(field, radius):
    """Return the largest distance at which noise can put a point into a stain; a hair more, for rounding."""
    noise = abs(field.amplitude) * BOUND
    return (radius + noise) * (1 + 1e-9)


@numba.njit(cache=True, error_model="numpy")  # a radius of 0 is no error
def depth_of(x, y, z, radius):
    """Return (d / r')**2 for a point relative to the center; infinite where noise leaves no radius."""
    square = x * x + y * y + z * z
    share = square / (radius * radius)
    return share if radius > 0.0 else np.inf


@numba.njit(cache=True, error_model="numpy")  # as for `power`
def change_of(field, intensity, depth, grain):
    """Return what a stain adds to the reflectance at squared depth (d / r')**2 and grain noise."""
    change = intensity * power(depth, field.half_decay)

    if field.ring != 0.0:
        # from the outline inwards, 0 to 1 over the width of the ring
        away = 1.0 - math.sqrt(depth)
        inward = away * (1.0 / _RIM)
        inward = inward if inward < 1.0 else 1.0
        hump = 4.0 * inward * (1.0 - inward)
        change += field.ring * (hump * hump)

    return change * (1.0 + field.heterogeneity * grain)


@numba.njit(cache=True)
def fill_stains(field, cells, out):
    """Fill x, y, z of the center, radius and intensity of the stains of cells, (n, 5)."""
    for n in range(len(cells)):
        i, j, k = cells[n]
        x, y, z, radius, intensity = stain_of(field, i, j, k)
        out[n, 0] = x
        out[n, 1] = y
        out[n, 2] = z
        out[n, 3] = radius
        out[n, 4] = intensity


@numba.njit(cache=True)
def _fill_near(field, home, near):
    """Fill `near`, (27, 6), with center, radius, squared reach and intensity of a cell and those around it."""
    n = 0
    for i in range(home[0] - 1, home[0] + 2):
        for j in range(home[1] - 1, home[1] + 2):
            for k in range(home[2] - 1, home[2] + 2):
                x, y, z, radius, intensity = stain_of(field, i, j, k)
                stain = near[n]
                stain[0] = x
                stain[1] = y
                stain[2] = z
                stain[3] = radius
                reach = stain_reach(field, radius)
                stain[4] = reach**2
                stain[5] = intensity
                n += 1


@numba.njit(cache=True)
def _deepest(field, x, y, z, near):
    """Return which of the 27 stains covers a point, or -1, and (d / r')**2."""
    noise = f32(0)
    known = False
    chosen = -1
    least = ABOVE_ONE

    for n in range(_NEIGHBORS):
        dx = x - near[n, 0]
        dy = y - near[n, 1]
        dz = z - near[n, 2]
        square = dx * dx + dy * dy + dz * dz
        if square > near[n, 4]:
            continue

        if not known:
            noise = _outline_noise(field, x, y, z)
            known = True
        radius = near[n, 3] + field.amplitude * noise
        depth = depth_of(dx, dy, dz, radius)
        if depth < least:
            chosen = n
            least = depth
    return chosen, least


@numba.njit(cache=True)
def _outline_noise(field, x, y, z):
    """Return the noise that moves the outlines, at a point."""
    frequency = field.frequency
    return perlin3(
        frequency * x,
        frequency * y,
        frequency * z,
    )


@numba.njit(cache=True)
def _grain_noise(field, x, y, z):
    """Return the noise inside the outlines, at a point; 0 where the field has none."""
    if field.heterogeneity == 0.0:
        return f32(0)
    frequency = GRAIN * field.frequency
    return perlin3(
        frequency * x + GRAIN_SHIFT,
        frequency * y + GRAIN_SHIFT,
        frequency * z + GRAIN_SHIFT,
    )


@numba.njit(cache=True)
def _enter(field, x, y, z, home, near):
    """Make `near` right for a point; return whether it is, or that the point is not finite or beyond the grid."""
    i = math.floor(x / field.cell)
    j = math.floor(y / field.cell)
    k = math.floor(z / field.cell)
    finite = math.isfinite(x) and math.isfinite(y) and math.isfinite(z)
    if not finite:
        return _NOT_FINITE

    # One cell less, since the neighbors have numbers too
    farthest = max(abs(x), abs(y), abs(z))
    if farthest >= (MAX_CELL - 2) * field.cell:
        return _BEYOND

    # Points come in the order of pixels, mostly: neighbors are drawn again only where the cell changes
    moved = i != home[0] or j != home[1] or k != home[2]
    if moved:
        home[0] = i
        home[1] = j
        home[2] = k
        _fill_near(field, home, near)
    return _READY


@numba.njit(cache=True)
def _nowhere():
    """Return the cell of no point, and room for the stains around one."""
    home = np.full(3, 2 * MAX_CELL)
    near = np.empty((_NEIGHBORS, 6))
    return home, near


@numba.njit(cache=True)
def evaluate(field, points, reflectance, mask):
    """Add the stains in place; return whether all points lie on the grid."""
    home, near = _nowhere()
    for p in range(len(points)):
        x = points[p, 0]
        y = points[p, 1]
        z = points[p, 2]
        entered = _enter(field, x, y, z, home, near)
        if entered == _BEYOND:
            return False
        if entered == _NOT_FINITE:
            continue

        chosen, depth = _deepest(field, x, y, z, near)
        if chosen >= 0:
            grain = _grain_noise(field, x, y, z)
            reflectance[p] += change_of(field, near[chosen, 5], depth, grain)
            mask[p] = True
    return True


@numba.njit(cache=True)
def find(field, points, keys):
    """Write the packed cell of the covering stain of each point, or -1; return whether all lie on the grid."""
    home, near = _nowhere()
    for p in range(len(points)):
        x = points[p, 0]
        y = points[p, 1]
        z = points[p, 2]
        keys[p] = -1
        entered = _enter(field, x, y, z, home, near)
        if entered == _BEYOND:
            return False
        if entered == _NOT_FINITE:
            continue

        chosen, _ = _deepest(field, x, y, z, near)
        if chosen >= 0:
            keys[p] = _key_of_neighbor(home, chosen)
    return True


@numba.njit(cache=True)
def evaluate_given(field, stains, points, owners, reflectance):
    """Add given stains, (n, 5), in place; write which of them covers each point, or -1."""
    for p in range(len(points)):
        x = points[p, 0]
        y = points[p, 1]
        z = points[p, 2]
        owners[p] = -1
        finite = math.isfinite(x) and math.isfinite(y) and math.isfinite(z)
        if not finite:
            continue

        chosen, depth = _deepest_given(field, x, y, z, stains)
        if chosen >= 0:
            grain = _grain_noise(field, x, y, z)
            reflectance[p] += change_of(field, stains[chosen, 4], depth, grain)
            owners[p] = chosen


@numba.njit(cache=True)
def _deepest_given(field, x, y, z, stains):
    """Return which of some stains, (n, 5), covers a point, or -1, and (d / r')**2."""
    noise = _outline_noise(field, x, y, z)
    chosen = -1
    least = ABOVE_ONE
    for n in range(len(stains)):
        dx = x - stains[n, 0]
        dy = y - stains[n, 1]
        dz = z - stains[n, 2]
        radius = stains[n, 3] + field.amplitude * noise
        depth = depth_of(dx, dy, dz, radius)
        if depth < least:
            chosen = n
            least = depth
    return chosen, least


@numba.njit(cache=True)
def _key_of_neighbor(home, number):
    """Return the packed cell of one of the 27 cells around a point."""
    i = home[0] + number // 9 - 1
    j = home[1] + number // 3 % 3 - 1
    k = home[2] + number % 3 - 1
    first = i + MAX_CELL
    second = j + MAX_CELL
    third = k + MAX_CELL
    return first << 42 | second << 21 | third
