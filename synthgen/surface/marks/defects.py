"""Defects as geometry: scratches, dents and bumps, functions of 3-D points of a surface.

A defect is a small displacement along the surface's normal, given with its gradient, which bends the normal. It is
exactly 0 beyond a known reach: inside of it lies the mask. The same functions serve a plane and a mesh.
"""

from typing import Literal, NamedTuple, get_args

import numba
import numpy as np

from synthgen.surface.chance import cosine_and_sine

Defect = Literal["scratch", "dent", "bump"]
DEFECTS = get_args(Defect)
# Vertices of a scratch, and how far its raised lips reach, in half widths of the groove.
_VERTICES = 41
_LIPS = 1.7
# A surface may bend away from the plane of a scratch by this share of its length.
_SAG = 0.35
# Outer end of a dent's rim, in its level function, which is 1 at the edge of the hollow.
_RIM = 1.7
# Farther out than this many radii the cubic terms of the level function would make a second dent or bump.
_FARTHEST = 1.9
# A width of this many pixels is the least that is drawn: what is finer fades.
FINEST = 0.75
# The steepest slope of (1 - s^2)^3, which is the profile of a bump: its foot runs out softly.
_STEEPEST = 1.717
# The push of a dent's tool at an angle, and the flat that its tip left, as shares of the depth.
_MOST_TILT = 0.35
_TIP = 0.5

f64 = np.float64


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


def sample_surface_defect(rng: np.random.Generator, kind: Defect) -> dict:
    """Draw the shape of a defect around the origin of its own axes; `placed` moves it to a surface.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : {"scratch", "dent", "bump"}

    Returns
    -------
    dict
        ``kind`` and, in mm, for a scratch ``vertices`` (n, 2) in the tangent plane, ``depths`` at them and
        ``width``, half the groove's; for dent and bump ``radii`` (2,), ``height`` (negative for a dent),
        ``bend``, which deforms the ellipse, and for a dent ``rim``, its height, ``tip``, how much of it the tip of
        the tool took, and ``tilt``, how the tool leaned, along both axes.
    """
    u = rng.random(8).tolist()
    if kind == "scratch":
        return _sample_scratch(rng, u)
    if kind == "dent":
        return _sample_dent(u)
    return _sample_bump(u)


def _sample_dent(u: list[float]) -> dict:
    """Draw a hollow with a rim."""
    radius = 0.7 + 2.3 * u[0] * u[0]
    slope = 0.09 + 0.13 * u[1]
    flatness = 0.6 + 0.4 * u[2]
    shorter = round(radius * flatness, 4)
    height = -round(slope * shorter / 2, 5)
    rim = -0.35 * u[5] * height
    return {
        "kind": "dent",
        "radii": [round(radius, 4), shorter],
        "height": height,
        "bend": _sample_bend(u),
        "rim": round(rim, 6),
        "tip": round(0.12 + 0.25 * u[6], 4),
        "tilt": [round(_MOST_TILT * (2 * x - 1), 4) for x in (u[6] * 7 % 1, u[7])],
    }


def _sample_bump(u: list[float]) -> dict:
    """Draw a soft hill."""
    radius = 3 + 5.5 * u[0]
    slope = 0.01 + 0.022 * u[1]
    flatness = 0.65 + 0.35 * u[2]
    shorter = round(radius * flatness, 4)
    height = slope * shorter / _STEEPEST
    return {
        "kind": "bump",
        "radii": [round(radius, 4), shorter],
        "height": round(height, 5),
        "bend": _sample_bend(u),
    }


def _sample_bend(u: list[float]) -> list[float]:
    return [round(0.24 * x - 0.12, 4) for x in u[3:5]]


