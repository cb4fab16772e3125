import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.seeding import generator
from synthgen.texture.mixture import sample_texture
from synthgen.texture.stored import store, window
from synthgen.texture.view import View


@pytest.fixture(scope="module")
def stored():
    return store(sample_texture(generator(1, 0, 0, "test"), ("spectral",)), 96)


def test_a_plain_window_is_a_piece_of_what_was_stored(stored):
    view = View((39.5, 49.5), 1.0, 0.0, mirrored=False)
    np.testing.assert_array_equal(window(stored, view, (20, 30)), stored[30:50, 35:65])
    mirrored = window(stored, view._replace(mirrored=True), (20, 30))
    np.testing.assert_array_equal(mirrored, stored[30:50, 35:65][:, ::-1])


def test_turned_and_scaled_windows_lie_between_the_stored_pixels(stored):
    view = View((47.3, 45.8), 0.8, 30.0, mirrored=False)
    pixels = window(stored, view, (9, 9))
    assert pixels[4, 4] == pytest.approx(_between(stored, 47.3, 45.8), abs=1.5)


def _between(stored, row, column):
    r, c = int(row), int(column)
    y, x = row - r, column - c
    corners = stored[r : r + 2, c : c + 2].astype(float)
    return np.einsum("i,j,ijk->k", [1 - y, y], [1 - x, x], corners)


def test_light_changes_contrast_and_brightness(stored):
    view = View((47.5, 47.5), 1.0, 0.0, mirrored=False)
    plain = window(stored, view, (40, 40)).astype(float)
    other = window(stored, view, (40, 40), contrast=0.5, brightness=10.0)
    np.testing.assert_allclose(other, (plain - 128) / 2 + 138, atol=0.51)


@pytest.mark.parametrize("center", [(10.0, 47.5), (47.5, 90.0)])
def test_a_window_beyond_the_stored_square_is_refused(stored, center):
    with pytest.raises(UsageError, match="view must lie within the 96 stored pixels"):
        window(stored, View(center, 1.0, 0.0, mirrored=False), (40, 40))
