"""Hexagonal ring lights, and how a brushed surface mirrors them.

Camera and light face the surface, the camera looks through the ring. A facet tilted by a small slope g mirrors the
point ``p (1 + h / d) - 2 h g`` of the plane in which the light lies, h above the surface, where p is the point of
the surface and d the distance of the camera. What is seen is the light's brightness there, smeared by the slopes of
the facets within a pixel: far across the brushing, little along it, Ward's anisotropic lobe for small angles.
"""

from typing import Literal, NamedTuple

import numba
import numpy as np

Light = Literal["ring", "ring-rotated", "ring-large", "random"]
# Distance of the camera and height of the light above the plate, mm.
CAMERA_DISTANCE, LIGHT_HEIGHT = 300.0, 300.0
# Half the width across flats of opening and outline of the ring, mm; its mirror image is half as large.
INNER, OUTER = 18.0, 82.0
# Reach of a reflection map in both directions, mm, and its steps along and across the brushing.
_REACH = 330.0
_STEPS = (1.0, 2.5)
# The lobe is a mixture of two Gaussians: share of the wide one, and how much wider it is.
_WIDE_SHARE, _WIDENING = 0.22, 4.0

f32 = np.float32


def sample_light(rng: np.random.Generator, kind: Light) -> dict:
    """Draw the parameters of a light.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        ``ring`` is the nominal light. ``ring-rotated`` is turned by 90 degrees and ``ring-large`` scaled by 2, the
        domain randomisation of paper 002 (section V-A, appendix A). ``random`` is turned, scaled by 0.7 to 2.2 and
        moved by up to 25 mm at random.

    Returns
    -------
    dict
        ``kind``; ``rotation`` in degrees; ``scale``; ``shift``, (y, x) in mm; ``luminance``, 1 over the root of the
        scale: with that of the nominal light most of a plate under a larger one would be white.
    """
    u = rng.random(4).tolist()
    if kind == "random":
        # the product of two linear ranges: more small lights than large ones, without a power
        scale = (0.7 + 0.7 * u[1]) * (1 + 0.57 * u[1])
        shift = [round(50 * x - 25, 3) for x in u[2:]]
        rotation = round(360 * u[0], 3)
        scale = round(scale, 4)
    else:
        rotation, scale = {"ring": (0.0, 1.0), "ring-rotated": (90.0, 1.0), "ring-large": (0.0, 2.0)}[kind]
        shift = [0.0, 0.0]
    luminance = round(scale**-0.5, 4)
    return {"kind": kind, "rotation": rotation, "scale": scale, "shift": shift, "luminance": luminance}


class ReflectionMap(NamedTuple):
    """Brightness that a mirror direction shows, in axes along and across the brushing.

    Attributes
    ----------
    values : ndarray of float32, (across, along)
        1 where a lobe sees nothing but light.
    start, step : (float, float)
        Position of ``values[0, 0]`` and distance of neighbours in the plane of the light, mm, (across, along).
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
    along = np.arange(-_REACH, _REACH + _STEPS[0] / 2, _STEPS[0])
    across = np.arange(-_REACH, _REACH + _STEPS[1] / 2, _STEPS[1])
    shape = _ring(light, direction, along[None, :], across[:, None])
    # a slope moves the mirrored point by 2 h
    kernels = [_lobe(2 * LIGHT_HEIGHT * s / step) for s, step in zip(roughness, _STEPS, strict=True)]
    values = _convolved(_convolved(shape, kernels[1]).T, kernels[0]).T
    return ReflectionMap(np.ascontiguousarray(values), (-_REACH, -_REACH), (_STEPS[1], _STEPS[0]))


def _ring(light: dict, direction: float, along, across) -> np.ndarray:
    """Return how much of each cell the light covers, float32 (across, along)."""
    turn = np.deg2rad(direction)
    cosine, sine = round(float(np.cos(turn)), 9), round(float(np.sin(turn)), 9)
    x = cosine * along - sine * across - light["shift"][1]
    y = sine * along + cosine * across - light["shift"][0]
    normals = np.deg2rad(light["rotation"] + np.array([30.0, 90.0, 150.0]))
    flats = [np.abs(round(float(np.cos(a)), 9) * x + round(float(np.sin(a)), 9) * y) for a in normals]
    distance = np.maximum(np.maximum(flats[0], flats[1]), flats[2])
    edge = max(_STEPS)
    outside = np.clip((OUTER * light["scale"] - distance) / edge + 0.5, 0, 1)
    inside = np.clip((distance - INNER * light["scale"]) / edge + 0.5, 0, 1)
    return (light["luminance"] * outside * inside).astype(np.float32)


def _lobe(sigma: float) -> np.ndarray:
    """Return the taps of the lobe for a width in cells, float32, their sum 1."""
    reach = int(np.ceil(3 * sigma * _WIDENING))
    t = np.arange(-reach, reach + 1) / max(sigma, 1e-6)
    taps = (1 - _WIDE_SHARE) * np.exp(-(t**2) / 2) + _WIDE_SHARE / _WIDENING * np.exp(-((t / _WIDENING) ** 2) / 2)
    # rounded: the last bits of exp differ between CPUs
    return np.round(taps / taps.sum(), 7).astype(np.float32)


def _convolved(values: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Convolve the columns of an array; beyond the border lies 0."""
    return _add_rows(np.ascontiguousarray(values), taps)


@numba.njit(cache=True)
def _add_rows(values, taps):
    rows, reach = len(values), len(taps) // 2
    out = np.zeros_like(values)
    for r in range(rows):
        line = out[r]
        for k in range(max(0, r - reach), min(rows, r + reach + 1)):
            weight, source = taps[k - r + reach], values[k]
            for c in range(line.size):
                line[c] += weight * source[c]
    return out


@numba.njit(cache=True, inline="always")
def look_up(values, row, column):
    """Return the value at a position in cells by linear interpolation; the border goes on outwards."""
    row = min(max(row, f32(0)), f32(values.shape[0] - 1.001))
    column = min(max(column, f32(0)), f32(values.shape[1] - 1.001))
    r, c = np.uint32(np.int32(row)), np.uint32(np.int32(column))
    y, x = row - f32(r), column - f32(c)
    top = values[r, c] + x * (values[r, c + 1] - values[r, c])
    low = values[r + 1, c] + x * (values[r + 1, c + 1] - values[r + 1, c])
    return top + y * (low - top)
