import numpy as np
import pytest

from synthgen.texture import spectral
from synthgen.texture.shape import Shape

SOFT = 0.08


@pytest.mark.parametrize("variant", spectral.VARIANTS)
def test_octaves_add_up_to_what_the_plain_noise_gives(plain, points, drawn, variant):
    shape = drawn(spectral, variant)
    expected = [plain.spectral(shape, y, x, SOFT) for y, x in zip(*points, strict=True)]
    np.testing.assert_allclose(spectral.evaluate(shape, *points, SOFT), expected, atol=1e-6)


def test_what_is_finer_than_a_pixel_is_left_out():
    shape = Shape("power", 4, (0.5, 6.0))
    fine = spectral.octaves(shape, softness=0.001)
    coarse = spectral.octaves(shape, softness=0.2)
    assert len(fine) == 6
    assert len(coarse) == 2
    assert coarse[0] == fine[0]


def test_a_larger_exponent_makes_smoother_fields():
    line = np.arange(4000) * 0.02
    steps = []
    for exponent in (0.0, 0.5, 1.0):
        values = spectral.evaluate(Shape("power", 4, (exponent, 5.0)), np.zeros(4000), line, 0.02)
        steps.append(np.diff(values).std() / values.std())
    assert steps[0] > 1.5 * steps[1] > 2.2 * steps[2]
