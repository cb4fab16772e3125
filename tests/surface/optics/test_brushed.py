import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.optics.brushed import ACROSS, sample_brushed, streaks


def texture(index=0):
    return sample_brushed(generator(0, 0, index, "texture"))


def test_streaks_run_along_the_brushing():
    table = streaks(texture(), ACROSS)[200:-200, 10:-10]
    for channel in range(2):
        values = table[..., channel]
        along, across = np.abs(np.diff(values, axis=1)).mean(), np.abs(np.diff(values, axis=0)).mean()
        # neighbors a whole millimeter apart along a streak are as alike as those 0.05 mm apart across it
        assert along < across
        assert abs(values.mean()) < 0.2 * values.std()


def test_streaks_have_the_asked_strength():
    for index in range(4):
        params = texture(index)
        table = streaks({**params, "marks": 0}, ACROSS)
        assert table[..., 0].std() == pytest.approx(params["slope"], rel=0.15)
        assert table[..., 1].std() == pytest.approx(params["contrast"], rel=0.15)


def test_coarse_pixels_see_the_mean_of_fine_streaks():
    fine, coarse = streaks(texture(), ACROSS), streaks(texture(), 9 * ACROSS)
    middle = slice(100, -100)
    means = np.stack([np.roll(fine, k, axis=0) for k in range(-4, 5)]).mean(axis=0)
    assert np.allclose(coarse[middle], means[middle], atol=1e-6)