def _sample_scratch(rng, u: list[float]) -> dict:
    """Draw a bent curve that is deeper here and there, and runs out at both ends."""
    length = 6 + 44 * u[0] * u[0]
    share = np.linspace(0, 1, _VERTICES)
    sag = length * (0.5 * u[1] - 0.25)
    jerks = rng.random(_VERTICES) - 0.5
    drift = np.cumsum(jerks)
    wobble = np.cumsum(drift) * 0.0012 * length

    x = length * (share - 0.5)
    y = 4 * sag * share * (1 - share) + wobble
    y -= y[_VERTICES // 2]  # its middle lies where it is placed
    vertices = np.stack([x, y], axis=1)

    knots = 0.2 + 0.8 * rng.random(9)
    places = np.linspace(0, 1, 9)
    pressure = np.interp(share, places, knots)
    to_end = np.minimum(share, 1 - share)
    ends = np.minimum(1, to_end * 5)

    width = 0.035 + 0.075 * u[2] * u[2]
    steepness = 0.08 + 0.16 * u[3]
    depth = width * steepness
    depths = depth * pressure * ends
    return {
        "kind": "scratch",
        "vertices": np.round(vertices, 4).tolist(),
        "depths": np.round(depths, 6).tolist(),
        "width": round(width, 5),
    }


class Placed(NamedTuple):
    """A defect at its place on a surface.

    Attributes
    ----------
    shape : dict
        As returned by `sample_surface_defect`.
    center : ndarray, (3,)
        (x, y, z) in mm.
    axes : ndarray, (3, 3)
        Rows: two directions in the tangent plane and the outward normal.
    """

    shape: dict
    center: np.ndarray
    axes: np.ndarray

    @property
    def kind(self) -> str:
        """What it is: scratch, dent or bump."""
        return self.shape["kind"]

    @property
    def curve(self) -> np.ndarray:
        """Vertices of a scratch in space, (n, 3)."""
        flat = np.asarray(self.shape["vertices"])
        return self.center + flat @ self.axes[:2]


def placed(shape: dict, center, angle: float, normal=(0.0, 0.0, 1.0), least: float = 0.0) -> Placed:
    """Return a defect at a place of a surface.

    Parameters
    ----------
    shape : dict
        As returned by `sample_surface_defect`.
    center : (3,)
        A point of the surface, (x, y, z) in mm.
    angle : float
        By which it is turned about the normal, degrees.
    normal : (3,)
        The outward normal there; any length but 0.
    least : float
        Least half width or radius, mm: what is finer than a pixel fades, it does not break up into dots.
    """
    first, second, up = _tangents(normal)
    cosine, sine = cosine_and_sine(angle)
    axes = [
        cosine * first + sine * second,
        cosine * second - sine * first,
        up,
    ]
    return Placed(
        shape=_widened(shape, least),
        center=np.asarray(center, f64),
        axes=np.stack(axes),
    )


def _tangents(normal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two directions of the tangent plane and the normal, all of length 1 and at right angles."""
    up = np.asarray(normal, f64)
    square = (up * up).sum()
    up = up / np.sqrt(square)

    # any tangent, continuous near the pole of a plate that faces the camera
    start = (1.0, 0.0, 0.0)
    if abs(up[0]) >= 0.9:
        start = (0.0, 1.0, 0.0)
    first = np.array(start)
    first -= up * (first @ up)
    square = (first * first).sum()
    first /= np.sqrt(square)

    second = np.cross(up, first)
    return first, second, up


def _widened(shape: dict, least: float) -> dict:
    """Return a defect that is at least so wide; depths stay, so that its slopes grow gentler."""
    if shape["kind"] == "scratch":
        width = max(shape["width"], least)
        return {**shape, "width": width}

    radii = [max(radius, least) for radius in shape["radii"]]
    return {**shape, "radii": radii}


def defect_reach(defect: Placed) -> float:
    """Return the distance from the center, or for a scratch from its curve, beyond which nothing changes, mm."""
    shape = defect.shape
    if defect.kind == "scratch":
        return _LIPS * shape["width"]
    # at s radii from the center the level is at least s^2 (1 - 0.17 s): 1 at s = 1.12, the rim's 1.7 at s = 1.53
    share = 1.12 if defect.kind == "bump" else 1.53
    return share * max(shape["radii"])


def displacement(defect: Placed, points: np.ndarray) -> Displacement:
    """Return what a defect does to points of a surface.

    Parameters
    ----------
    defect : Placed
    points : ndarray, (..., 3)
        (x, y, z) in mm.

    Returns
    -------
    Displacement
        Arrays of the shape (...).
    """
    points = np.asarray(points, f64)
    if defect.kind == "scratch":
        return _groove(defect, points)
    return _blister(defect, points)


def _blister(defect: Placed, points: np.ndarray) -> Displacement:
    """Return dent or bump: a profile of the level function, an ellipsoid deformed by two cubic terms."""
    shape = defect.shape
    radii = shape["radii"]
    scale = np.array([*radii, min(radii)])
    away = points - defect.center
    local = away @ defect.axes.T / scale
    level, slopes = _level(local, shape["bend"])

    profile = _dent if defect.kind == "dent" else _bump
    height, rate, inside = profile(shape, level)
    square = (local * local).sum(axis=-1)
    inside &= square < _FARTHEST * _FARTHEST

    local_gradient = rate[..., None] * (slopes / scale)
    if defect.kind == "dent":
        lean, lean_gradient = _leaning(shape, local, level, slopes)
        height = height + lean
        local_gradient = local_gradient + lean_gradient / scale
    gradient = local_gradient @ defect.axes
    return Displacement(
        height=np.where(inside, height, 0.0),
        gradient=np.where(inside[..., None], gradient, 0.0),
        inside=inside,
    )


def _level(local: np.ndarray, bend: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the level function, about the squared distance in radii, and its gradient."""
    a = local[..., 0]
    b = local[..., 1]
    c = local[..., 2]
    first, second = bend

    threefold = a * a * a - 3 * a * b * b
    turned = 3 * a * a * b - b * b * b
    square = a * a + b * b + c * c
    level = square + first * threefold + second * turned

    even = a * a - b * b
    along_a = 2 * a + 3 * first * even
    along_a = along_a + 6 * second * a * b
    along_b = 2 * b - 6 * first * a * b
    along_b = along_b + 3 * second * even
    slopes = [
        along_a,
        along_b,
        2 * c,
    ]
    return level, np.stack(slopes, axis=-1)


def _bump(shape: dict, level: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return height, its rate and extent of a soft hill, whose foot runs out into the surface."""
    left = np.maximum(1 - level, 0)
    square = left * left
    height = shape["height"] * left * square
    rate = -3 * shape["height"] * square
    return height, rate, level < 1


def _dent(shape: dict, level: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return height, its rate and extent of a bowl with a sharp edge, a tip in it, and a rim around it."""
    depth = -shape["height"]
    rim = shape["rim"]
    strength = rim * 16 / (_RIM - 1) ** 4
    bowl = level < 1
    out = level - 1
    left = np.maximum(_RIM - level, 0)

    height = np.where(
        bowl,
        depth * out,
        strength * (out * left) ** 2,
    )
    rate = np.where(
        bowl,
        depth,
        2 * strength * out * left * (left - out),
    )
    # where the tip of the tool stood, it is deeper, with a soft edge of its own
    tip = shape["tip"]
    deeper = np.maximum(tip - level, 0) / tip
    height = height - _TIP * depth * tip * deeper * deeper
    rate = rate + 2 * _TIP * depth * deeper

    end = _RIM if rim > 0 else 1
    return height, rate, level < end


def _leaning(
    shape: dict, local: np.ndarray, level: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return height and gradient, in radii, of what a leaning tool pressed unevenly inside the edge of a dent."""
    depth = -shape["height"]
    left = np.maximum(1 - level, 0)
    tilt = np.array([*shape["tilt"], 0.0])
    lean = local @ tilt
    height = depth * lean * left
    along = depth * left[..., None] * tilt
    inside = (level < 1)[..., None]
    outwards = depth * lean[..., None] * slopes
    return height, along - np.where(inside, outwards, 0.0)


def scratch_sag(defect: Placed) -> float:
    """Return how far a surface may bend away from the tangent plane of a scratch, which goes on along it, mm."""
    flat = np.asarray(defect.shape["vertices"])
    return _SAG * float(np.ptp(flat, axis=0).max())


def _groove(defect: Placed, points: np.ndarray) -> Displacement:
    """Return a scratch: a rounded groove along a curve, with lips of what was pushed out of it.

    It is drawn in the tangent plane and goes on along a surface that bends away from there.
    """
    depths = np.asarray(defect.shape["depths"], f64)
    flat = np.ascontiguousarray(points.reshape(-1, 3))
    up = defect.axes[2]
    rise = (flat - defect.center) @ up
    flat = flat - rise[:, None] * up
    out = _along_curve(
        flat,
        defect.curve,
        depths,
        defect.shape["width"],
    )

    beyond = np.abs(rise) > scratch_sag(defect)
    out[beyond] = 0.0
    shape = points.shape[:-1]
    inside = out[:, 4] > 0
    return Displacement(
        height=out[:, 0].reshape(shape),
        gradient=out[:, 1:4].reshape(points.shape),
        inside=inside.reshape(shape),
    )


@numba.njit(cache=True)
def _along_curve(points, curve, depths, width):
    """Return height, gradient and whether it is inside for each point, float64 (n, 5)."""
    out = np.zeros((len(points), 5))
    reach = _LIPS * width
    for i in range(len(points)):
        point = points[i]
        distance, segment, share = _nearest_segment(point, curve)
        if distance >= reach:
            continue

        first_depth = depths[segment]
        rise = depths[segment + 1] - first_depth
        depth = first_depth + share * rise
        value, rate = _profile(distance / width)
        out[i, 0] = depth * value
        out[i, 4] = 1.0

        start = curve[segment]
        stop = curve[segment + 1]
        length = 0.0
        for j in range(3):
            tangent = stop[j] - start[j]
            length += tangent**2
        # at a vertex the share stays the same while the point moves
        inner = 0.0 < share < 1.0
        change = rise / length if inner else 0.0

        for j in range(3):
            tangent = stop[j] - start[j]
            off = point[j] - start[j] - share * tangent
            outwards = off / distance if distance > 0 else 0.0
            steep = depth * rate / width * outwards
            out[i, 1 + j] = steep + change * value * tangent
    return out


@numba.njit(cache=True)
def _nearest_segment(point, curve):
    """Return the distance of a point from a curve, the segment that is nearest, and where along it, 0 to 1."""
    best = np.inf
    segment = 0
    share = 0.0
    for k in range(len(curve) - 1):
        start = curve[k]
        stop = curve[k + 1]
        along = 0.0
        length = 0.0
        for j in range(3):
            step = stop[j] - start[j]
            away = point[j] - start[j]
            along += step * away
            length += step * step

        place = min(max(along / length, 0.0), 1.0)
        distance = 0.0
        for j in range(3):
            step = stop[j] - start[j]
            away = point[j] - start[j]
            off = away - place * step
            distance += off * off

        if distance < best:
            best = distance
            segment = k
            share = place
    return np.sqrt(best), segment, share


@numba.njit(cache=True)
def _profile(s):
    """Return height of a groove of depth 1 and its derivative, at s half widths from its middle."""
    if s < 1:
        return s * s - 1, 2 * s

    # the lips, of which a third of the depth stands up at either side
    span = _LIPS - 1
    inner = s - 1
    outer = _LIPS - s
    strength = 16 / span**4 / 3
    height = strength * inner * inner * outer * outer
    rate = 2 * strength * inner * outer
    rate *= outer - inner
    return height, rate
