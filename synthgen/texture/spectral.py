"""Spectral noise: octaves of gradient noise whose amplitudes follow a power law, or a band of them.

Clouds, castings, plaster, and, stretched, brushed metal and grain.
"""

import numpy as np

from synthgen.texture.lattice import derived
from synthgen.texture.noise import DEVIATION, add_noise, octave_turn
from synthgen.texture.shape import Shape

NAME = "spectral"
VARIANTS = ("power", "band")
# Ratio of the periods of neighboring octaves of a band.
_BAND = 1.37


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters: `form` is the exponent of the amplitudes and the number of octaves."""
    variant = VARIANTS[int(rng.random() < 0.35)]
    exponent = rng.uniform(-0.2, 1.3)
    octaves = rng.integers(4, 7)
    width = rng.integers(1, 4)
    low = rng.uniform(0, 1)
    if variant == "power":
        return {"variant": variant, "scale": 24 * 8**low, "form": [exponent, float(octaves)]}
    return {"variant": variant, "scale": 3 * 10**low, "form": [0.0, float(width)]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    total = np.zeros(len(rows))
    for seed, turn, frequency, gain in octaves(shape, softness):
        add_noise(total, rows, columns, seed, turn, frequency, gain)
    return total


def octaves(shape: Shape, softness: float) -> list[tuple]:
    """Return seed, turn, frequency and gain of each octave; those finer than a pixel fade out."""
    exponent, count = shape.form
    ratio = 2.0 if shape.variant == "power" else _BAND
    found = []
    for number in range(round(count)):
        frequency = ratio**number
        # a lattice of less than two pixels would only alias
        visible = min(1.0, max(0.0, 2 - 2.5 * frequency * softness))
        if visible == 0:
            continue
        gain = visible * frequency**-exponent / DEVIATION
        found.append((derived(shape.seed, number), octave_turn(number), frequency, round(gain, 9)))
    return found
