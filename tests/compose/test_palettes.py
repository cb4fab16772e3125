import numpy as np

from synthgen.compose import hue_palette
from synthgen.compose.palettes import hue_palettes


def test_many_palettes_are_the_single_ones():
    rng = np.random.default_rng(0)
    hues = np.append(rng.integers(0, 256, 30), [0, 255])
    saturations = np.append(rng.random(30), [0, 1])
    values = np.append(rng.random(30), [1, 1])
    singly = [hue_palette(*row) for row in zip(hues.tolist(), saturations.tolist(), values.tolist(), strict=True)]
    assert np.array_equal(hue_palettes(hues, saturations, values), singly)
