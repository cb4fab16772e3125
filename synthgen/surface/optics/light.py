"""Hexagonal ring lights, and how a brushed surface mirrors them.

Camera and light face the surface, and the camera looks through the ring. A facet tilted by a small slope g mirrors
the point ``p (1 + h / d) - 2 h g`` of the plane in which the light lies, h above the surface, where p is the point
of the surface and d the distance of the camera. What is seen is the light's brightness there, smeared by the slopes
of the facets within a pixel: far across the brushing, little along it (Ward's anisotropic lobe for small angles).
"""

from typing import Literal, NamedTuple

import numba
import numpy as np

from synthgen.surface.chance import cosine_and_sine

f32, i32, u32 = np.float32, np.int32, np.uint32

Light = Literal["ring", "ring-rotated", "ring-large", "random"]
Output = Literal["radiance", "power"]
# Distance of the camera and height of the light above the plate, mm.
CAMERA_DISTANCE = 300.0
LIGHT_HEIGHT = 300.0
# Half the width across flats of opening and outline of the ring, mm; its mirror image is half as large.
INNER = 18.0
OUTER = 82.0
# Rotation in degrees and scale of the lights that are the same for all plates.
_NOMINAL = {"ring": (0.0, 1.0), "ring-rotated": (90.0, 1.0), "ring-large": (0.0, 2.0)}
# Directions of the normals of the hexagon's flats, degrees.
_FLATS = (30.0, 90.0, 150.0)
# Reach of a reflection map in both directions, mm, and its steps along and across the brushing.
_REACH = 330.0
_STEP_ALONG = 1.0
_STEP_ACROSS = 2.5
# The lobe is a mixture of two Gaussians: share of the wide one, and how much wider it is.
_WIDE_SHARE = 0.22
_WIDENING = 4.0


def sample_light(rng: np.random.Generator, kind: Light, output: Output = "radiance") -> dict:
    """Draw the parameters of a light.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        ``ring`` is the nominal light. ``ring-rotated`` is turned by 90 degrees and ``ring-large`` scaled by 2, the
        domain randomization of Mao et al. 2025 (section V-A, appendix A). ``random`` is turned, scaled by 0.7 to
        2.2 and moved by up to 25 mm at random.
    output : {"radiance", "power"}
        What stays the same where a light is scaled: its brightness, so that a larger one overexposes more of the
        plate, or its power.

    Returns
    -------
    dict
        ``kind``; ``rotation`` in degrees; ``scale``; ``shift``, (y, x) in mm; ``luminance``, 1 of the
        nominal light.
    """
    u = rng.random(4).tolist()
    if kind == "random":
        rotation = round(360 * u[0], 3)
        scale = _random_scale(u[1])
        shift = [round(50 * x - 25, 3) for x in u[2:]]
    else:
        rotation, scale = _NOMINAL[kind]
        shift = [0.0, 0.0]

    luminance = 1.0
    if output == "power":
        luminance = 1 / (scale * scale)
    return {
        "kind": kind,
        "rotation": rotation,
        "scale": scale,
        "shift": shift,
        "luminance": round(luminance, 4),
    }


def _random_scale(share: float) -> float:
    """Return the product of two linear ranges: more small lights than large ones, without a power."""
    first = 0.7 + 0.7 * share
    second = 1 + 0.57 * share
    return round(first * second, 4)


class ReflectionMap(NamedTuple):
    """Brightness that a mirror direction shows, in axes along and across the brushing.

    Attributes
    ----------
    values : ndarray of float32, (across, along)
        1 where a lobe sees nothing but light.
    start, step : (float, float)
        Position of ``values[0, 0]`` and distance of neighbors in the plane of the light, mm, (across, along).
    """

    values: np.ndarray
    start: tuple[float, float]
    step: tuple[float, float]


