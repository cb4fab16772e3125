import colorsys

import numpy as np
import pytest

from synthgen.compose import hue_palette


@pytest.mark.parametrize("hue", [0, 77, 255])
def test_palettes_are_the_color_wheel(hue):
    colors = hue_palette(hue, 0.6, 0.9)
    expected = [[round(255 * c) for c in colorsys.hsv_to_rgb((g + hue) % 256 / 256, 0.6, 0.9)] for g in range(256)]
    assert colors[0].tolist() == [0, 0, 0]
    assert np.abs(colors[1:].astype(int) - expected[1:]).max() <= 1
    assert colors[1:].max(axis=1).min() > 0
