"""The Numba renderer: the picture of the OpenCL kernels on machines without an OpenCL device.

The same mathematics ray by ray, in the same order of operations; `kernels/` says why each step is as it is.
Threads take rows of tiles; a tile is a function of its place, so their number changes nothing.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numba
import numpy as np

from synthgen.errors import DeviceError
from synthgen.machine import available_cpus
from synthgen.mandelbulb.devices import Device
from synthgen.mandelbulb.picture import Picture, new_picture

F = np.float32


class March(NamedTuple):
    """How a ray goes: the distance of a hit, by how much steps are longer than the estimate, and most steps."""

    threshold: F
    stretch: F
    steps: int


MARCH = March(F(0.001), F(1.0), 1000)
SHADOW = March(F(0.0001), F(2.0), 10000)
ZERO = F(0.0)
HALF = F(0.5)
ONE = F(1.0)
TINY = F(1e-30)
MISS = F(1e30)
ESCAPE_SQUARED = F(16.0)
ITERATIONS = 20
TILE = 32
ACROSS = 8  # blocks of 4 x 4 samples along a side of a tile

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


class Pair(NamedTuple):
    """Powers of x + i y for theta and for phi, as halves of doubled cosines and sines: what a rule chooses from.

    Attributes
    ----------
    cos_theta, sin_theta, cos_phi, sin_phi : float32
        Cosines are doubled.
    """

    cos_theta: F
    sin_theta: F
    cos_phi: F
    sin_phi: F


@_jit
def _dot(a, b):
    ax, ay, az = a
    bx, by, bz = b
    flat = ax * bx + ay * by
    return flat + az * bz


@_jit
def _root(square):
    """Return the square root of a number that is not below 0, and never 0."""
    return F(math.sqrt(max(square, TINY)))


@_jit
def _unit(v):
    x, y, z = v
    length = _root(_dot(v, v))
    scale = ONE / length
    return x * scale, y * scale, z * scale


@_jit
def _along(p, d, t):
    """Return the place at distance t from p in the direction d."""
    x, y, z = p
    dx, dy, dz = d
    x += t * dx
    y += t * dy
    z += t * dz
    return x, y, z


@_jit
def _pick(bits, pair):
    """Return one axis of a rule: its bits are cos or sin, phi or theta, + or -."""
    cosine = pair.cos_theta if bits & 2 else pair.cos_phi
    sine = pair.sin_theta if bits & 2 else pair.sin_phi
    value = sine if bits & 4 else HALF * cosine
    return -value if bits & 1 else value


@_jit
def _below_leading(power):
    """Return the bit below the leading one of a power of at least 2."""
    bit = 16
    while bit > power:
        bit >>= 1
    return bit >> 1


@_jit
def _squared(cosine, sine, square):
    """Return the doubled cosine and the sine of twice the angle, of a number whose squared length is given."""
    doubled = cosine * cosine - (square + square)
    return doubled, cosine * sine


@_jit
def _times(cosine, sine, first_cosine, first_sine):
    """Return the product of two numbers, the first and the result with a doubled cosine."""
    product = cosine * first_cosine - (sine + sine) * first_sine
    crossed = HALF * cosine * first_sine + sine * first_cosine
    return product, crossed


@_jit
def _raised(pair, radius, power):
    """Return a pair and a length to a power, by repeated squares."""
    cos_theta, sin_theta, cos_phi, sin_phi = pair
    half_theta = HALF * cos_theta
    half_phi = HALF * cos_phi
    length = radius

    bit = _below_leading(power)
    while bit:
        length = length * length
        cos_theta, sin_theta = _squared(cos_theta, sin_theta, length)
        cos_phi, sin_phi = _squared(cos_phi, sin_phi, length)
        if power & bit:
            cos_theta, sin_theta = _times(cos_theta, sin_theta, half_theta, pair.sin_theta)
            cos_phi, sin_phi = _times(cos_phi, sin_phi, half_phi, pair.sin_phi)
            length = length * radius
        bit >>= 1

    return Pair(cos_theta, sin_theta, cos_phi, sin_phi), length


@_jit
def _apply_variant(z, square, derivative, c, power, rule):
    """Return z' = r^n (..) + c, its square, and n r^n derivative + 1."""
    x, y, height = z
    flat = x * x + y * y
    rho = _root(flat)
    radius = F(math.sqrt(square))
    scale = F(2.0) * radius / rho
    start = Pair(
        height + height,
        rho,
        x * scale,
        HALF * y * scale,
    )
    pair, length = _raised(start, radius, power)

    x = _pick(rule >> 6, pair) + c[0]
    y = _pick(rule >> 3, pair) + c[1]
    w = _pick(rule, pair) + c[2]
    following = x, y, w
    square = _dot(following, following)
    grown = F(power) * length * derivative
    return following, square, grown + ONE


@_jit
def _variant(numbers, k):
    """Return power and rule of the first or the second variant."""
    if k:
        return numbers[3], numbers[4]
    return numbers[1], numbers[2]


