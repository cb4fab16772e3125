import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.texture.field import evaluate
from synthgen.texture.mixture import heights, sample_texture
from synthgen.texture.view import View, places

KINDS = ("spectral", "periodic", "cellular", "leaves")
VIEW = View((40.0, -90.0), 1.2, 20.0, mirrored=True)
SIZE = (24, 30)
BOX = (-1, -1, 25, 31)
ALL = np.arange(26 * 32)


def texture(number=0, **shares):
    return sample_texture(generator(2, number, 0, "test"), KINDS, **shares)


def test_a_single_texture_is_its_field():
    drawn = texture(mixtures=0.0)
    mixture, last = heights(drawn, VIEW, SIZE, BOX, ALL)
    rows, columns = places(VIEW, SIZE, BOX, ALL)
    np.testing.assert_array_equal(mixture.ravel(), evaluate(drawn["fields"][0], rows, columns, 1.2))
    np.testing.assert_array_equal(mixture, last)


def test_mixtures_have_mean_0_and_deviation_1_for_all_ways_to_mix():
    found = {}
    for number in range(24):
        drawn = texture(number, mixtures=1.0)
        wide = VIEW._replace(scale=6.0)
        mixture, _ = heights(drawn, wide, (60, 60), (0, 0, 60, 60), np.arange(3600))
        found.setdefault(drawn["mix"], []).append((mixture.mean(), mixture.std()))

    assert set(found) == {"sum", "product", "most", "inlay"}
    for values in found.values():
        mean, deviation = np.median(values, axis=0)
        assert abs(mean) < 0.5
        assert 0.6 < deviation < 1.5


def test_pixels_that_are_not_wanted_are_left_out_and_change_no_other():
    drawn = texture(3, mixtures=1.0)
    whole, _ = heights(drawn, VIEW, SIZE, BOX, ALL)
    some = ALL[::3]
    part, _ = heights(drawn, VIEW, SIZE, BOX, some)
    np.testing.assert_array_equal(part.ravel()[some], whole.ravel()[some])
    assert np.count_nonzero(part) <= len(some)


@pytest.mark.parametrize("gray", [0.0, 1.0])
def test_the_share_of_gray_textures_is_the_one_asked_for(gray):
    colored = [texture(number, gray=gray)["colors"][0] != [0.0] * 3 for number in range(6)]
    assert all(colored) if gray == 0 else not any(colored)
