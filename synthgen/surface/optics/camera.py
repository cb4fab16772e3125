"""The camera: exposure, lens blur, sensor noise, 8 bits.

An image and its clean twin go through the same steps with the same noise. Where the blur's reach holds no change,
their bytes are equal.
"""

import numba
import numpy as np

from synthgen.seeding import noise_generator

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
    if blur > 0:
        taps = blur_taps(blur)
        line = np.zeros(radiance.shape[1] + len(taps) - 1, f32)
        radiance = _blurred(radiance, taps, line)

    scale = f32(255 * exposure)
    if noise is None:
        return _levels(radiance, scale)

    rng = noise_generator(noise["seed"])
    grain = rng.integers(0, 2**32, radiance.shape, u32)
    return _noisy_levels(radiance, scale, grain, f32(noise["sigma"]))


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
    radius = blur_reach(blur)
    for axis in (0, 1):
        out = mask.copy()
        target = np.moveaxis(out, axis, 0)
        source = np.moveaxis(mask, axis, 0)
        steps = min(radius, len(source) - 1)

        for k in range(1, steps + 1):
            np.maximum(target[k:], source[:-k], out=target[k:])
            np.maximum(target[:-k], source[k:], out=target[:-k])
        mask = out
    return mask


@numba.njit(cache=True)
def _blurred(image, taps, line):
    """Return the image convolved along both axes; its border goes on outwards."""
    rows = _blurred_down(image, taps)
    height, width = image.shape
    radius = len(taps) // 2
    out = np.zeros_like(image)

    for r in range(height):
        line[:radius] = rows[r, 0]
        line[radius : radius + width] = rows[r]
        line[radius + width :] = rows[r, -1]

        target = out[r]
        for k in range(len(taps)):
            source = line[k : k + width]
            weight = taps[k]
            for c in range(width):
                target[c] += weight * source[c]
    return out


@numba.njit(cache=True)
def _blurred_down(image, taps):
    """Return the image convolved along its columns."""
    height, width = image.shape
    radius = len(taps) // 2
    out = np.zeros_like(image)

    for r in range(height):
        target = out[r]
        for k in range(len(taps)):
            row = min(max(r + k - radius, 0), height - 1)
            source = image[row]
            weight = taps[k]
            for c in range(width):
                target[c] += weight * source[c]
    return out


@numba.njit(cache=True, inline="always")
def _level(value):
    """Return the gray level, uint8, of a brightness of which 255 is white."""
    bounded = min(max(value + _HALF, _BLACK), _WHITE)
    return np.uint8(i32(bounded))


@numba.njit(cache=True)
def _levels(radiance, scale):
    """Return the gray levels of a picture without noise."""
    out = np.empty(radiance.shape, np.uint8)
    source = radiance.ravel()
    target = out.ravel()
    for i in range(source.size):
        target[i] = _level(source[i] * scale)
    return out


@numba.njit(cache=True)
def _noisy_levels(radiance, scale, grain, sigma):
    """Return the gray levels with noise, that of photons and that of the sensor."""
    out = np.empty(radiance.shape, np.uint8)
    source = radiance.ravel()
    target = out.ravel()
    bits = grain.ravel()

    for i in range(source.size):
        value = max(source[i] * scale, _BLACK)
        spread = sigma * np.sqrt(value * f32(1 / 255) + _READ_NOISE)

        upper = i32(bits[i] >> u32(16))
        lower = i32(bits[i] & u32(0xFFFF))
        deviation = f32(upper + lower - _MIDDLE)

        value += spread * deviation * _TO_UNIT
        target[i] = _level(value)
    return out
