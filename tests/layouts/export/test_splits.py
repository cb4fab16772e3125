"""Splits by the index within a class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.layouts.export.splits import parse_splits, split_numbers

SPLITS = parse_splits("train=0.8,val=0.1,test=0.1")


@given(st.integers(1, 5000))
def test_each_split_gets_its_share_of_any_number_of_images(count):
    numbers = split_numbers(np.arange(count), SPLITS)
    for number, (_, share) in enumerate(SPLITS):
        assert abs(np.count_nonzero(numbers == number) - share * count) <= 2


def test_more_images_leave_the_first_where_they_are():
    few = split_numbers(np.arange(100), SPLITS)
    many = split_numbers(np.arange(10_000), SPLITS)
    np.testing.assert_array_equal(few, many[:100])


def test_one_split_has_all():
    assert not split_numbers(np.arange(100), parse_splits("train")).any()


@pytest.mark.parametrize(
    "text", ["", "train=0.8", "train=0.8,train=0.2", "a=0.5,b=0.6", "a=x", "a=0,b=1", "../a", "a=nan", "a b=1"]
)
def test_what_is_no_list_of_splits_is_refused(text):
    with pytest.raises(UsageError, match=r"^split must have"):
        parse_splits(text)
