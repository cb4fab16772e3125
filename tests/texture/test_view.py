import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.texture.view import View, places, sample_view

VIEWS = st.builds(
    View,
    center=st.tuples(st.floats(-4000, 4000), st.floats(-4000, 4000)),
    scale=st.floats(0.1, 10),
    angle=st.floats(-360, 360),
    mirrored=st.booleans(),
)


@given(VIEWS)
def test_a_pixel_is_as_large_as_the_scale_and_the_middle_lies_at_the_center(view):
    rows, columns = places(view, (3, 5), (0, 0, 3, 5), np.arange(15))
    assert (rows[7], columns[7]) == pytest.approx(view.center)
    steps = np.hypot(np.diff(rows.reshape(3, 5), axis=1), np.diff(columns.reshape(3, 5), axis=1))
    np.testing.assert_allclose(steps, view.scale, rtol=1e-6)


@given(VIEWS)
def test_a_box_shows_the_places_that_it_has_in_the_whole_image(view):
    whole = places(view, (8, 9), (0, 0, 8, 9), np.arange(72))
    part = places(view, (8, 9), (2, 3, 6, 8), np.arange(20))
    for all_of_them, some in zip(whole, part, strict=True):
        np.testing.assert_array_equal(all_of_them.reshape(8, 9)[2:6, 3:8].ravel(), some)


def test_a_mirrored_window_is_the_other_one_from_right_to_left():
    view = View((5.0, 7.0), 1.5, 0.0, mirrored=False)
    plain = places(view, (4, 4), (0, 0, 4, 4), np.arange(16))
    mirrored = places(view._replace(mirrored=True), (4, 4), (0, 0, 4, 4), np.arange(16))
    for one, other in zip(plain, mirrored, strict=True):
        np.testing.assert_allclose(one.reshape(4, 4), other.reshape(4, 4)[:, ::-1])


def test_windows_keep_the_ranges_that_were_asked_for():
    rng = np.random.default_rng(0)
    for _ in range(200):
        view = sample_view(rng, (0.5, 2.0), rotation=10.0, flips=False)
        assert 0.5 <= view.scale <= 2
        assert abs(view.angle) <= 10
        assert not view.mirrored
