import numpy as np
import pytest

from synthgen.texture import craters


@pytest.mark.parametrize("variant", craters.VARIANTS)
def test_a_place_is_as_deep_as_the_deepest_crater_there(plain, points, drawn, variant):
    shape = drawn(craters, variant)
    levels, habit = craters.scattered(shape)
    rows, columns = (values[:40] for values in points)
    expected = [plain.craters(levels, habit, y, x) for y, x in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(craters.evaluate(shape, rows, columns, 0.1), expected, atol=1e-4)
