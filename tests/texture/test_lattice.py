import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.texture.lattice import derived, first_share, hashed, ramp, second_share, third_share, wave

WHOLE = st.integers(-(2**40), 2**40)


@given(st.integers(0, 2**62), WHOLE, WHOLE)
def test_a_cell_has_the_chance_of_the_plain_hash(plain, seed, row, column):
    bits = hashed(np.uint64(seed), row, column)
    assert int(bits) == plain.hashed(seed, row, column)
    found = [share(np.uint64(bits)) for share in (first_share, second_share, third_share)]
    assert found == list(plain.shares(int(bits)))


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000))
def test_parts_of_a_thing_have_seeds_of_their_own(plain, seed, number):
    assert int(derived(seed, number)) == plain.derived(seed, number)


@given(st.floats(-1000, 1000))
def test_the_wave_is_the_sine_of_turns(turns):
    assert abs(wave(turns) - np.sin(2 * np.pi * turns)) < 3e-6


@given(st.floats(-3, 3), st.floats(0.01, 2))
def test_a_ramp_is_half_on_the_edge_and_whole_inside(distance, softness):
    share = ramp(distance, softness)
    assert 0 <= share <= 1
    assert (share > 0.5) == (0.5 + distance / softness > 0.5)
