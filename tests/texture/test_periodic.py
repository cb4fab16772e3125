import numpy as np
import pytest

from synthgen.texture import periodic

SOFT = 0.05


@pytest.mark.parametrize("variant", periodic.VARIANTS)
def test_every_variant_is_the_plain_one(plain, points, drawn, variant):
    shape = drawn(periodic, variant)
    expected = [plain.periodic(shape, y, x, SOFT) for y, x in zip(*points, strict=True)]
    np.testing.assert_allclose(periodic.evaluate(shape, *points, SOFT), expected, atol=1e-5)


@pytest.mark.parametrize("variant", periodic.WITH_ELEMENTS)
def test_an_element_is_one_period_of_the_lattice_and_no_more(drawn, variant):
    shape = drawn(periodic, variant)
    line = np.linspace(-2, 6, 1200)
    rows = np.repeat(line, 1200)
    columns = np.tile(line, 1200)
    numbers = periodic.elements(shape, rows, columns)

    # away from the edge of the window, where elements are cut
    whole = (numbers == numbers[600 * 1200 + 600]).all(axis=1)
    height = np.ptp(rows[whole])
    width = np.ptp(columns[whole])
    ratio = 1.0 if variant == "dots" else shape.form[0]
    cells = 0.5 if variant == "checks" else 1.0
    assert height == pytest.approx(cells, abs=0.02)
    assert width == pytest.approx(cells * ratio, abs=0.02)
