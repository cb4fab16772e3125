import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.mandelbulb import View

COLORS = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


@pytest.mark.parametrize("angle", [np.nan, np.inf, "north", None])
def test_angles_must_be_finite(angle):
    with pytest.raises(UsageError, match="latitude must be a finite angle"):
        View(angle, 0.0, COLORS)
    with pytest.raises(UsageError, match="longitude must be a finite angle"):
        View(0.0, angle, COLORS)


@pytest.mark.parametrize(
    "colors",
    [
        COLORS[:2],
        ((1, 0), (0, 1), (0, 0)),
        ((1, 0, 0), (1, 0, 0), (0, 0, 1.1)),
        ((np.nan,) * 3,) * 3,
        "red",
        None,
        3,
    ],
)
def test_colors_must_be_three_triples_in_the_unit_cube(colors):
    with pytest.raises(UsageError, match="colors must be three RGB triples"):
        View(0.0, 0.0, colors)


@given(st.floats(-90, 90), st.floats(0, 360))
def test_camera_axes_are_orthonormal_and_look_at_the_origin(latitude, longitude):
    position, forward, side, up = View(latitude, longitude, COLORS).scene()[:12].reshape(4, 3)
    axes = np.stack([forward, side, up])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(position, -2.5 * forward, atol=1e-6)


def test_views_of_equal_numbers_are_equal():
    assert View(1, 2, np.eye(3)) == View(1.0, 2.0, COLORS)
