import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import FormatError
from synthgen.sample import PaletteImage, Sample, format_key, format_keys, parse_key, semantic_map


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**12 - 1))
def test_keys_come_back(label, index):
    assert parse_key(format_key(label, index)) == (label, index)


@given(st.text(max_size=40))
def test_other_texts_are_no_keys(text):
    try:
        assert format_key(*parse_key(text)) == text
    except FormatError as error:
        assert "key must look like" in str(error)


def test_keys_sort_like_their_numbers():
    keys = [format_key(c, i) for c in (0, 9, 10, 999) for i in (0, 5, 10, 12345)]
    assert keys == sorted(keys)


def test_a_palette_image_is_expanded():
    colors = np.array([[0, 0, 0], [9, 8, 7]], dtype=np.uint8)
    sample = Sample("c000000-i00000000", PaletteImage(np.array([[0, 1]], dtype=np.uint8), colors), 0)
    assert sample.image.tolist() == [[[0, 0, 0], [9, 8, 7]]]


@pytest.mark.parametrize("key", ["", "c1-i2", "c000001-i00000002.png", "../c000001-i00000002"])
def test_keys_have_one_form(key):
    with pytest.raises(FormatError):
        parse_key(key)


@given(st.lists(st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 10**12 - 1)), min_size=1, max_size=20))
def test_many_keys_are_those_of_each(pairs):
    labels, indices = (np.array(column) for column in zip(*pairs, strict=True))
    expected = [format_key(label, index).encode() for label, index in pairs]
    assert format_keys(labels, indices).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 999_999), st.integers(0, 99_999_999)), min_size=1, max_size=20))
def test_many_short_keys_are_those_of_each(pairs):
    labels, indices = (np.array(column) for column in zip(*pairs, strict=True))
    expected = [format_key(label, index).encode() for label, index in pairs]
    assert format_keys(labels, indices).tolist() == expected


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_semantic_map_takes_the_largest_id(dtype):
    largest = np.iinfo(dtype).max
    instances = np.array([[0, 1, largest]], dtype)
    objects = [{"id": 1, "params": {"source_class": 4}}, {"id": largest, "params": {"source_class": 6}}]
    assert semantic_map(instances, objects).tolist() == [[-1, 4, 6]]
