import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from synthgen.boxes import boxes_of

PICTURES = npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 2))


@given(PICTURES)
def test_a_box_is_as_small_as_its_pixels(ids):
    for number, (top, left, bottom, right, area) in enumerate(boxes_of(ids, 2)[1:], 1):
        here = ids == number
        assert area == here.sum()
        if area:
            window = here[top:bottom, left:right]
            assert window.sum() == area
            assert window.any(1)[[0, -1]].all()
            assert window.any(0)[[0, -1]].all()
