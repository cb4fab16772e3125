import numpy as np
import pytest

from synthgen.texture import fibers

SOFT = 0.4


@pytest.mark.parametrize("variant", fibers.VARIANTS)
def test_strokes_lie_over_each_other_as_in_a_search_of_all(plain, points, drawn, variant):
    shape = drawn(fibers, variant)
    levels, habit = fibers.scattered(shape)
    rows, columns = (6 * values[:20] for values in points)
    expected = [plain.fibers(shape, levels, habit, y, x, SOFT) for y, x in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(fibers.evaluate(shape, rows, columns, SOFT), expected, atol=1e-4)
