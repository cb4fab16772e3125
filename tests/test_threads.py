"""Threads that share a picture: its rows are given out once each, in whatever number of bands."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.threads import allowed_threads, at_once, by_bands, drawing_threads

LARGE = (600, 500)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 700))
def test_bands_are_all_rows_from_above_to_below(count, height):
    times = np.zeros(height, int)

    def note(first, end):
        times[first:end] += 1
        return list(range(first, end))

    with drawing_threads(count):
        rows = by_bands(note, (height, 2**18))
    assert list(chain(*rows)) == list(range(height))
    assert (times == 1).all()


def test_a_small_picture_is_drawn_by_the_thread_that_asks():
    with drawing_threads(3):
        assert by_bands(lambda first, end: (first, end), (500, 500)) == [(0, 500)]
        assert len(by_bands(lambda first, end: (first, end), LARGE)) > 3


@pytest.mark.parametrize("count", [1, 2])
def test_results_keep_their_order_and_errors_their_kind(count):
    def fail():
        raise LookupError("no such row")

    with drawing_threads(count):
        assert at_once([lambda n=n: n for n in range(7)], LARGE) == list(range(7))
        with pytest.raises(LookupError, match="no such row"):
            at_once([fail, fail], LARGE)


def test_the_number_of_threads_is_put_back():
    def fail():
        with drawing_threads(5):
            assert allowed_threads() == 5
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert allowed_threads() == 1
