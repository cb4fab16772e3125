"""Defects that were cut out keep their form, and what was transparent gives no color."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.compose.cutouts import draw_cutout

SIZE = (90, 120)


def disk(channels: int) -> np.ndarray:
    """Return a dark disk; the colors of its transparent surroundings are white."""
    rows, columns = np.mgrid[:50, :80]
    alpha = np.clip((20 - np.hypot(rows - 24, (columns - 40) / 1.8)) * 50, 0, 255).astype(np.uint8)
    colors = np.where(alpha[..., None] > 0, np.uint8(30), np.uint8(255))
    return np.dstack([np.repeat(colors, channels, axis=2), alpha])


@settings(max_examples=30)
@given(st.floats(0.001, 0.4), st.integers(0, 7), st.sampled_from([1, 3]))
def test_a_cut_out_has_the_area_that_was_drawn_and_its_own_colors(area, orientation, channels):
    params = {"area": area, "orientation": orientation}
    cover, colors = draw_cutout(params, SIZE, disk(channels))
    assert colors.shape == (*cover.shape, channels)
    assert cover.sum() / 255 == pytest.approx(area * 90 * 120, rel=0.35, abs=3)
    assert cover.max() >= 128
    assert np.abs(colors[cover >= 128].astype(int) - 30).max() <= 4  # 8 bits of color times alpha
    assert cover.any(axis=0).all()
    assert cover.any(axis=1).all()
    height, width = cover.shape
    assert (height > width) == (orientation >= 4) or min(height, width) < 6


def test_a_faint_cut_out_still_has_a_solid_pixel():
    faint = disk(3)
    faint[..., 3] = np.where(np.arange(80) % 40 == 0, 200, 0)
    cover, _ = draw_cutout({"area": 0.001, "orientation": 0}, SIZE, faint)
    assert cover.max() >= 128
