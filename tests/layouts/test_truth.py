"""Defects, their layers, and what resizing does to them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synthgen.compose.pictures import nearest
from synthgen.layouts import open_test_set
from synthgen.layouts.truth import Truth, layers_of, truth_of_regions


def test_resizing_tells_of_defects_that_vanish(mvtec, trees):
    trees.put(mvtec / "ground_truth" / "crack" / "021_mask.png", trees.mask_of((0, 0, 1, 1), (4, 4, 20, 20)))
    item = open_test_set(mvtec, (5, 6))[1]
    assert item.lost == 1
    assert item.mask.any()
    assert open_test_set(mvtec)[1].lost == 0


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_resizing_a_mask_takes_the_pixel_whose_center_is_nearest(height, width, new_height, new_width):
    pairs = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
    taken = nearest(pairs[..., 0] * 100 + pairs[..., 1], (new_height, new_width))
    for new, old, chosen in ((new_height, height, taken[:, 0] // 100), (new_width, width, taken[0] % 100)):
        for i in range(new):
            # in units of 1 / (2 * new) of an old pixel, exactly
            distances = [abs((2 * i + 1) * old - (2 * j + 1) * new) for j in range(old)]
            assert distances[chosen[i]] == min(distances)


@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_regions_hang_together_by_corners(mask):
    instances = truth_of_regions(mask).instances
    np.testing.assert_array_equal(instances > 0, mask)
    for row, column in np.argwhere(mask):
        around = instances[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert set(around[around > 0]) == {instances[row, column]}


@given(st.lists(arrays(bool, (4, 5)), max_size=5))
def test_layers_keep_every_defect_whole(masks):
    layers = layers_of(masks, (4, 5))
    for number, mask in enumerate(masks, 1):
        found = [layer == number for layer in layers if (layer == number).any()]
        assert len(found) == mask.any()
        if found:
            np.testing.assert_array_equal(found[0], mask)
    union = np.any(masks, axis=0) if masks else np.zeros((4, 5), bool)
    np.testing.assert_array_equal(Truth(layers).instances > 0, union)
