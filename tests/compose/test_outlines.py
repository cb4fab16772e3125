import numpy as np
import pytest

from synthgen.compose import outlines


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_soft_edges_are_two_boxes(radius):
    covered = np.random.default_rng(radius).random((9, 4)) < 0.5
    sums = np.pad(covered, 2 * radius).astype(int)
    for _ in range(2):
        wide = np.pad(sums, radius)
        windows = np.lib.stride_tricks.sliding_window_view(wide, (2 * radius + 1, 2 * radius + 1))
        sums = windows.sum(axis=(2, 3))
    assert np.array_equal(outlines.tent_sums(covered, radius), sums)
