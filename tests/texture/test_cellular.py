import numpy as np
import pytest

from synthgen.texture import cellular

SOFT = 0.05


@pytest.mark.parametrize("variant", cellular.VARIANTS)
def test_every_variant_is_the_plain_one(plain, points, drawn, variant):
    shape = drawn(cellular, variant)
    expected = [plain.cellular(shape, y, x, SOFT) for y, x in zip(*points, strict=True)]
    np.testing.assert_allclose(cellular.evaluate(shape, *points, SOFT), expected, atol=1e-5)
