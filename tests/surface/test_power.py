import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.surface.power import power


@given(st.floats(0, 1, allow_subnormal=False), st.floats(0, 20))
def test_a_power_is_that_of_the_math_library(base, exponent):
    expected = base**exponent
    assert power(base, exponent) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("exponent", [0.0, 1e-4, 0.35, 1.0, 1.25, 2.5])
def test_zero_and_one_stay_what_they_are(exponent):
    assert power(0.0, exponent) == (1.0 if exponent == 0 else 0.0)
    assert power(1.0, exponent) == 1.0


@given(st.floats(min_value=math.nextafter(1, 2), allow_nan=False), st.floats(0, 20))
def test_a_base_above_one_gives_a_finite_number(base, exponent):
    assert math.isfinite(power(base, exponent))


def test_a_loop_of_vector_code_gives_the_bits_of_single_numbers():
    @numba.njit(error_model="numpy")
    def loop(bases, out):
        for k in range(len(bases)):
            out[k] = power(bases[k], 1.3)

    bases = np.random.default_rng(3).random(1003)
    out = np.empty_like(bases)
    loop(bases, out)
    assert out.tolist() == [power(base, 1.3) for base in bases.tolist()]
