import numpy as np
import pytest

from synthgen.texture import stamps


@pytest.mark.parametrize("variant", stamps.VARIANTS)
def test_stamps_add_up_as_in_a_search_of_all(plain, points, drawn, variant):
    shape = drawn(stamps, variant)
    levels, habit = stamps.scattered(shape)
    stamp = stamps.attractor(shape.form[1:])
    rows, columns = (values[:60] for values in points)
    expected = [plain.stamps(shape, levels, habit, y, x, stamp) for y, x in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(stamps.evaluate(shape, rows, columns, 0.05), expected, atol=1e-4)
    assert max(expected) > 0
