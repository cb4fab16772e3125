"""The camera: exposure, lens blur, sensor noise, 8 bits.

An image and its clean twin go through the same steps with the same noise: where the blur's reach holds no change,
their bytes are equal.
"""

import numba
import numpy as np

from synthgen.seeding import noise_generator

f32 = np.float32


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
        ``seed``, and ``sigma``, the noise of a white pixel in grey levels; darker ones have less.

    Returns
    -------
    ndarray of uint8, (H, W)
    """
    if blur > 0:
        taps = blur_taps(blur)
        radiance = _blurred(radiance, taps, np.zeros(radiance.shape[1] + len(taps) - 1, np.float32))
    if noise is None:
        return _levels(radiance, f32(255 * exposure))
    grain = noise_generator(noise["seed"]).integers(0, 2**32, radiance.shape, np.uint32)
    return _noisy_levels(radiance, f32(255 * exposure), grain, f32(noise["sigma"]))


def reach_of(sigma: float) -> int:
    """Return how many pixels away a blur still takes from."""
    return int(np.ceil(2.5 * sigma))


def blur_taps(sigma: float) -> np.ndarray:
    """Return the taps of the blur, float32 (2 r + 1,), their sum 1."""
    radius = reach_of(sigma)
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    # rounded: the last bits of exp differ between CPUs
    return np.round(taps / taps.sum(), 7).astype(np.float32)


def grown(mask: np.ndarray, blur: float) -> np.ndarray:
    """Return a mask, grown by the reach of a blur, bool or uint8 (H, W); of ids the larger one wins."""
    radius = reach_of(blur)
    for axis in (0, 1):
        out = mask.copy()
        moved, source = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        for k in range(1, min(radius, len(source) - 1) + 1):
            np.maximum(moved[k:], source[:-k], out=moved[k:])
            np.maximum(moved[:-k], source[k:], out=moved[:-k])
        mask = out
    return mask


@numba.njit(cache=True)
def _blurred(image, taps, line):
    """Return the image convolved along both axes; its border goes on outwards."""
    height, width = image.shape
    radius = len(taps) // 2
    rows = np.zeros_like(image)
    for r in range(height):
        target = rows[r]
        for k in range(len(taps)):
            source, weight = image[min(max(r + k - radius, 0), height - 1)], taps[k]
            for c in range(width):
                target[c] += weight * source[c]
    out = np.zeros_like(image)
    for r in range(height):
        line[:radius], line[radius : radius + width], line[radius + width :] = rows[r, 0], rows[r], rows[r, -1]
        target = out[r]
        for k in range(len(taps)):
            source, weight = line[k : k + width], taps[k]
            for c in range(width):
                target[c] += weight * source[c]
    return out


@numba.njit(cache=True)
def _levels(radiance, scale):
    out = np.empty(radiance.shape, np.uint8)
    source, target = radiance.ravel(), out.ravel()
    for i in range(source.size):
        target[i] = np.uint8(np.int32(min(max(source[i] * scale + f32(0.5), f32(0)), f32(255))))
    return out


@numba.njit(cache=True)
def _noisy_levels(radiance, scale, grain, sigma):
    out = np.empty(radiance.shape, np.uint8)
    source, target, grain = radiance.ravel(), out.ravel(), grain.ravel()
    for i in range(source.size):
        value = max(source[i] * scale, f32(0))
        # photons: variance in proportion to the brightness, and a floor of what reads them out
        spread = sigma * np.sqrt(value * f32(1 / 255) + f32(0.04))
        # the sum of two uniform numbers of 16 bits, scaled to variance 1
        halves = np.int32(grain[i] >> np.uint32(16)) + np.int32(grain[i] & np.uint32(0xFFFF)) - np.int32(65535)
        value += spread * f32(halves) * f32(6**0.5 / 65536)
        target[i] = np.uint8(np.int32(min(max(value + f32(0.5), f32(0)), f32(255))))
    return out
