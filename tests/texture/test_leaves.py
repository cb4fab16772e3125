import numpy as np
import pytest

from synthgen.texture import leaves, scatter

SOFT = 0.03


@pytest.mark.parametrize("variant", leaves.VARIANTS)
def test_the_leaf_in_front_shows_as_in_a_search_of_all(plain, points, drawn, variant):
    shape = drawn(leaves, variant)
    levels, habit = leaves.scattered(shape)
    rows, columns = (values[:40] for values in points)
    expected = [plain.leaves(shape, levels, habit, y, x, SOFT) for y, x in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(leaves.evaluate(shape, rows, columns, SOFT), expected, atol=1e-4)
    assert isinstance(habit, scatter.Habit)
