"""Spectral noise: octaves of gradient noise whose amplitudes follow a power law, or a band of them.

Clouds, castings, plaster, and, stretched, brushed metal and grain.
"""

import numpy as np

from synthgen.texture.lattice import clipped, derived
from synthgen.texture.noise import DEVIATION, add_noise, octave_turn
from synthgen.texture.shape import Shape

NAME = "spectral"
VARIANTS = ("power", "band")
# Ratio of the frequencies of neighboring octaves.
_RATIOS = {"power": 2.0, "band": 1.37}


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters: `form` is the exponent of the amplitudes and the number of octaves."""
    is_band = rng.random() < 0.35
    exponent = rng.uniform(-0.2, 1.3)
    octaves = float(rng.integers(4, 7))
    width = float(rng.integers(1, 4))
    size = rng.uniform(0, 1)
    if is_band:
        return {"variant": "band", "scale": 3 * 10**size, "form": [0.0, width]}
    return {"variant": "power", "scale": 24 * 8**size, "form": [exponent, octaves]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    total = np.zeros(len(rows))
    for seed, turn, frequency, gain in octaves(shape, softness):
        add_noise(total, rows, columns, seed, turn, frequency, gain)
    return total


def octaves(shape: Shape, softness: float) -> list[tuple]:
    """Return seed, turn, frequency and gain of each octave; those finer than a pixel fade out."""
    exponent, count = shape.form
    ratio = _RATIOS[shape.variant]
    found = []
    for number in range(round(count)):
        frequency = ratio**number
        # a lattice of less than two pixels would only alias
        visible = clipped(2 - 2.5 * frequency * softness, 0.0, 1.0)
        if visible == 0:
            continue

        amplitude = visible * frequency**-exponent
        gain = round(amplitude / DEVIATION, 9)
        seed = derived(shape.seed, number)
        found.append((seed, octave_turn(number), frequency, gain))
    return found
