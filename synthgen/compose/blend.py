"""An object laid over a background: the one place where pixels of two pictures are mixed."""

import numpy as np


def lay_over(background: np.ndarray, image: np.ndarray, mask: np.ndarray, blur: float = 0.0):
    """Return `background` with an object laid over it, and where it changed.

    Parameters
    ----------
    background, image : ndarray of uint8, (H, W, 3) or (H, W)
        Both of one shape; neither is changed.
    mask : ndarray of bool, (H, W)
        The pixels of the object.
    blur : float
        Weight of each of the two neighbors in a row of a 3 x 3 Gaussian, in [0, 1/3], that the object is
        blurred by before it is laid down; nothing from outside its mask bleeds in.

    Returns
    -------
    image : ndarray of uint8
        Outside of the returned mask equal to `background`.
    mask : ndarray of bool, (H, W)
        Grown by one pixel where the object was blurred.

    Examples
    --------
    >>> dark, bright, dot = np.zeros((3, 3), np.uint8), np.full((3, 3), 80, np.uint8), np.eye(3, dtype=bool)
    >>> lay_over(dark, bright, dot)[0].tolist()
    [[80, 0, 0], [0, 80, 0], [0, 0, 80]]
    """
    if blur == 0:
        shown = np.where(shaped(mask, image), image, background)
        return shown, mask

    sharp = mask.astype(np.float32)
    weighted = image * shaped(sharp, image)
    weighted, coverage = soften(weighted, sharp, blur)
    mixed = mix(background, weighted, coverage)
    return mixed, coverage > 0


def soften(weighted: np.ndarray, coverage: np.ndarray, blur: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an object blurred: its pixels times their coverage, and the coverage.

    Parameters
    ----------
    weighted : ndarray of float32, (H, W, 3) or (H, W)
        Pixels times their coverage.
    coverage : ndarray of float32, (H, W)
        In [0, 1].
    blur : float
        As for `lay_over`; what reaches over the border of the arrays is lost.
    """
    return _smooth(weighted, blur), _smooth(coverage, blur)


def gaussian_weight(sigma: float) -> float:
    """Return the weight of a neighbor in a 3-tap Gaussian of width `sigma` (pixels), rounded.

    Examples
    --------
    >>> gaussian_weight(1.0)
    0.274069
    """
    exponent = -0.5 / sigma**2
    neighbor = float(np.exp(exponent))
    total = 1 + 2 * neighbor
    return round(neighbor / total, 6)


def mix(background: np.ndarray, weighted: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Return `background` with an object over it that covers pixels in part.

    Parameters
    ----------
    background : ndarray of uint8, (H, W, 3) or (H, W)
    weighted : ndarray of float32, shape of `background`
        Pixels of the object times their coverage.
    coverage : ndarray of float32, (H, W)
        In [0, 1]; where it is 0 the background stays to the last bit.
    """
    covered = shaped(coverage, weighted)
    shown = 1 - covered
    mixed = np.rint(background * shown + weighted)
    clipped = np.clip(mixed, 0, 255)
    levels = clipped.astype(np.uint8)

    touched = covered > 0
    return np.where(touched, levels, background)


def shaped(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) with as many axes as an image has."""
    if image.ndim == 2:
        return mask
    return mask[..., None]


def _smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """Convolve rows and columns with (weight, 1 - 2 weight, weight); beyond the border lies 0."""
    side = np.float32(weight)
    middle = np.float32(1 - 2 * weight)

    for axis in (0, 1):
        moved = np.moveaxis(values, axis, 0)
        aside = side * moved
        smooth = middle * moved
        smooth[1:] += aside[:-1]
        smooth[:-1] += aside[1:]
        values = np.moveaxis(smooth, 0, axis)

    return values
