import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import FormatError
from synthgen.sample import PaletteImage, Sample, format_key, parse_key


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
