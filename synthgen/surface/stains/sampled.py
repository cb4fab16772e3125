"""Draws how the water stains of a plate or part look: dried water, or the solid texture of Mao et al. 2025."""

from typing import NamedTuple

import numpy as np

from synthgen.surface.chance import BOUND

Range = tuple[float, float]

# Radii of first drops, mm, where nothing else is said: dried water, and the solid texture.
DRIED_RADIUS = (0.08, 4.0)
TEXTURE_RADIUS = (1.25, 2.25)
# Beyond this coordinate, in cells, the noise is coarse.
_NOISE_REACH = 100.0
_MOST_FREQUENCY = 1.5
# The noise of the solid texture takes this much of the smallest radius at most.
_MOST_AMPLITUDE = 0.4


class Wanted(NamedTuple):
    """What the user asks of the stains; each range is (low, high), None where it is drawn.

    Attributes
    ----------
    cell_size : float
        mm.
    radius : (float, float), optional
        mm.
    ring, heterogeneity : (float, float), optional
    size_law : {"power", "even"}
    older : float
    ring_width : (float, float)
        mm; these three of dried water alone.
    frequency, amplitude, decay, intensity : (float, float), optional
        Of the solid texture alone.
    layer : bool
        Whether the centers of the solid texture lie in the plane of the plate.
    """

    cell_size: float
    radius: Range | None = None
    ring: Range | None = None
    heterogeneity: Range | None = None
    size_law: str = "power"
    older: float = 0.3
    ring_width: Range = (0.05, 0.3)
    frequency: Range | None = None
    amplitude: Range | None = None
    decay: Range | None = None
    intensity: Range | None = None
    layer: bool = False


def dried_radius(wanted: Wanted) -> Range:
    """Return the smallest and the largest radius of a drop, mm, which the cell bounds."""
    if wanted.radius is not None:
        return wanted.radius
    return _bounded(DRIED_RADIUS, wanted.cell_size)


def texture_radius(wanted: Wanted) -> Range:
    """Return the smallest and the largest radius of a stain of the solid texture, mm, which the cell bounds."""
    if wanted.radius is not None:
        return wanted.radius
    return _bounded(TEXTURE_RADIUS, 0.6 * wanted.cell_size)


def _bounded(radius: Range, largest: float) -> Range:
    low, high = radius
    high = min(high, largest)
    low = min(low, 0.5 * high)
    return low, high


def sample_dried(rng: np.random.Generator, wanted: Wanted) -> dict:
    """Draw dried water for a plate.

    Parameters
    ----------
    rng : numpy.random.Generator
    wanted : Wanted

    Returns
    -------
    dict
        ``water`` (dried), ``cell_size``, ``radius`` and ``ring_width``, (low, high) in mm; ``size_law``; ``older``,
        the share that dried first; ``slope``, the way down in degrees; ``contrast`` of the ring; ``haze``,
        ``specks``, ``roughness``, ``glow``: see `Residue`; ``seed``, and ``offset`` in the noise.
    """
    u = rng.random(9).tolist()
    low, high = dried_radius(wanted)
    thinnest, widest = wanted.ring_width
    within = _drawn(wanted.heterogeneity or (0.3, 0.9), u[1])
    contrast = _drawn(wanted.ring or (0.45, 0.9), u[2])
    slope = 90 + 120 * (u[0] - 0.5)
    haze = 0.2 * within * (0.5 + 0.5 * u[3])
    specks = 0.22 * within * u[4]
    roughness = 0.15 + 0.11 * u[5]
    glow = 0.1 + 0.16 * u[6]
    offset = (u[7], u[8], u[0] * u[7])
    return {
        "water": "dried",
        "cell_size": wanted.cell_size,
        "radius": [round(low, 6), round(high, 6)],
        "size_law": wanted.size_law,
        "older": wanted.older,
        "slope": round(slope, 3),
        "ring_width": [thinnest, widest],
        "contrast": round(contrast, 4),
        "haze": round(haze, 4),
        "specks": round(specks, 4),
        "roughness": round(roughness, 4),
        "glow": round(glow, 4),
        "seed": int(rng.integers(2**63)),
        "offset": [round(100 * x, 4) for x in offset],
    }


def sample_texture(rng: np.random.Generator, wanted: Wanted, reach: float) -> dict:
    """Draw a solid texture of Mao et al. 2025 (section III), and where in its space a thing lies.

    Parameters
    ----------
    rng : numpy.random.Generator
    wanted : Wanted
    reach : float
        How far the thing reaches from its middle along an axis, mm.

    Returns
    -------
    dict
        ``water`` (paper), ``layer``, the arguments of `StainField`, and ``offset``, mm.
    """
    u = rng.random(9).tolist()
    low, high = texture_radius(wanted)
    frequency, amplitude = _outline(wanted, low, high, u)
    farthest = _NOISE_REACH / frequency
    room = max(farthest - reach, 0.0)
    edge = -(0.16 + 0.2 * u[2])
    intensity = wanted.intensity or (edge, 0.3 * edge)
    ring = _drawn(wanted.ring or (0.0, 0.16), u[5])
    within = _drawn(wanted.heterogeneity or (0.25, 0.65), u[4])
    decay = _drawn(wanted.decay or (1.5, 5.0), u[3])
    shares = [2 * x - 1 for x in u[6:9]]
    return {
        "water": "paper",
        "layer": wanted.layer,
        "cell_size": wanted.cell_size,
        "radius": [round(low, 6), round(high, 6)],
        "frequency": round(frequency, 6),
        "amplitude": round(amplitude, 6),
        "decay": round(decay, 4),
        "intensity": [round(value, 4) for value in intensity],
        "heterogeneity": round(within, 4),
        "ring": -round(ring, 4),
        "seed": int(rng.integers(2**63)),
        "offset": [round(room * share, 4) for share in shares],
    }


def _outline(wanted: Wanted, low: float, high: float, u: list[float]) -> tuple[float, float]:
    """Return frequency and amplitude of the noise that moves an outline."""
    if wanted.frequency is None:
        waves = 0.5 + 0.7 * u[1]
        mean_radius = 0.5 * (low + high)
        frequency = min(waves / mean_radius, _MOST_FREQUENCY)
    else:
        frequency = _drawn(wanted.frequency, u[1])

    if wanted.amplitude is not None:
        return frequency, _drawn(wanted.amplitude, u[0])
    # the search for the nearest center sees one cell far
    share = 0.5 * _MOST_AMPLITUDE * (1 + u[0])
    room = wanted.cell_size - high
    amplitude = min(share * low, 0.96 * room)
    return frequency, amplitude


def _drawn(bounds: Range, share: float) -> float:
    low, high = bounds
    return low + (high - low) * share


def largest_reach(wanted: Wanted) -> float:
    """Return the farthest that a stain of the solid texture can reach from its center, mm."""
    low, high = texture_radius(wanted)
    if wanted.amplitude is None:
        noise = _MOST_AMPLITUDE * BOUND * low
        return min(high + noise, wanted.cell_size)
    least, most = wanted.amplitude
    largest = max(abs(least), abs(most))
    return high + BOUND * largest
