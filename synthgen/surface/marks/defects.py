"""Defects as geometry: scratches, dents and bumps, functions of 3-D points of a surface.

A defect is a small displacement along the surface's normal, given with its gradient, which bends the normal. It is
exactly 0 beyond a known reach: inside of it lies the mask. The same functions serve a plane and a mesh.
"""

from typing import Literal, NamedTuple, get_args

import numba
import numpy as np

Defect = Literal["scratch", "dent", "bump"]
DEFECTS = get_args(Defect)
# Vertices of a scratch, and how far its raised lips reach, in half widths of the groove.
_VERTICES, _LIPS = 41, 1.7
# Outer end of a dent's rim, in its level function, which is 1 at the edge of the hollow.
_RIM = 1.7


class Displacement(NamedTuple):
    """What a defect does to points of a surface.

    Attributes
    ----------
    height : ndarray, (...)
        Along the outward normal, mm.
    gradient : ndarray, (..., 3)
        Of the height, without unit; its part along the surface is the slope.
    inside : ndarray of bool, (...)
        Where the defect is; elsewhere height and gradient are 0.
    """

    height: np.ndarray
    gradient: np.ndarray
    inside: np.ndarray


def sample_defect(rng: np.random.Generator, kind: Defect) -> dict:
    """Draw the shape of a defect around the origin of its own axes; `placed` moves it to a surface.

    Returns
    -------
    dict
        ``kind`` and, in mm, for a scratch ``vertices`` (n, 2) in the tangent plane, ``depths`` at them and
        ``width``, half the groove's; for dent and bump ``radii`` (2,), ``height`` (negative for a dent),
        ``bend``, which deforms the ellipse, and for a dent ``rim``, its height.
    """
    u = rng.random(8).tolist()
    if kind == "scratch":
        return {"kind": kind, **_sample_scratch(rng, u)}
    if kind == "dent":
        radius = 0.7 + 2.3 * u[0] * u[0]
        slope = 0.05 + 0.11 * u[1]
        radii = [round(radius, 4), round(radius * (0.6 + 0.4 * u[2]), 4)]
        height = -round(slope * radii[1] / 2, 5)
        return {
            "kind": kind,
            "radii": radii,
            "height": height,
            "bend": _bend(u),
            "rim": round(-0.35 * u[5] * height, 6),
        }
    radius = 2.0 + 4.5 * u[0]
    slope = 0.03 + 0.05 * u[1]
    radii = [round(radius, 4), round(radius * (0.65 + 0.35 * u[2]), 4)]
    # the steepest slope of (1 - s^2)^2 is 1.54 heights a radius
    return {"kind": kind, "radii": radii, "height": round(slope * radii[1] / 1.54, 5), "bend": _bend(u)}


def _bend(u) -> list[float]:
    return [round(0.24 * x - 0.12, 4) for x in u[3:5]]


