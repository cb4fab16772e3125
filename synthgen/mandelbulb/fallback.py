"""The Numba renderer: the picture of the OpenCL kernels on machines without an OpenCL device.

The same mathematics ray by ray, in the same order of operations; `kernels/` tells why each step is as it is.
Threads take rows of tiles; a tile is a function of its place, so their number changes nothing.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numba
import numpy as np

from synthgen.errors import DeviceError
from synthgen.mandelbulb.devices import Device

F = np.float32
MISS = F(1e30)
ESCAPE_SQUARED = F(16.0)
ITERATIONS = 20
TILE = 32
ACROSS = 8  # blocks of 4 x 4 samples along a side of a tile

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _pick(bits, cos_theta, sin_theta, cos_phi, sin_phi):
    """One axis of a rule: bits are cos or sin, phi or theta, + or -."""
    if bits & 2:
        value = sin_theta if bits & 4 else F(0.5) * cos_theta
    else:
        value = sin_phi if bits & 4 else F(0.5) * cos_phi
    return -value if bits & 1 else value


@_jit
def _apply_variant(z, square, derivative, c, power, rule):
    """Return z' = r^n (..) + c, its square, and n r^n derivative + 1."""
    rho = F(math.sqrt(max(z[0] * z[0] + z[1] * z[1], F(1e-30))))
    r0 = F(math.sqrt(square))
    s = F(2.0) * r0 / rho
    a, b, p, q, r = z[2] + z[2], rho, z[0] * s, F(0.5) * z[1] * s, r0
    a0, b0, p0, q0 = F(0.5) * a, b, F(0.5) * p, q
    bit = 16
    while bit > power:
        bit >>= 1
    bit >>= 1
    while bit:
        r = r * r
        b = a * b
        q = p * q
        a = a * a - (r + r)
        p = p * p - (r + r)
        if power & bit:
            t = a * a0 - (b + b) * b0
            b = F(0.5) * a * b0 + b * a0
            a = t
            t = p * p0 - (q + q) * q0
            q = F(0.5) * p * q0 + q * p0
            p = t
            r = r * r0
        bit >>= 1
    x = _pick(rule >> 6, a, b, p, q) + c[0]
    y = _pick(rule >> 3, a, b, p, q) + c[1]
    w = _pick(rule, a, b, p, q) + c[2]
    return (x, y, w), x * x + y * y + w * w, F(power) * r * derivative + F(1.0)


@_jit
def _estimate(c, numbers, limit):
    """Distance estimate at c; 0 where the derivative passes the limit."""
    z, square, derivative = c, c[0] * c[0] + c[1] * c[1] + c[2] * c[2], F(1.0)
    halves = ITERATIONS * (1 + numbers[0])
    for i in range(halves):
        if square > ESCAPE_SQUARED:
            break
        if derivative >= limit:
            return F(0.0)
        k = 1 + 2 * (i & numbers[0])
        z, square, derivative = _apply_variant(z, square, derivative, c, numbers[k], numbers[k + 1])
    square = max(square, F(1e-30))
    return F(0.25) * F(math.log(square)) * F(math.sqrt(square)) / derivative


@_jit
def _traps(c, numbers):
    """Return min |z|, min (|x| + |y| + |z|) / 1.5 and min r^2 over the orbit of c."""
    z, square, derivative = c, c[0] * c[0] + c[1] * c[1] + c[2] * c[2], F(1.0)
    height, length, nearest = F(1e10), F(1e10), F(1e10)
    for i in range(ITERATIONS * (1 + numbers[0])):
        if square > ESCAPE_SQUARED or derivative >= F(1e8):
            break
        k = 1 + 2 * (i & numbers[0])
        z, square, derivative = _apply_variant(z, square, derivative, c, numbers[k], numbers[k + 1])
        height = min(height, abs(z[2]))
        length = min(length, (abs(z[0]) + abs(z[1]) + abs(z[2])) / F(1.5))
        nearest = min(nearest, square)
    return height, length, nearest


@_jit
def _along(p, d, t):
    return p[0] + t * d[0], p[1] + t * d[1], p[2] + t * d[2]


@_jit
def _unit(v):
    s = F(1.0) / F(math.sqrt(max(v[0] * v[0] + v[1] * v[1] + v[2] * v[2], F(1e-30))))
    return v[0] * s, v[1] * s, v[2] * s


@_jit
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@_jit
def _trace(p, d, t, numbers, threshold, stretch, steps):
    """Distance along the ray to the surface, or MISS."""
    limit = F(1.5) / threshold
    for _ in range(steps):
        distance = _estimate(p, numbers, limit)
        if distance < threshold:
            return t if t < F(10.0) else MISS
        distance = distance * stretch
        t += distance
        p = _along(p, d, distance)
        if not _dot(p, p) <= ESCAPE_SQUARED:
            break
    return MISS


@_jit
def _normal(p, numbers):
    h, limit = F(0.001), F(1e6)
    x = _estimate((p[0] + h, p[1], p[2]), numbers, limit) - _estimate((p[0] - h, p[1], p[2]), numbers, limit)
    y = _estimate((p[0], p[1] + h, p[2]), numbers, limit) - _estimate((p[0], p[1] - h, p[2]), numbers, limit)
    z = _estimate((p[0], p[1], p[2] + h), numbers, limit) - _estimate((p[0], p[1], p[2] - h), numbers, limit)
    return _unit((x, y, z))


@_jit
def _unit_interval(value):
    return min(max(value, F(0.0)), F(1.0))


