"""Colors as functions of one gray value."""

import numpy as np


def _pure_hues() -> np.ndarray:
    """Return the color wheel at full saturation and value, float64 (256, 3) in [0, 1]."""
    hues = np.arange(256)[:, None]
    sixths = hues * (6 / 256)
    peaks = np.array((3, 2, 4))
    slopes = np.array((1, -1, -1))
    starts = np.array((-1, 2, 2))

    offsets = sixths - peaks
    distances = np.abs(offsets)
    channels = starts + slopes * distances
    return np.clip(channels, 0, 1)


# The share of the value that full saturation takes from each channel; twice around, for slices of a shifted wheel.
TAKEN = np.tile(1 - _pure_hues(), (2, 1))
# Of red, green and blue, in thousandths (ITU-R BT.601).
_LUMA = np.array([299, 587, 114], np.int32)


def hue_palette(hue: int, saturation: float, value: float) -> np.ndarray:
    """Return the colors of the gray levels 0..255: black, then a hue that turns once around the wheel.

    Level g > 0 has hue (g + `hue`) mod 256; saturation and value are the same for all. This is how Anderson
    and Farrell (WACV 2022) color fractals.

    Parameters
    ----------
    hue : int
        Shift of the hue, 0..255, where 256 is a full turn.
    saturation, value : float
        In [0, 1].

    Returns
    -------
    ndarray of uint8, (256, 3)

    Examples
    --------
    >>> hue_palette(0, 1.0, 1.0)[[0, 1, 128]].tolist()
    [[0, 0, 0], [255, 6, 0], [0, 255, 255]]
    """
    highest = 255 * value
    wheel = TAKEN[hue : hue + 256]
    most_taken = highest * saturation
    taken = most_taken * wheel
    left = highest - taken
    colors = np.rint(left).astype(np.uint8)
    colors[0] = 0
    return colors


def to_gray(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of RGB pixels (ITU-R BT.601), uint8 (H, W) of uint8 (H, W, 3); whole numbers throughout."""
    thousandths = rgb @ _LUMA
    rounded = (thousandths + 500) // 1000
    return rounded.astype(np.uint8)
