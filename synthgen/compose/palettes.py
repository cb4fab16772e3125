"""Palettes of many images at once, in compiled code: 8 -> 1 us each."""

import numba
import numpy as np

from synthgen.compose.color import TAKEN


def hue_palettes(hues: np.ndarray, saturations: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the colors of many images, uint8 (n, 256, 3): what `hue_palette` returns for each."""
    colors = np.empty((len(hues), 256, 3), np.uint8)
    _fill(TAKEN, hues, saturations, values, colors)
    return colors


@numba.njit(cache=True)
def _fill(wheel, hues, saturations, values, colors):
    for i in range(len(colors)):
        highest = 255 * values[i]
        most_taken = highest * saturations[i]
        colors[i, 0] = 0
        for level in range(1, 256):
            for channel in range(3):
                taken = most_taken * wheel[hues[i] + level, channel]
                left = highest - taken
                colors[i, level, channel] = np.uint8(np.rint(left))
