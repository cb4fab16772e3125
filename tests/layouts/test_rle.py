"""Run lengths down the columns, against a slow twin of COCO's text."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from synthgen.boxes import boxes_of
from synthgen.layouts.rle import rle_text

PICTURES = npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2))


def decoded(text: str, shape) -> np.ndarray:
    """Return the pixels of a text, bool (H, W): what COCO's interface does, character by character."""
    runs, at = [], 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 31) << shift
            shift += 5
            at += 1
            more = bits & 32
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    assert sum(runs) == shape[0] * shape[1]
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(shape, order="F")


@given(PICTURES)
def test_the_pixels_of_an_id_come_back(ids):
    boxes = boxes_of(ids, 2)
    for number in (1, 2):
        if boxes[number, 4]:
            np.testing.assert_array_equal(decoded(rle_text(ids, number, boxes[number]), ids.shape), ids == number)