@_jit
def _estimate(c, numbers, limit):
    """Return the distance estimate at c; 0 where the derivative passes the limit."""
    z = c
    square = _dot(c, c)
    derivative = ONE
    hybrid = numbers[0]

    applications = ITERATIONS * (1 + hybrid)
    for i in range(applications):
        if square > ESCAPE_SQUARED:
            break
        if derivative >= limit:
            return ZERO
        power, rule = _variant(numbers, i & hybrid)
        z, square, derivative = _apply_variant(z, square, derivative, c, power, rule)

    square = max(square, TINY)
    logarithm = F(math.log(square))
    quarter = F(0.25) * logarithm
    return quarter * _root(square) / derivative


@_jit
def _traps(c, numbers):
    """Return min |z|, min (|x| + |y| + |z|) / 1.5 and min r^2 over the orbit of c."""
    z = c
    square = _dot(c, c)
    derivative = ONE
    hybrid = numbers[0]
    height = F(1e10)
    length = F(1e10)
    nearest = F(1e10)

    applications = ITERATIONS * (1 + hybrid)
    for i in range(applications):
        if square > ESCAPE_SQUARED or derivative >= F(1e8):
            break
        power, rule = _variant(numbers, i & hybrid)
        z, square, derivative = _apply_variant(z, square, derivative, c, power, rule)

        x, y, w = z
        size = abs(x) + abs(y) + abs(w)
        height = min(height, abs(w))
        length = min(length, size / F(1.5))
        nearest = min(nearest, square)

    return height, length, nearest


@_jit
def _trace(p, d, t, numbers, march):
    """Return the distance along the ray to the surface, or MISS."""
    limit = F(1.5) / march.threshold

    for _ in range(march.steps):
        distance = _estimate(p, numbers, limit)
        if distance < march.threshold:
            return t if t < F(10.0) else MISS

        distance = distance * march.stretch
        t += distance
        p = _along(p, d, distance)
        if not _dot(p, p) <= ESCAPE_SQUARED:
            break

    return MISS


@_jit
def _normal(p, numbers):
    """Return central differences of the distance estimate, normalized."""
    x, y, z = p
    h = F(0.001)
    limit = F(1e6)
    right = _estimate((x + h, y, z), numbers, limit)
    left = _estimate((x - h, y, z), numbers, limit)
    front = _estimate((x, y + h, z), numbers, limit)
    back = _estimate((x, y - h, z), numbers, limit)
    above = _estimate((x, y, z + h), numbers, limit)
    below = _estimate((x, y, z - h), numbers, limit)

    gradient = right - left, front - back, above - below
    return _unit(gradient)


@_jit
def _unit_interval(value):
    return min(max(value, ZERO), ONE)


@_jit
def _towards_light(p):
    x, y, z = p
    away = F(-10.0) - x, F(10.0) - y, F(10.0) - z
    return _unit(away)


@_jit
def _weights(p, numbers):
    """Return the weights of the three colors: the traps to the power of ten, in [0, 1]."""
    height, length, nearest = _traps(p, numbers)
    fifth = _to_the_fifth(length)
    first = _unit_interval(height)
    second = _unit_interval(fifth * fifth)
    tenth = _to_the_fifth(nearest)
    third = _unit_interval(tenth)
    return first, second, third


@_jit
def _to_the_fifth(value):
    return value * value * value * value * value


@_jit
def _lit(p, normal, numbers):
    """Return what the light adds at p: nothing where another part throws its shadow."""
    start = _along(p, normal, F(1e-5))
    light = _towards_light(start)
    if _dot(light, normal) <= F(-0.3):
        return ZERO

    shadow = _trace(start, light, ZERO, numbers, SHADOW)
    return F(0.2) if shadow >= MISS else ZERO


@_jit
def _color(p, normal, numbers, scene, color):
    """Write the color of a hit at p: uint8, shape (3,)."""
    weights = _weights(p, numbers)
    facing = -_dot(_towards_light(p), normal)
    shade = F(0.3) + F(0.9) * max(facing, ZERO)
    bright = shade * _dot(p, p)
    lit = _lit(p, normal, numbers)

    for k in range(3):
        first = scene[12 + k] * weights[0]
        second = scene[15 + k] * weights[1]
        third = scene[18 + k] * weights[2]
        mixed = first + second + third
        share = _unit_interval(bright * mixed + lit)
        level = np.rint(share * F(255.0))
        color[k] = np.uint8(level)


@_jit
def _direction(scene, x, y, size):
    """Return the direction of the ray through a place of the image, in samples."""
    height, width = size
    side = F(min(width, height))
    middle_x = HALF * F(width)
    middle_y = HALF * F(height)
    u = (x - middle_x) / side
    v = (middle_y - y) / side

    right = u * scene[6] + v * scene[9] + scene[3]
    up = u * scene[7] + v * scene[10] + scene[4]
    deep = u * scene[8] + v * scene[11] + scene[5]
    return _unit((right, up, deep))


@_jit
def _coarse_start(numbers, scene, corner, size, start, distances):
    """March one ray per block in step until one comes near. False if all leave."""
    height, width = size
    side = F(min(height, width))
    near = F(8.0) * F(2.8) / side
    start[:] = ZERO
    steps = 200 if near < F(0.1) else 0

    for _ in range(steps):
        close, around = _coarse_step(numbers, scene, corner, size, start, distances, near)
        if close or not around:
            return close
        start += distances

    return True


