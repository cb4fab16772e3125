"""Perlin's improved noise in three dimensions, equal to ``noise.pnoise3`` of one octave.

That package computes in float32, and the last four of its gradients are not those of Perlin's reference; both are
kept here. No fastmath: the same point gives the same bits alone, in a row, and on every machine.
"""

import numba
import numpy as np

from synthgen.errors import UsageError

f32 = np.float32
# Perlin's permutation of 0..255, twice over, so that a sum of two bytes needs no reduction
_PERMUTATION = np.frombuffer(
    bytes.fromhex(
        "97a0895b5a0f830dc95f6035c2e907e18c24671e458e086325f0150a17be0694f778ea4b001ac53e5efcdbcb75230b20"
        "39b12158ed953857ae147d88aba844af4aa547868b301ba64d929ee7536fe57a3cd385e6dc695c29372ef528f4668f36"
        "41193fa101d85049d14c84bbd05912a9c8c4878274bc9f56a4646dc6adba034034d9e2fa7c7b05ca2693767eff5255d4"
        "cfce3be32f103a11b6bd1c2adfb7aad577f898022c9aa346dd99659ba72bac09811627fd13626c6e4f71e0e8b2b97068"
        "daf661e4fb22f2c1eed2900cbfb3a2f1513391ebf90eef6b31c0d61fb5c76a9db854ccb07379322d7f0496fe8aeccd5d"
        "de72431d1848f38d80c34e42d73d9cb4"
    )
    * 2,
    np.uint8,
).astype(np.int64)
_GRADIENTS = np.array(
    [
        *((1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0), (1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1)),
        *((0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1), (1, 0, -1), (-1, 0, -1), (0, -1, 1), (0, 1, 1)),
    ],
    np.float32,
)


def pnoise3(points: np.ndarray) -> np.ndarray:
    """Return one octave of Perlin noise at points.

    Parameters
    ----------
    points : array_like, (..., 3)
        Coordinates in cells of the noise; the noise is 0 at whole numbers and repeats after 256.

    Returns
    -------
    ndarray of float64, (...)
        Within +-`synthgen.surface.chance.BOUND`; equal to ``noise.pnoise3``, which is computed in float32 too.

    Raises
    ------
    UsageError
        If the last axis does not hold three coordinates.

    Examples
    --------
    >>> pnoise3([[0.0, 1.0, 2.0], [0.5, 0.5, 0.5]]).tolist()
    [0.0, -0.125]
    """
    points = np.asarray(points, np.float64)
    if points.ndim == 0 or points.shape[-1] != 3:
        raise UsageError(f"points must have shape (..., 3), got {points.shape}")

    out = np.empty(points.shape[:-1])
    _at_points(points.reshape(-1, 3), out.reshape(-1))
    return out


@numba.njit(cache=True)
def _at_points(points, out):
    for n in range(len(points)):
        x, y, z = points[n]
        out[n] = perlin3(x, y, z)


@numba.njit(cache=True)
def perlin3(x, y, z):
    """Return the noise at one point, float32; for use inside compiled loops."""
    x = f32(x)
    y = f32(y)
    z = f32(z)
    i = np.floor(x)
    j = np.floor(y)
    k = np.floor(z)
    corners = _corners(int(i), int(j), int(k))
    return _blend(x - i, y - j, z - k, corners)


@numba.njit(cache=True)
def perlin3_along(xs, ys, zs, out):
    """Fill `out` with the noise at the points of a straight line, in order; all float32 (n,).

    Bit for bit what `perlin3` gives. Neighbors on a fine line share their cell: its corners are looked up once,
    and the rest is vector code (64 -> 5 ns a point at 50 points a cell).
    """
    begin = 0
    while begin < len(out):
        i = np.floor(xs[begin])
        j = np.floor(ys[begin])
        k = np.floor(zs[begin])
        end = _end_of_cell(xs, ys, zs, begin)
        corners = _corners(int(i), int(j), int(k))

        # Slices, as loops from 0 on, are contiguous to the compiler
        x = xs[begin:end]
        y = ys[begin:end]
        z = zs[begin:end]
        values = out[begin:end]
        for n in range(len(values)):
            values[n] = _blend(x[n] - i, y[n] - j, z[n] - k, corners)
        begin = end


@numba.njit(cache=True)
def _end_of_cell(xs, ys, zs, begin):
    """Return the first point of a line, after one, that is not in its cell.

    Coordinates rise or fall along a line, so that what lies between two points of a cell lies in it: long steps
    come first.
    """
    end = begin + 1
    step = 64
    while step:
        last = end + step - 1
        inside = (
            last < len(xs)
            and np.floor(xs[last]) == np.floor(xs[begin])
            and np.floor(ys[last]) == np.floor(ys[begin])
            and np.floor(zs[last]) == np.floor(zs[begin])
        )
        if inside:
            end += step
        else:
            step //= 2
    return end


@numba.njit(cache=True)
def _corners(i, j, k):
    """Return the gradients at the eight corners of a cell, x fastest, then y, then z."""
    i = i & 255
    j = j & 255
    k = k & 255
    next_i = (i + 1) & 255
    next_j = (j + 1) & 255
    next_k = (k + 1) & 255

    # Perlin's chain of look-ups: first x, then y, then z
    left = _PERMUTATION[i]
    right = _PERMUTATION[next_i]
    left_low = _PERMUTATION[left + j]
    right_low = _PERMUTATION[right + j]
    left_high = _PERMUTATION[left + next_j]
    right_high = _PERMUTATION[right + next_j]
    return (
        _gradient(left_low + k),
        _gradient(right_low + k),
        _gradient(left_high + k),
        _gradient(right_high + k),
        _gradient(left_low + next_k),
        _gradient(right_low + next_k),
        _gradient(left_high + next_k),
        _gradient(right_high + next_k),
    )


@numba.njit(cache=True)
def _gradient(place):
    chosen = _PERMUTATION[place] & 15
    return (
        _GRADIENTS[chosen, 0],
        _GRADIENTS[chosen, 1],
        _GRADIENTS[chosen, 2],
    )


@numba.njit(cache=True)
def _blend(x, y, z, corners):
    """Return the noise at a place (x, y, z) in [0, 1) of a cell."""
    u = _fade(x)
    v = _fade(y)
    w = _fade(z)
    # the place as seen from the far corners
    far_x = x - f32(1)
    far_y = y - f32(1)
    far_z = z - f32(1)

    front_low = _lerp(u, _dot(corners[0], x, y, z), _dot(corners[1], far_x, y, z))
    front_high = _lerp(u, _dot(corners[2], x, far_y, z), _dot(corners[3], far_x, far_y, z))
    back_low = _lerp(u, _dot(corners[4], x, y, far_z), _dot(corners[5], far_x, y, far_z))
    back_high = _lerp(u, _dot(corners[6], x, far_y, far_z), _dot(corners[7], far_x, far_y, far_z))

    front = _lerp(v, front_low, front_high)
    back = _lerp(v, back_low, back_high)
    return _lerp(w, front, back)


@numba.njit(cache=True)
def _fade(t):
    """Return Perlin's ramp 6 t^5 - 15 t^4 + 10 t^3."""
    inner = t * f32(6) - f32(15)
    inner = t * inner + f32(10)
    return t * t * t * inner


@numba.njit(cache=True)
def _lerp(t, a, b):
    return a + t * (b - a)


@numba.njit(cache=True)
def _dot(gradient, x, y, z):
    return gradient[0] * x + gradient[1] * y + gradient[2] * z
