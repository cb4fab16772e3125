import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen import philox
from synthgen.seeding import MAX_SEED, generator

numbers = st.integers(0, 10**9)


@given(st.integers(0, MAX_SEED), st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4), st.integers(1, 9))
def test_streams_are_those_of_the_generators(seed, samples, count):
    labels, indices = np.array(samples).T
    drawn = philox.words(seed, labels, indices, "image", count)
    for row, (label, index) in zip(drawn, samples, strict=True):
        plain = generator(seed, label, index, "image")
        assert row.tolist() == plain.bit_generator.random_raw(count).tolist()
        again = generator(seed, label, index, "image")
        assert philox.uniform(row).tolist() == again.random(count).tolist()


@given(st.integers(0, MAX_SEED), st.one_of(st.integers(1, 9), st.integers(2**31, 2**32 - 1)))
def test_whole_numbers_are_those_of_the_generators(seed, count):
    # of large ranges, up to half of the numbers are refused
    plain = generator(seed, 3, 5, "image")
    drawn = philox.words(seed, np.array([3]), np.array([5]), "image", 40)[0]
    number, taken = philox.below(drawn, count)
    assert number == plain.integers(count)
    assert philox.uniform(drawn[taken:]).tolist()[:3] == plain.random(3).tolist()
