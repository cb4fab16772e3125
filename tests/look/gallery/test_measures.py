"""Distributions: each value is in one bar, each bar knows its samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.look.gallery.measures import TITLES, distributions, measured
from synthgen.sample import Sample

NUMBERS = st.one_of(st.floats(0, 1e6, allow_subnormal=False), st.integers(0, 10**9))


@settings(max_examples=40)
@given(st.lists(st.lists(NUMBERS, max_size=5), min_size=1, max_size=8))
def test_every_number_is_in_exactly_one_bar_and_the_bar_names_its_sample(columns):
    found = distributions([{"area": column} for column in columns])
    numbers = [value for column in columns for value in column]
    if not numbers:
        assert not found
        return
    (areas,) = found
    assert sum(bar["count"] for bar in areas.bars) == len(numbers)
    assert {i for bar in areas.bars for i in bar["samples"]} == {i for i, column in enumerate(columns) if column}


def test_words_and_few_whole_numbers_have_a_bar_each_and_bars_stand_in_the_order_of_the_page():
    found = distributions([{"kind": ["b", "a", "b"], "objects": [3]}, {"kind": ["b"], "objects": [1]}])
    assert [distribution.name for distribution in found] == ["objects", "kind"]
    assert [list(bar.values()) for bar in found[0].bars] == [["1", 1, [1]], ["3", 1, [0]]]
    assert [list(bar.values()) for bar in found[1].bars] == [["b", 3, [0, 1]], ["a", 1, [0]]]


def sample_of(params):
    mask = np.zeros((10, 20), np.uint8)
    mask[:5] = 255
    return Sample("c000000-i00000000", np.full((10, 20), 100, np.uint8), 0, {"mask": mask}, params)


def test_objects_are_measured_by_their_records():
    box = [0, 0, 5, 20]
    thing = {"kind": "stain", "box": box, "area": 100, "visible_area": 50}
    hidden = {"kind": "dent", "box": [0, 0, 0, 0], "area": 0, "visible_area": 0}
    assert measured(sample_of({"objects": [thing, hidden]}), 7) == {
        "brightness": [100.0], "bytes": [7], "objects": [2], "kind": ["stain", "dent"], "area": [0.25],
        "aspect": [4.0], "visible": [0.5], "covered": [0.5],
    }  # fmt: skip


@pytest.mark.parametrize("record", [{}, {"kind": None, "box": None, "area": None, "visible_area": None}])
def test_what_a_record_lacks_is_left_out(record):
    assert measured(sample_of({"objects": [record]}), 7)["area"] == []


def test_images_without_objects_have_an_empty_share():
    values = measured(sample_of({}), 7)
    assert values == {"brightness": [100.0], "bytes": [7], "empty": [0.5]}
    assert set(values) <= set(TITLES)
