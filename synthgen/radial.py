"""Radial contours: orbits of vertices around a center, each a step farther out than the one before.

Two kinds are known. Vertices of RCDB step outwards at random (Kataoka et al., "Replacing Labeled Real-image
Datasets with Auto-generated Contours", CVPR 2022, section 3). Those of visual atoms follow two sine waves as well
(Takashima et al., "Visual Atoms: Pre-training Vision Transformers with Sinusoidal Waves", CVPR 2023, section 3).
Constants that the papers leave open are those of the authors' programs.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.errors import UsageError
from synthgen.splitmix import mix

f64, u64 = np.float64, np.uint64

# The side of the images in which lengths are given, pixels.
UNIT_SIDE = 512
MOST_VERTICES = 4000
MOST_ORBITS = 1000
# Uniform numbers have so many bits.
_BITS = u64(11)
_TO_UNIT = 2.0**-53


class Contour(NamedTuple):
    """A radial contour; lengths are pixels of an image of `UNIT_SIDE` pixels.

    Attributes
    ----------
    vertices, orbits : int
        Vertices of an orbit, and how many orbits are drawn.
    center : (float, float)
        Row and column in the square in the middle of the image.
    radii : (float, float)
        Half the height and the width of the first orbit.
    drift : float
        By how much each orbit is farther out, beside the noise.
    noise : float
        How strong the noise of a step is.
    noise_factor : float
        1 for visual atoms, 2 for RCDB: the noise is drawn around 0 and counts so often.
    waves : (int, int)
        Frequencies of the two sine waves: periods in one turn.
    wave_height : float
        Of each wave; 0 for none.
    """

    vertices: int
    orbits: int
    center: tuple[float, float]
    radii: tuple[float, float]
    drift: float
    noise: float
    noise_factor: float
    waves: tuple[int, int]
    wave_height: float


def render(contour: Contour, size: int | tuple[int, int], seed: int, levels: int = 256) -> np.ndarray:
    """Return the orbits of a contour, the later ones over those before.

    Parameters
    ----------
    contour : Contour
    size : int or (int, int)
        Height and width in pixels. The contour is drawn for the square in the middle, which has the shorter side.
    seed : int
        Of the steps and of the gray levels, 0 <= seed < 2**64.
    levels : int
        Each orbit has a gray level of its own, 0 to less than this, 1..256.

    Returns
    -------
    ndarray of int16, (H, W)
        The gray level of the topmost orbit, -1 where there is none.

    Raises
    ------
    UsageError
        If a number is out of range.

    Examples
    --------
    >>> ring = Contour(90, 1, (256.0, 256.0), (100.0, 100.0), 0.0, 0.0, 1.0, (0, 0), 0.0)
    >>> image = render(ring, 64, seed=0)
    >>> image.shape, bool(image[32, 32] == -1), int((image[32] >= 0).sum())
    ((64, 64), True, 2)
    """
    shape = (size, size) if isinstance(size, int) else tuple(size)
    _check("vertices", contour.vertices, 3, MOST_VERTICES)
    _check("orbits", contour.orbits, 1, MOST_ORBITS)
    _check("levels", levels, 1, 256)
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed must lie in 0..2**64-1, got {seed}")

    # rounded: the last bits of sin and cos differ between CPUs
    turns = np.arange(contour.vertices) / contour.vertices
    down = _sines(turns)
    right = _sines(turns + 0.25)
    directions = np.stack([down, right], axis=1)
    scale = min(shape) / UNIT_SIDE
    margins = (np.array(shape) / scale - UNIT_SIDE) / 2  # of the longer side, so that the contour is in the middle
    path = contour.radii * directions + contour.center + margins

    first, second = contour.waves
    waves = _sines(first * turns) + _sines(second * turns)
    outwards = contour.drift + contour.noise
    steps = contour.wave_height * waves + outwards

    out = np.full(shape, -1, np.int16)
    strength = contour.noise * contour.noise_factor
    _draw(path, directions, steps, strength, contour.orbits, scale, u64(seed), levels, out)
    return out


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise UsageError(f"{name} must lie in {least}..{most}, got {value}")


def _sines(turns: np.ndarray) -> np.ndarray:
    return np.sin(2 * math.pi * turns).round(12)


@numba.njit(cache=True)
def _draw(path, directions, steps, strength, orbits, scale, seed, levels, out):
    """Move the vertices outwards, orbit by orbit, and draw the line that joins them."""
    count = len(path)
    state = mix(seed)
    for _ in range(orbits):
        state = mix(state)
        level = int(_uniform(state) * levels)

        for axis in (1, 0):
            for k in range(count):
                state = mix(state)
                value = _noise(state)
                path[k, axis] += directions[k, axis] * (steps[k] - strength * value)

        for k in range(count):
            follower = k + 1 if k + 1 < count else 0
            _line(
                scale * path[k, 0],
                scale * path[k, 1],
                scale * path[follower, 0],
                scale * path[follower, 1],
                level,
                out,
            )


@numba.njit(cache=True, inline="always")
def _uniform(state):
    return f64(state >> _BITS) * _TO_UNIT


@numba.njit(cache=True)
def _noise(state):
    """Return one-dimensional Perlin noise at a random place, as the package ``noise`` has it (pnoise1).

    The two gradients around the place are 1 to 8, or -1, each sign being as likely.
    """
    place = _uniform(state)
    low = state & u64(15)
    high = (state >> u64(4)) & u64(15)
    before = _gradient(low) * place
    after = _gradient(high) * (place - 1)

    share = place * (place * 6 - 15) + 10
    share *= place * place * place
    return 0.4 * (before + share * (after - before))


@numba.njit(cache=True, inline="always")
def _gradient(bits):
    if bits & u64(8):
        return -1.0
    return f64(bits & u64(7)) + 1.0


@numba.njit(cache=True)
def _line(row, column, last_row, last_column, level, out):
    """Draw a line one pixel wide, pixel by pixel along its longer side."""
    height, width = out.shape
    down = last_row - row
    right = last_column - column
    steps = int(max(abs(down), abs(right))) + 1
    row_step = down / steps
    column_step = right / steps

    for k in range(steps + 1):
        r = int(np.floor(row + k * row_step))
        c = int(np.floor(column + k * column_step))
        if 0 <= r < height and 0 <= c < width:
            out[r, c] = level
