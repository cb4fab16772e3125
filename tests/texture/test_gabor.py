import numpy as np
import pytest

from synthgen.texture import gabor


@pytest.mark.parametrize("variant", gabor.VARIANTS)
def test_waves_add_up_as_in_a_search_of_all(plain, points, drawn, variant):
    shape = drawn(gabor, variant)
    levels, habit = gabor.scattered(shape)
    rows, columns = (values[:40] for values in points)
    expected = [plain.gabor(shape, levels, habit, y, x) for y, x in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(gabor.evaluate(shape, rows, columns, 0.1), expected, atol=1e-4)


def test_waves_of_one_direction_do_not_change_along_their_crests(drawn):
    shape = drawn(gabor, "directed")._replace(form=(3.0, 0.0))
    places = np.linspace(0, 3, 400)
    still = np.zeros(400)
    along = gabor.evaluate(shape, still, places, 0.1)
    across = gabor.evaluate(shape, places, still, 0.1)
    assert np.abs(np.diff(along)).mean() < np.abs(np.diff(across)).mean() / 3
