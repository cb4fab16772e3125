"""The small steps of samplers and painters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.seeding import noise_generator
from synthgen.surface import chance

numbers = st.floats(-1000, 1000)


@given(st.integers(0, 2**32), numbers, numbers)
def test_a_number_lies_between_its_limits_and_is_rounded(seed, low, high):
    low, high = sorted((low, high))
    drawn = chance.between(noise_generator(seed), low, high)
    assert low - 5e-5 <= drawn <= high + 5e-5
    assert drawn == round(drawn, 4)


@given(st.integers(0, 2**32))
def test_a_place_lies_in_its_rectangle(seed):
    u, v = chance.place(noise_generator(seed), (0.1, 0.2, 0.3, 0.9))
    assert 0.1 <= u <= 0.3
    assert 0.2 <= v <= 0.9


def test_all_of_a_rectangle_is_drawn_from():
    rng = noise_generator(1)
    places = np.array([chance.place(rng, (-1, 0, 1, 4)) for _ in range(2000)])
    counts, _, _ = np.histogram2d(*places.T, bins=4, range=((-1, 1), (0, 4)))
    assert counts.min() > 60  # 125 expected


@given(st.floats(-720, 720))
def test_cosine_and_sine_are_those_of_the_angle_in_degrees(degrees):
    cosine, sine = chance.cosine_and_sine(degrees)
    turned = np.exp(1j * np.radians(degrees))
    assert complex(cosine, sine) == pytest.approx(turned, abs=1e-9)
    assert (cosine, sine) == (round(cosine, 9), round(sine, 9))


@pytest.mark.parametrize(("low", "high"), [(2.0, 5.0), (5.0, 2.0)])
def test_a_step_climbs_smoothly_from_low_to_high(low, high):
    values = np.linspace(low, high, 101)
    ramp = chance.smooth_step(low, high, values)
    assert ramp[[0, 50, 100]] == pytest.approx([0, 0.5, 1])
    assert (np.diff(ramp) > 0).all()
    assert np.abs(np.diff(ramp)).max() == pytest.approx(0.015, abs=1e-4)  # 3/2 of the mean slope, in the middle
    beyond = 2 * np.array([low - high, high - low]) + np.array([low, high])
    assert chance.smooth_step(low, high, beyond).tolist() == [0, 1]
