"""Water stains at single points, compiled: which stain a point lies in, how deep, and what that changes."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.splitmix import mix
from synthgen.surface.perlin import BOUND, perlin3
from synthgen.surface.power import power

f32, u32, u64 = np.float32, np.uint32, np.uint64

MAX_CELL = 2**20  # cells are numbered from -MAX_CELL to MAX_CELL - 1 along each axis
# Variation inside the outline: this much finer than the outline, and at another place of the noise
GRAIN, GRAIN_SHIFT = 3.0, 0.37
_RIM = 0.14  # width of the drying ring, as a share of the radius
ABOVE_ONE = math.nextafter(1.0, 2.0)


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
    return (np.float64(u32(bits)) + 0.5) * 2.0**-32


@numba.njit(cache=True)
def stain_of(field, i, j, k):
    """Return x, y, z of the centre, radius and intensity of the stain of a cell."""
    root = mix(mix(mix(mix(field.seed) + u64(i)) + u64(j)) + u64(k))
    first, second, third = mix(root), mix(root + u64(1)), mix(root + u64(2))
    return (
        (i + _share(first)) * field.cell,
        (j + _share(first >> u64(32))) * field.cell,
        (k + _share(second)) * field.cell,
        field.radius + field.radius_span * _share(second >> u64(32)),
        field.intensity + field.intensity_span * _share(third),
    )


@numba.njit(cache=True)
def reach(field, radius):
    """Return the largest distance at which noise can put a point into a stain; a hair more, for rounding."""
    return (radius + abs(field.amplitude) * BOUND) * (1 + 1e-9)


@numba.njit(cache=True, error_model="numpy")  # a radius of 0 is no error
def depth_of(x, y, z, radius):
    """Return (d / r')**2 for a point relative to the centre; infinite where noise leaves no radius."""
    share = (x * x + y * y + z * z) / (radius * radius)
    return share if radius > 0.0 else np.inf


@numba.njit(cache=True, error_model="numpy")  # as for `power`
def change(field, intensity, depth, grain):
    """Return what a stain adds to the reflectance at squared depth (d / r')**2 and grain noise."""
    change = intensity * power(depth, field.half_decay)
    if field.ring != 0.0:
        inward = (1.0 - math.sqrt(depth)) * (1.0 / _RIM)
        inward = inward if inward < 1.0 else 1.0
        hump = 4.0 * inward * (1.0 - inward)
        change += field.ring * (hump * hump)
    return change * (1.0 + field.heterogeneity * grain)


@numba.njit(cache=True)
def fill_stains(field, cells, out):
    """Fill x, y, z of the centre, radius and intensity of the stains of cells, (n, 5)."""
    for n in range(len(cells)):
        stain = stain_of(field, cells[n, 0], cells[n, 1], cells[n, 2])
        out[n, 0], out[n, 1], out[n, 2], out[n, 3], out[n, 4] = stain


@numba.njit(cache=True)
def _neighbours(field, home, near):
    """Fill `near`, (27, 6), with centre, radius, squared reach and intensity of a cell and those around it."""
    n = 0
    for i in range(home[0] - 1, home[0] + 2):
        for j in range(home[1] - 1, home[1] + 2):
            for k in range(home[2] - 1, home[2] + 2):
                x, y, z, radius, intensity = stain_of(field, i, j, k)
                near[n, 0], near[n, 1], near[n, 2], near[n, 3] = x, y, z, radius
                near[n, 4], near[n, 5] = reach(field, radius) ** 2, intensity
                n += 1


@numba.njit(cache=True)
def _deepest(field, x, y, z, near):
    """Return which of the 27 stains covers a point, or -1, and (d / r')**2."""
    noise, known = f32(0), False
    chosen, least = -1, ABOVE_ONE
    for n in range(27):
        dx, dy, dz = x - near[n, 0], y - near[n, 1], z - near[n, 2]
        if dx * dx + dy * dy + dz * dz <= near[n, 4]:
            if not known:
                noise = perlin3(field.frequency * x, field.frequency * y, field.frequency * z)
                known = True
            depth = depth_of(dx, dy, dz, near[n, 3] + field.amplitude * noise)
            if depth < least:
                chosen, least = n, depth
    return chosen, least


@numba.njit(cache=True)
def _enter(field, x, y, z, home, near):
    """Make `near` right for a point; return 1 if so, 0 for a point that is not finite, -1 beyond the grid."""
    i, j, k = math.floor(x / field.cell), math.floor(y / field.cell), math.floor(z / field.cell)
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(z)):
        return 0
    # One cell less, since the neighbours have numbers too
    if max(abs(x), abs(y), abs(z)) >= (MAX_CELL - 2) * field.cell:
        return -1
    if i != home[0] or j != home[1] or k != home[2]:
        home[0], home[1], home[2] = i, j, k
        _neighbours(field, home, near)
    return 1


@numba.njit(cache=True)
def evaluate(field, points, reflectance, mask):
    """Add the stains in place; return whether all points lie on the grid."""
    # Points come in the order of pixels, mostly: neighbours are drawn again only where the cell changes
    home, near = np.full(3, 2 * MAX_CELL), np.empty((27, 6))
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        entered = _enter(field, x, y, z, home, near)
        if entered < 0:
            return False
        if entered == 0:
            continue
        chosen, depth = _deepest(field, x, y, z, near)
        if chosen >= 0:
            grain = f32(0)
            if field.heterogeneity != 0.0:
                f = GRAIN * field.frequency
                grain = perlin3(f * x + GRAIN_SHIFT, f * y + GRAIN_SHIFT, f * z + GRAIN_SHIFT)
            reflectance[p] += change(field, near[chosen, 5], depth, grain)
            mask[p] = True
    return True


@numba.njit(cache=True)
def find(field, points, keys):
    """Write the packed cell of the covering stain of each point, or -1; return whether all lie on the grid."""
    home, near = np.full(3, 2 * MAX_CELL), np.empty((27, 6))
    for p in range(len(points)):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        keys[p] = -1
        entered = _enter(field, x, y, z, home, near)
        if entered < 0:
            return False
        if entered == 0:
            continue
        chosen, _ = _deepest(field, x, y, z, near)
        if chosen >= 0:
            i, j, k = home[0] + chosen // 9 - 1, home[1] + chosen // 3 % 3 - 1, home[2] + chosen % 3 - 1
            keys[p] = (i + MAX_CELL) << 42 | (j + MAX_CELL) << 21 | (k + MAX_CELL)
    return True
