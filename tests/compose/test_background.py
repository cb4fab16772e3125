import numpy as np
import pytest

from synthgen.compose import diamond_square, sample_diamond_square


@pytest.mark.parametrize("size", [(16, 16), (17, 64), (100, 33)])
def test_backgrounds_have_any_size_and_are_functions_of_their_parameters(size):
    params = sample_diamond_square(np.random.default_rng(3))
    image = diamond_square(params, size)
    assert image.shape == (*size, 3)
    assert np.array_equal(image, diamond_square(params, size))
    other = {**params, "seed": params["seed"] + 1}
    assert not np.array_equal(image, diamond_square(other, size))


def test_backgrounds_are_smooth_and_varied():
    image = diamond_square(sample_diamond_square(np.random.default_rng(1)), (128, 128)).astype(int)
    assert np.abs(np.diff(image, axis=0)).mean() < 12
    assert image.std(axis=(0, 1)).max() > 10
