"""From heights to pixels: color, shading of the relief, light and grain."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.splitmix import mix, u64
from synthgen.texture.lattice import clipped, first_share, second_share, third_share


class Light(NamedTuple):
    """How an image is lit.

    Attributes
    ----------
    azimuth : float
        Degrees, where the light comes from, in the image.
    slope : (float, float)
        By which share the light grows from top to bottom and from left to right.
    """

    azimuth: float
    slope: tuple[float, float]


class Exposure(NamedTuple):
    """How one region of an image is exposed.

    Attributes
    ----------
    contrast : float
        Factor of all differences from the mean color.
    brightness : float
        Gray levels that are added.
    seed : int
        Of the grain.
    """

    contrast: float
    brightness: float
    seed: int


class _Look(NamedTuple):
    """What the compiled painter needs of texture, light and exposure."""

    middle: tuple[float, float, float]
    first: tuple[float, float, float]
    second: tuple[float, float, float]
    relief: float
    toward: tuple[float, float]
    slope: tuple[float, float]
    grain: float
    seed: np.uint64


def sample_light(rng: np.random.Generator, strength: float) -> Light:
    """Return a random light; `strength` is a factor of how uneven it is, and from 1 on it comes from any side."""
    side, down, right = rng.random(3).tolist()
    uneven = 0.24 * strength
    slope = round(uneven * (down - 0.5), 4), round(uneven * (right - 0.5), 4)
    azimuth = 225 + 360 * min(strength, 1.0) * (side - 0.5)
    return Light(round(azimuth, 2), slope)


def sample_exposure(rng: np.random.Generator, strength: float) -> Exposure:
    """Return a random exposure; `strength` is a factor of how far it lies from the plain one."""
    contrast = 1 + 0.15 * strength * rng.uniform(-1, 1)
    brightness = 8 * strength * rng.normal()
    seed = int(rng.integers(2**62))
    return Exposure(round(contrast, 4), round(brightness, 3), seed)


def paint(
    image: np.ndarray,
    shown: tuple[np.ndarray, int],
    corner: tuple[int, int],
    planes: tuple[np.ndarray, np.ndarray],
    texture: dict,
    scale: float,
    light: Light,
    exposure: Exposure,
) -> None:
    """Write the pixels of a texture into an image.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    shown : (ndarray of uint8, (H, W), int)
        Numbers of regions, and the one that is written.
    corner : (int, int)
        Top and left of the box of the region.
    planes : (ndarray, ndarray)
        Mixture and last field in that box, float64 (h + 2, w + 2): one pixel more on each side.
    texture : dict
        As returned by `synthgen.texture.mixture.sample_texture`.
    scale : float
        Units of the texture in a pixel.
    light : Light
    exposure : Exposure
    """
    look = _look(texture, scale, light, exposure)
    top, number = shown
    mixture, last = planes
    _paint(image, top, number, corner, mixture, last, look)


def _look(texture: dict, scale: float, light: Light, exposure: Exposure) -> _Look:
    """Return what the compiled painter needs."""
    tone, contrast = texture["tone"]
    middle, first, second = np.array(texture["colors"])
    gain = contrast * exposure.contrast
    turn = math.radians(light.azimuth)
    toward = round(math.sin(turn), 9), round(math.cos(turn), 9)
    return _Look(
        middle=tuple(middle + tone + exposure.brightness),
        first=tuple(gain * first),
        second=tuple(gain * second),
        # differences are taken over two pixels
        relief=texture["relief"] / (2 * scale),
        toward=toward,
        slope=light.slope,
        grain=texture["grain"],
        seed=u64(exposure.seed),
    )


@numba.njit(cache=True)
def _paint(image, top, number, corner, mixture, last, look):
    height, width, _ = image.shape
    first_row, first_column = corner
    slope_down, slope_right = look.slope
    rows, columns = mixture.shape

    # the planes have one pixel more on each side
    for r in range(1, rows - 1):
        row = first_row + r - 1
        down_light = 1 + slope_down * (row / height - 0.5)
        for c in range(1, columns - 1):
            column = first_column + c - 1
            if top[row, column] != number:
                continue

            right_light = slope_right * (column / width - 0.5)
            light = down_light + right_light
            if look.relief > 0:
                light *= _shade(mixture, r, c, look)

            noise = look.grain * _noise(look.seed, row, column)
            value = mixture[r, c]
            other = last[r, c]
            for k in range(3):
                color = look.middle[k] + look.first[k] * value + look.second[k] * other
                level = color * light + noise
                image[row, column, k] = np.uint8(clipped(level, 0.0, 255.0) + 0.5)


@numba.njit(cache=True)
def _shade(heights, r, c, look):
    """Return how bright a matte surface is under a light at 45 degrees; 1 where it is level."""
    down = look.relief * (heights[r + 1, c] - heights[r - 1, c])
    right = look.relief * (heights[r, c + 1] - heights[r, c - 1])
    light_down, light_right = look.toward
    toward = 1 + down * light_down + right * light_right
    length = np.sqrt(1 + down * down + right * right)
    return 0.25 + 0.75 * max(toward / length, 0.0)


@numba.njit(cache=True)
def _noise(seed, row, column):
    """Return white noise of deviation 1 at a pixel: the sum of three uniform numbers."""
    bits = mix(seed + u64(row * 65536 + column))
    total = first_share(bits) + second_share(bits) + third_share(bits)
    return 2 * (total - 1.5)


def normals(relief: np.ndarray) -> np.ndarray:
    """Return the unit vectors out of a relief, float32 (h, w, 3): right, up in the image, out of it.

    Parameters
    ----------
    relief : ndarray of float64, (h + 2, w + 2)
        Heights in pixels, one pixel more on each side.
    """
    above = relief[:-2, 1:-1]
    below = relief[2:, 1:-1]
    before = relief[1:-1, :-2]
    behind = relief[1:-1, 2:]
    # a surface that grows to the right leans to the left
    right = (before - behind) / 2
    up = (below - above) / 2

    vectors = np.dstack([right, up, np.ones_like(up)])
    squares = (vectors**2).sum(axis=2, keepdims=True)
    return (vectors / np.sqrt(squares)).astype(np.float32)
