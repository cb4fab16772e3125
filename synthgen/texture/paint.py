"""From heights to pixels: color, shading of the relief, light and grain."""

import math
from typing import NamedTuple

import numba
import numpy as np

from synthgen.splitmix import mix, u64
from synthgen.texture.lattice import first_share, second_share, third_share


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
    tone, contrast = texture["tone"]
    middle, first, second = np.array(texture["colors"])
    gain = contrast * exposure.contrast
    turn = math.radians(light.azimuth)
    look = _Look(
        tuple(middle + tone + exposure.brightness),
        tuple(gain * first),
        tuple(gain * second),
        texture["relief"] / (2 * scale),
        (round(math.sin(turn), 9), round(math.cos(turn), 9)),
        light.slope,
        texture["grain"],
        u64(exposure.seed),
    )
    top, number = shown
    mixture, last = planes
    _paint(image, top, number, corner, mixture, last, look)


@numba.njit(cache=True)
def _paint(image, top, number, corner, mixture, last, look):
    height, width, _ = image.shape
    first_row, first_column = corner
    slope_down, slope_right = look.slope
    light_down, light_right = look.toward
    rows, columns = mixture.shape

    for r in range(rows - 2):
        row = first_row + r
        down_light = 1 + slope_down * (row / height - 0.5)
        for c in range(columns - 2):
            column = first_column + c
            if top[row, column] != number:
                continue

            value = mixture[r + 1, c + 1]
            other = last[r + 1, c + 1]
            light = down_light + slope_right * (column / width - 0.5)
            if look.relief > 0:
                # a matte surface under a light at 45 degrees
                down = look.relief * (mixture[r + 2, c + 1] - mixture[r, c + 1])
                right = look.relief * (mixture[r + 1, c + 2] - mixture[r + 1, c])
                steep = np.sqrt(1 + down * down + right * right)
                shade = (1 + down * light_down + right * light_right) / steep
                light *= 0.25 + 0.75 * max(shade, 0.0)

            bits = mix(look.seed + u64(row * 65536 + column))
            # the sum of three uniform numbers has a variance of 1 / 4
            noise = first_share(bits) + second_share(bits) + third_share(bits) - 1.5
            noise *= 2 * look.grain
            for k in range(3):
                color = look.middle[k] + look.first[k] * value + look.second[k] * other
                level = color * light + noise + 0.5
                level = min(max(level, 0.0), 255.0)
                image[row, column, k] = np.uint8(level)


def normals(relief: np.ndarray) -> np.ndarray:
    """Return the unit vectors out of a relief, float32 (h, w, 3): right, up in the image, out of it.

    Parameters
    ----------
    relief : ndarray of float64, (h + 2, w + 2)
        Heights in pixels, one pixel more on each side.
    """
    down = (relief[2:, 1:-1] - relief[:-2, 1:-1]) / 2
    right = (relief[1:-1, 2:] - relief[1:-1, :-2]) / 2
    vectors = np.dstack([-right, down, np.ones_like(down)])
    lengths = np.sqrt((vectors**2).sum(axis=2, keepdims=True))
    return (vectors / lengths).astype(np.float32)