@_jit
def _color(p, normal, numbers, scene, color):
    """Write the colour of a hit at p: uint8, shape (3,)."""
    height, length, nearest = _traps(p, numbers)
    fifth = length * length * length * length * length
    weights = (
        _unit_interval(height),
        _unit_interval(fifth * fifth),
        _unit_interval(nearest * nearest * nearest * nearest * nearest),
    )
    facing = -_dot(_unit((F(-10.0) - p[0], F(10.0) - p[1], F(10.0) - p[2])), normal)
    bright = (F(0.3) + F(0.9) * max(facing, F(0.0))) * _dot(p, p)
    start = _along(p, normal, F(1e-5))
    light = _unit((F(-10.0) - start[0], F(10.0) - start[1], F(10.0) - start[2]))
    lit = F(0.0)
    if _dot(light, normal) > F(-0.3):
        shadow = _trace(start, light, F(0.0), numbers, F(0.0001), F(2.0), 10000)
        lit = F(0.2) if shadow >= MISS else F(0.0)
    for k in range(3):
        value = scene[12 + k] * weights[0] + scene[15 + k] * weights[1] + scene[18 + k] * weights[2]
        color[k] = np.uint8(np.rint(_unit_interval(bright * value + lit) * F(255.0)))


@_jit
def _direction(scene, x, y, width, height):
    side = F(min(width, height))
    u, v = (x - F(0.5) * F(width)) / side, (F(0.5) * F(height) - y) / side
    return _unit(
        (
            u * scene[6] + v * scene[9] + scene[3],
            u * scene[7] + v * scene[10] + scene[4],
            u * scene[8] + v * scene[11] + scene[5],
        )
    )


@_jit
def _coarse_start(numbers, scene, top, left, width, height, start, distances):
    """March one ray per block in step until one comes near. False if all leave."""
    near = F(8.0) * F(2.8) / F(min(width, height))
    origin = (scene[0], scene[1], scene[2])
    start[:] = F(0.0)
    for _ in range(200 if near < F(0.1) else 0):
        close, around = False, False
        for v in range(ACROSS):
            for u in range(ACROSS):
                d = _direction(scene, F(left + 4 * u) + F(2.0), F(top + 4 * v) + F(2.0), width, height)
                p = _along(origin, d, start[v, u])
                distances[v, u] = _estimate(p, numbers, F(1e6))
                if _dot(p, p) <= ESCAPE_SQUARED:
                    around = True
                    close |= distances[v, u] < near * start[v, u]
        if close or not around:
            return close
        start += distances
    return True


@_jit
def _interpolated(start, x, y):
    """Start of the sample (x, y) of a tile, between those of the four nearest blocks."""
    u = min(max((x - 2) // 4, 0), ACROSS - 2)
    v = min(max((y - 2) // 4, 0), ACROSS - 2)
    a = F(0.25) * (F(x) - F(1.5)) - F(u)
    b = F(0.25) * (F(y) - F(1.5)) - F(v)
    top = start[v, u] + a * (start[v, u + 1] - start[v, u])
    bottom = start[v + 1, u] + a * (start[v + 1, u + 1] - start[v + 1, u])
    return top + b * (bottom - top)


@_jit
def _draw_tiles(numbers, scene, top, colors, distances, normals):
    """Draw one row of tiles into arrays of samples."""
    height, width = distances.shape
    origin = (scene[0], scene[1], scene[2])
    start = np.empty((ACROSS, ACROSS), np.float32)
    scratch = np.empty_like(start)
    for left in range(0, width, TILE):
        if not _coarse_start(numbers, scene, top, left, width, height, start, scratch):
            continue
        for y in range(top, min(top + TILE, height)):
            for x in range(left, min(left + TILE, width)):
                t = _interpolated(start, x - left, y - top)
                d = _direction(scene, F(x) + F(0.5), F(y) + F(0.5), width, height)
                t = _trace(_along(origin, d, t), d, t, numbers, F(0.001), F(1.0), 1000)
                if t >= MISS:
                    continue
                p = _along(origin, d, t)
                normal = _normal(p, numbers)
                distances[y, x] = t
                normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = normal
                _color(p, normal, numbers, scene, colors[y, x])


@_jit
def _resolve(distances, normals, factor, depth, normal):
    """Nearest hit of each pixel of factor x factor samples."""
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            for k in range(factor * factor):
                y, x = row * factor + k // factor, column * factor + k % factor
                if distances[y, x] < depth[row, column]:
                    depth[row, column] = distances[y, x]
                    normal[row, column] = normals[y, x]


class NumbaRenderer:
    """Draws with Numba on all cores.

    The first picture compiles for some ten seconds; later processes read a cache.
    """

    def __init__(self, device: Device):
        self.device = device
        self.seconds = {}

    def draw(self, numbers, scene, shape, supersample, background):
        """Draw a picture; see `OpenCLRenderer.draw`.

        Raises
        ------
        DeviceError
            If there is not enough memory.
        """
        height, width = shape[0] * supersample, shape[1] * supersample
        try:
            colors = np.full((height, width, 3), background, np.uint8)
            distances = np.full((height, width), np.inf, np.float32)
            normals = np.zeros((height, width, 3), np.float32)
        except MemoryError as error:
            raise DeviceError(f"numba: no memory for {height} x {width} samples, ask for fewer") from error
        draw = partial(_draw_tiles, numbers, scene, colors=colors, distances=distances, normals=normals)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(draw, range(0, height, TILE)))
        depth = np.full(shape, np.inf, np.float32)
        normal = np.zeros((*shape, 3), np.float32)
        _resolve(distances, normals, supersample, depth, normal)
        return colors, depth, normal