def _sample_scratch(rng, u) -> dict:
    """Draw a bent curve that is deeper here and there, and runs out at both ends."""
    length = 6 + 44 * u[0] * u[0]
    t = np.linspace(0, 1, _VERTICES)
    sag = length * (0.5 * u[1] - 0.25)
    wobble = np.cumsum(np.cumsum(rng.random(_VERTICES) - 0.5)) * 0.0012 * length
    x = length * (t - 0.5)
    y = 4 * sag * t * (1 - t) + wobble
    y -= y[_VERTICES // 2]  # its middle lies where it is placed
    pressure = np.interp(t, np.linspace(0, 1, 9), 0.2 + 0.8 * rng.random(9))
    ends = np.minimum(1, np.minimum(t, 1 - t) * 5)
    width = 0.035 + 0.075 * u[2]
    depth = width * (0.08 + 0.16 * u[3])
    return {
        "vertices": np.round(np.stack([x, y], axis=1), 4).tolist(),
        "depths": np.round(depth * pressure * ends, 6).tolist(),
        "width": round(width, 5),
    }


class Placed(NamedTuple):
    """A defect at its place on a surface.

    Attributes
    ----------
    shape : dict
        As returned by `sample_defect`.
    centre : ndarray, (3,)
    axes : ndarray, (3, 3)
        Rows: two directions in the tangent plane and the outward normal.
    """

    shape: dict
    centre: np.ndarray
    axes: np.ndarray

    @property
    def curve(self) -> np.ndarray:
        """Vertices of a scratch in space, (n, 3)."""
        return self.centre + np.asarray(self.shape["vertices"]) @ self.axes[:2]


def placed(shape: dict, centre, angle: float, normal=(0.0, 0.0, 1.0), least: float = 0.0) -> Placed:
    """Put a defect onto a surface.

    Parameters
    ----------
    shape : dict
        As returned by `sample_defect`.
    centre : (3,)
        A point of the surface, (x, y, z) in mm.
    angle : float
        By which it is turned about the normal, degrees.
    normal : (3,)
        The outward normal there; any length but 0.
    least : float
        Least half width or radius, mm: what is finer than a pixel fades, it does not break up into dots.
    """
    n = np.asarray(normal, np.float64)
    n = n / np.sqrt((n * n).sum())
    # any tangent, continuous near the pole of a plate that faces the camera
    first = np.array([1.0, 0.0, 0.0]) if abs(n[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    first -= n * (first @ n)
    first /= np.sqrt((first * first).sum())
    second = np.cross(n, first)
    turn = np.deg2rad(angle)
    cosine, sine = round(float(np.cos(turn)), 9), round(float(np.sin(turn)), 9)
    axes = np.stack([cosine * first + sine * second, cosine * second - sine * first, n])
    return Placed(_widened(shape, least), np.asarray(centre, np.float64), axes)


def _widened(shape: dict, least: float) -> dict:
    """Return a defect that is at least so wide; depths stay, so that its slopes grow gentler."""
    if shape["kind"] == "scratch":
        return {**shape, "width": max(shape["width"], least)}
    return {**shape, "radii": [max(radius, least) for radius in shape["radii"]]}


def reach(defect: Placed) -> float:
    """Return the distance from the centre, or for a scratch from its curve, beyond which nothing changes, mm."""
    shape = defect.shape
    if shape["kind"] == "scratch":
        return _LIPS * shape["width"]
    # at s radii from the centre the level is at least s^2 (1 - 0.17 s): 1 at s = 1.12, the rim's 1.7 at s = 1.53
    return (1.12 if shape["kind"] == "bump" else 1.53) * max(shape["radii"])


def displacement(defect: Placed, points: np.ndarray) -> Displacement:
    """Return what a defect does to points of a surface.

    Parameters
    ----------
    defect : Placed
    points : ndarray, (..., 3)
        (x, y, z) in mm.
    """
    points = np.asarray(points, np.float64)
    if defect.shape["kind"] == "scratch":
        return _groove(defect, points)
    return _blister(defect, points)


def _blister(defect: Placed, points) -> Displacement:
    """Return dent or bump: a profile of the level function F, an ellipsoid deformed by two cubic terms."""
    shape = defect.shape
    scale = np.array([*shape["radii"], min(shape["radii"])])
    q = (points - defect.centre) @ defect.axes.T / scale
    a, b, c = q[..., 0], q[..., 1], q[..., 2]
    k, m = shape["bend"]
    level = a * a + b * b + c * c + k * (a * a * a - 3 * a * b * b) + m * (3 * a * a * b - b * b * b)
    slopes = np.stack(
        [
            2 * a + 3 * k * (a * a - b * b) + 6 * m * a * b,
            2 * b - 6 * k * a * b + 3 * m * (a * a - b * b),
            2 * c,
        ],
        axis=-1,
    )
    near = (q * q).sum(axis=-1) < 1.9 * 1.9  # farther out the cubic terms would make a second blister
    value, rate, inside = _dent(shape, level) if shape["kind"] == "dent" else _bump(shape, level)
    inside &= near
    gradient = np.where(inside[..., None], rate[..., None] * (slopes / scale) @ defect.axes, 0.0)
    return Displacement(np.where(inside, value, 0.0), gradient, inside)


def _bump(shape, level):
    """Return height, its rate and extent of a soft hill, whose foot runs out into the surface."""
    left = np.maximum(1 - level, 0)
    return shape["height"] * left * left, -2 * shape["height"] * left, level < 1


def _dent(shape, level):
    """Return the same of a bowl with a sharp edge, and around it a rim that was pushed up."""
    bowl = level < 1
    out, left = level - 1, np.maximum(_RIM - level, 0)
    norm = shape["rim"] * 16 / (_RIM - 1) ** 4
    value = np.where(bowl, -shape["height"] * out, norm * (out * left) ** 2)
    rate = np.where(bowl, -shape["height"], 2 * norm * out * left * (left - out))
    return value, rate, level < (_RIM if shape["rim"] > 0 else 1)


def _groove(defect: Placed, points) -> Displacement:
    """Return a scratch: a rounded groove along a curve, with lips of what was pushed out of it."""
    shape = defect.shape
    flat = np.ascontiguousarray(points.reshape(-1, 3))
    out = _along_curve(flat, defect.curve, np.asarray(shape["depths"], np.float64), shape["width"])
    inside = out[:, 4].reshape(points.shape[:-1]) > 0
    return Displacement(out[:, 0].reshape(inside.shape), out[:, 1:4].reshape(points.shape), inside)


@numba.njit(cache=True)
def _along_curve(points, curve, depths, width):
    """Return height, gradient and whether it is inside for each point, float64 (n, 5)."""
    out = np.zeros((len(points), 5))
    reach = _LIPS * width
    for i in range(len(points)):
        best, segment, share = np.inf, 0, 0.0
        p = points[i]
        for k in range(len(curve) - 1):
            along = length = 0.0
            for j in range(3):
                d = curve[k + 1, j] - curve[k, j]
                along += d * (p[j] - curve[k, j])
                length += d * d
            t = min(max(along / length, 0.0), 1.0)
            distance = 0.0
            for j in range(3):
                d = p[j] - curve[k, j] - t * (curve[k + 1, j] - curve[k, j])
                distance += d * d
            if distance < best:
                best, segment, share = distance, k, t
        distance = np.sqrt(best)
        if distance >= reach:
            continue
        depth = depths[segment] + share * (depths[segment + 1] - depths[segment])
        value, rate = _profile(distance / width)
        out[i, 0], out[i, 4] = depth * value, 1.0
        length = 0.0
        for j in range(3):
            length += (curve[segment + 1, j] - curve[segment, j]) ** 2
        # at a vertex the share stays the same while the point moves
        inner = 0.0 < share < 1.0
        change = (depths[segment + 1] - depths[segment]) / length if inner else 0.0
        for j in range(3):
            tangent = curve[segment + 1, j] - curve[segment, j]
            outwards = (p[j] - curve[segment, j] - share * tangent) / distance if distance > 0 else 0.0
            out[i, 1 + j] = depth * rate / width * outwards + change * value * tangent
    return out


@numba.njit(cache=True)
def _profile(s):
    """Return height of a groove of depth 1 and its derivative, at s half widths from its middle."""
    if s < 1:
        return s * s - 1, 2 * s
    span = _LIPS - 1
    a, b = s - 1, _LIPS - s
    # a third of the depth stands up at either side
    norm = 16 / span**4 / 3
    return norm * a * a * b * b, 2 * norm * a * b * (b - a)
