"""The camera: exposure, lens blur, sensor noise, 8 bits.

An image and its clean twin go through the same steps with the same noise. Where the blur's reach holds no change,
their bytes are equal.
"""

from functools import partial

import numba
import numpy as np

from synthgen.seeding import noise_words
from synthgen.threads import by_bands

f32, i32, u32 = np.float32, np.int32, np.uint32

# Standard deviations of the blur beyond which it takes nothing.
_REACH = 2.5
_WHITE = f32(255)
_BLACK = f32(0)
_HALF = f32(0.5)  # for rounding
# Variance of the noise that reads the sensor out, as a share of a white pixel's.
_READ_NOISE = f32(0.04)
# The sum of two uniform numbers of 16 bits, less this, has the mean 0; times the other, the variance 1.
_MIDDLE = i32(65535)
_TO_UNIT = f32(6**0.5 / 65536)


def develop(radiance: np.ndarray, exposure: float, blur: float, noise: dict | None) -> np.ndarray:
    """Return the image that a camera takes.

    Parameters
    ----------
    radiance : ndarray of float32, (H, W)
        1 is white; brighter is overexposed.
    exposure : float
        Factor of the brightness.
    blur : float
        Standard deviation of the lens blur, pixels; 0 for none.
    noise : dict, optional
        ``seed``, and ``sigma``, the noise of a white pixel in gray levels; darker ones have less.

    Returns
    -------
    ndarray of uint8, (H, W)
    """
    taps = blur_taps(blur) if blur > 0 else None
    scale = f32(255 * exposure)
    width = radiance.shape[1]
    out = np.empty(radiance.shape, np.uint8)

    def expose(first: int, end: int) -> None:
        rows = slice(first, end)
        light = radiance[rows] if taps is None else _blurred(radiance, taps, first, end)
        if noise is None:
            _expose(light, scale, out[rows])
            return
        grain = noise_words(noise["seed"], first * width, light.size)
        _expose_with_noise(light, scale, grain, f32(noise["sigma"]), out[rows])

    by_bands(expose, radiance.shape)
    return out


def photograph(radiance: np.ndarray, camera: dict) -> np.ndarray:
    """Return the image that the camera of a sample takes: `develop` with its settings."""
    return develop(
        radiance,
        camera["exposure"],
        camera["blur"],
        camera["noise"],
    )


def blur_reach(sigma: float) -> int:
    """Return how many pixels away a blur still takes from."""
    return int(np.ceil(_REACH * sigma))


def blur_taps(sigma: float) -> np.ndarray:
    """Return the taps of the blur, float32 (2 r + 1,); their sum is 1."""
    radius = blur_reach(sigma)
    places = np.arange(-radius, radius + 1)
    taps = np.exp(-(places**2) / (2 * sigma**2))
    # rounded: the last bits of exp differ between CPUs
    rounded = np.round(taps / taps.sum(), 7)
    return rounded.astype(f32)


def grown(mask: np.ndarray, blur: float) -> np.ndarray:
    """Return a mask that is larger by the reach of a blur.

    Parameters
    ----------
    mask : ndarray of bool or integers, (H, W)
        Where ids meet, the larger one wins.
    blur : float
        Standard deviation of the blur, pixels.
    """
    out = np.empty_like(mask)
    grow = partial(_grow_rows, mask, blur_reach(blur), out)
    by_bands(grow, mask.shape)
    return out


@numba.njit(cache=True, nogil=True)
def _grow_rows(mask, radius, out, first, end):
    """Write some rows of a mask that is larger by a radius along both axes."""
    height, width = mask.shape
    line = np.empty(width, mask.dtype)
    for r in range(first, end):
        above = max(r - radius, 0)
        below = min(r + radius + 1, height)
        line[:] = mask[above]
        for row in range(above + 1, below):
            _raise_to(mask[row], line)

        target = out[r]
        target[:] = line
        for k in range(1, min(radius, width - 1) + 1):
            _raise_to(line[: width - k], target[k:])
            _raise_to(line[k:], target[: width - k])


@numba.njit(cache=True, inline="always")
def _raise_to(source, target):
    """Raise each value to that of the source, where it is lower."""
    for c in range(target.size):
        value = source[c]
        target[c] = value if value > target[c] else target[c]


@numba.njit(cache=True, nogil=True)
def _blurred(image, taps, first, end):
    """Return some rows of the image convolved along both axes; its border goes on outwards."""
    height, width = image.shape
    radius = len(taps) // 2
    out = np.zeros((end - first, width), image.dtype)
    line = np.empty(width + 2 * radius, image.dtype)
    middle = line[radius : radius + width]

    for r in range(first, end):
        middle[:] = 0
        for k in range(len(taps)):
            row = min(max(r + k - radius, 0), height - 1)
            _add_weighted(image[row], taps[k], middle)

        line[:radius] = middle[0]
        line[radius + width :] = middle[-1]
        for k in range(len(taps)):
            _add_weighted(line[k : k + width], taps[k], out[r - first])
    return out


@numba.njit(cache=True, inline="always")
def _add_weighted(source, weight, target):
    for c in range(target.size):
        target[c] += weight * source[c]


@numba.njit(cache=True, inline="always")
def _level(value):
    """Return the gray level, uint8, of a brightness of which 255 is white."""
    bounded = min(max(value + _HALF, _BLACK), _WHITE)
    return np.uint8(i32(bounded))


@numba.njit(cache=True, nogil=True)
def _expose(radiance, scale, out):
    """Write the gray levels of a picture without noise."""
    source = radiance.ravel()
    target = out.ravel()
    for i in range(source.size):
        target[i] = _level(source[i] * scale)


@numba.njit(cache=True, nogil=True)
def _expose_with_noise(radiance, scale, grain, sigma, out):
    """Write the gray levels with noise, that of photons and that of the sensor."""
    source = radiance.ravel()
    target = out.ravel()

    for i in range(source.size):
        value = max(source[i] * scale, _BLACK)
        spread = sigma * np.sqrt(value * f32(1 / 255) + _READ_NOISE)

        upper = i32(grain[i] >> u32(16))
        lower = i32(grain[i] & u32(0xFFFF))
        deviation = f32(upper + lower - _MIDDLE)

        value += spread * deviation * _TO_UNIT
        target[i] = _level(value)