@_jit
def _coarse_step(numbers, scene, corner, size, start, distances, near):
    """Fill the distances of all blocks; return whether one is near, and whether one is still around."""
    top, left = corner
    origin = scene[0], scene[1], scene[2]
    close = False
    around = False

    for v in range(ACROSS):
        for u in range(ACROSS):
            x = F(left + 4 * u) + F(2.0)
            y = F(top + 4 * v) + F(2.0)
            t = start[v, u]
            d = _direction(scene, x, y, size)
            p = _along(origin, d, t)

            distance = _estimate(p, numbers, F(1e6))
            distances[v, u] = distance
            if _dot(p, p) <= ESCAPE_SQUARED:
                around = True
                close |= distance < near * t

    return close, around


@_jit
def _interpolated(start, x, y):
    """Return the start of the sample (x, y) of a tile, between those of the four nearest blocks."""
    u, a = _between_blocks(x)
    v, b = _between_blocks(y)
    above = start[v]
    below = start[v + 1]
    top = _mixed(above[u], above[u + 1], a)
    bottom = _mixed(below[u], below[u + 1], a)
    return _mixed(top, bottom, b)


@_jit
def _between_blocks(place):
    """Return the block before a sample, and how far the sample is on the way to the next."""
    before = (place - 2) // 4
    block = min(max(before, 0), ACROSS - 2)
    blocks = F(0.25) * (F(place) - F(1.5))
    return block, blocks - F(block)


@_jit
def _mixed(first, second, share):
    return first + share * (second - first)


@_jit
def _draw_tiles(numbers, scene, top, colors, distances, normals):
    """Draw one row of tiles into arrays of samples."""
    size = distances.shape
    height, width = size
    start = np.empty((ACROSS, ACROSS), np.float32)
    scratch = np.empty_like(start)
    bottom = min(top + TILE, height)

    for left in range(0, width, TILE):
        corner = top, left
        if not _coarse_start(numbers, scene, corner, size, start, scratch):
            continue

        right = min(left + TILE, width)
        for y in range(top, bottom):
            for x in range(left, right):
                t = _interpolated(start, x - left, y - top)
                middle_x = F(x) + HALF
                middle_y = F(y) + HALF
                d = _direction(scene, middle_x, middle_y, size)
                t, p = _first_hit(numbers, scene, d, t)
                if t >= MISS:
                    continue

                normal = _normal(p, numbers)
                distances[y, x] = t
                _copy(normal, normals[y, x])
                _color(p, normal, numbers, scene, colors[y, x])


@_jit
def _first_hit(numbers, scene, d, t):
    """Return distance and place of the first hit of a ray from the camera, of which t is known to be free."""
    origin = scene[0], scene[1], scene[2]
    p = _along(origin, d, t)
    t = _trace(p, d, t, numbers, MARCH)
    return t, _along(origin, d, t)


@_jit
def _copy(vector, target):
    for axis in range(3):
        target[axis] = vector[axis]


@_jit
def _resolve(distances, normals, factor, picture):
    """Fill each pixel: the depth of the nearest of its hits, the mean of their normals, and their number."""
    rows, columns = picture.depth.shape
    samples = factor * factor

    for row in range(rows):
        for column in range(columns):
            normal = picture.normal[row, column]
            nearest = F(np.inf)
            hits = 0

            for k in range(samples):
                down = k // factor
                aside = k % factor
                y = row * factor + down
                x = column * factor + aside
                distance = distances[y, x]
                if distance < MISS:
                    nearest = min(nearest, distance)
                    _add(normals[y, x], normal)
                    hits += 1

            picture.depth[row, column] = nearest
            picture.hits[row, column] = hits
            if hits:
                normal /= F(hits)


@_jit
def _add(vector, target):
    for axis in range(3):
        target[axis] += vector[axis]


class NumbaRenderer:
    """Draws with Numba on all cores.

    The first picture compiles for some ten seconds; later processes read a cache.
    """

    def __init__(self, device: Device):
        self.device = device
        self.seconds: dict[str, float] = {}

    def draw(self, numbers, scene, shape, supersample, background) -> Picture:
        """Draw a picture; see `OpenCLRenderer.draw`.

        Raises
        ------
        DeviceError
            If there is not enough memory.
        """
        height = shape[0] * supersample
        width = shape[1] * supersample
        try:
            picture = new_picture(shape, supersample, 3, background)
            distances = np.full((height, width), np.inf, np.float32)
            normals = np.zeros((height, width, 3), np.float32)
        except MemoryError as error:
            raise DeviceError(f"numba: no memory for {height} x {width} samples, ask for fewer") from error

        colors = picture.colors
        draw = partial(_draw_tiles, numbers, scene, colors=colors, distances=distances, normals=normals)
        with ThreadPoolExecutor(available_cpus()) as pool:
            list(pool.map(draw, range(0, height, TILE)))

        _resolve(distances, normals, supersample, picture)
        return picture
