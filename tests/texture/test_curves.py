import numpy as np
import pytest

from synthgen.texture.curves import CURVES, MIXES, bend, mix_into, standardize

VALUES = np.linspace(-3, 3, 101)
OTHERS = np.linspace(2, -1, 101)
BENT = {
    "plain": VALUES,
    "wave": np.sin(2.5 * VALUES),
    "fold": np.abs(VALUES - 0.4),
    "step": np.sin(np.arctan(2.5 * (VALUES - 0.4))),
}
MIXED = {
    "sum": VALUES + 0.6 * OTHERS,
    "product": VALUES * OTHERS,
    "most": np.maximum(VALUES, OTHERS + 0.6),
    "inlay": np.where(OTHERS > 0.6, VALUES + (OTHERS - VALUES) * np.clip(4 * OTHERS - 2.4, 0, 1), VALUES),
}


@pytest.mark.parametrize("curve", CURVES)
def test_a_curve_is_what_its_name_says(curve):
    values = VALUES.copy()
    bend(values, CURVES.index(curve), 2.5, 0.4)
    np.testing.assert_allclose(values, BENT[curve], atol=3e-6)


@pytest.mark.parametrize("mix", MIXES)
def test_a_mixture_is_what_its_name_says(mix):
    values = VALUES.copy()
    mix_into(values, OTHERS, MIXES.index(mix), 0.6)
    np.testing.assert_allclose(values, MIXED[mix], atol=1e-12)


def test_standard_values_have_mean_0_and_deviation_1():
    values = 5 + 3 * VALUES
    standardize(values, (values.mean(), values.std()))
    assert values.mean() == pytest.approx(0)
    assert values.std() == pytest.approx(1)