def reflection_map(light: dict, direction: float, roughness: tuple[float, float]) -> ReflectionMap:
    """Return the light as a brushed surface shows it.

    Parameters
    ----------
    light : dict
        As returned by `sample_light`.
    direction : float
        Of the brushing, degrees from the columns' axis towards the rows' axis.
    roughness : (float, float)
        Standard deviation of the facets' slopes along and across the brushing.

    Returns
    -------
    ReflectionMap
    """
    along = np.arange(-_REACH, _REACH + _STEP_ALONG / 2, _STEP_ALONG)
    across = np.arange(-_REACH, _REACH + _STEP_ACROSS / 2, _STEP_ACROSS)
    cover = _ring(
        light,
        direction,
        along=along[None, :],
        across=across[:, None],
    )

    # a slope moves the mirrored point by 2 h
    fine, wide = roughness
    lobe_along = _lobe(2 * LIGHT_HEIGHT * fine / _STEP_ALONG)
    lobe_across = _lobe(2 * LIGHT_HEIGHT * wide / _STEP_ACROSS)
    smeared = _convolved(cover, lobe_across)
    smeared = _convolved(smeared.T, lobe_along).T

    return ReflectionMap(
        values=np.ascontiguousarray(smeared),
        start=(-_REACH, -_REACH),
        step=(_STEP_ACROSS, _STEP_ALONG),
    )


def _ring(light: dict, direction: float, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return how much of each cell the light covers, float32 (across, along)."""
    cosine, sine = cosine_and_sine(direction)
    down, right = light["shift"]
    x = cosine * along - sine * across - right
    y = sine * along + cosine * across - down

    # the largest distance from the middle along the normals of the flats
    distance = np.zeros(x.shape)
    for flat in _FLATS:
        normal_x, normal_y = cosine_and_sine(light["rotation"] + flat)
        projected = normal_x * x + normal_y * y
        np.maximum(distance, np.abs(projected), out=distance)

    # how much of a cell lies on each side of both edges
    edge = max(_STEP_ALONG, _STEP_ACROSS)
    outer = OUTER * light["scale"]
    inner = INNER * light["scale"]
    within = (outer - distance) / edge + 0.5
    beyond = (distance - inner) / edge + 0.5
    cover = light["luminance"] * np.clip(within, 0, 1)
    cover = cover * np.clip(beyond, 0, 1)
    return cover.astype(f32)


def _lobe(sigma: float) -> np.ndarray:
    """Return the taps of the lobe for a width in cells, float32; their sum is 1."""
    reach = int(np.ceil(3 * sigma * _WIDENING))
    cells = np.arange(-reach, reach + 1)
    places = cells / max(sigma, 1e-6)
    farther = places / _WIDENING
    narrow = (1 - _WIDE_SHARE) * np.exp(-(places**2) / 2)
    wide = _WIDE_SHARE / _WIDENING * np.exp(-(farther**2) / 2)
    taps = narrow + wide

    # rounded: the last bits of exp differ between CPUs
    shares = taps / taps.sum()
    rounded = np.round(shares, 7)
    return rounded.astype(f32)


def _convolved(values: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Return an array convolved along its columns; beyond the border lies 0."""
    return _add_rows(np.ascontiguousarray(values), taps)


@numba.njit(cache=True, nogil=True)
def _add_rows(values, taps):
    """Return for each row the sum of those around it, weighted by the taps."""
    rows = len(values)
    reach = len(taps) // 2
    out = np.zeros_like(values)

    for r in range(rows):
        line = out[r]
        first = max(0, r - reach)
        last = min(rows, r + reach + 1)
        for k in range(first, last):
            source = values[k]
            weight = taps[k - r + reach]
            for c in range(line.size):
                line[c] += weight * source[c]
    return out


@numba.njit(cache=True, inline="always")
def look_up(values, row, column):
    """Return the value at a position in cells by linear interpolation; the border goes on outwards."""
    height, width = values.shape
    last_row = f32(height - 1.001)
    last_column = f32(width - 1.001)
    row = min(max(row, f32(0)), last_row)
    column = min(max(column, f32(0)), last_column)

    r = u32(i32(row))
    c = u32(i32(column))
    down = row - f32(r)
    right = column - f32(c)

    # between the four around it
    upper = values[r, c]
    lower = values[r + 1, c]
    upper += right * (values[r, c + 1] - upper)
    lower += right * (values[r + 1, c + 1] - lower)
    return upper + down * (lower - upper)
