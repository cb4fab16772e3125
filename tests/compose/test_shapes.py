"""Outlines of defects: as large as was drawn, and of the form that they are called by."""

import math

import numpy as np
import pytest

from synthgen.compose import outlines, shapes

SHAPES = (*shapes.SHAPES, "files")


@pytest.mark.parametrize("shape", ["blobs", "scars", "islands", "rectangles", "files"])
@pytest.mark.parametrize("size", [(200, 200), (100, 400)])
def test_shapes_take_the_share_of_the_image_that_was_drawn(shape, size):
    mask = np.zeros((50, 40), bool)
    mask[10:30, 5:35] = True
    for seed in range(10):
        params = shapes.sample_shape(np.random.default_rng(seed), shape, (0.01, 0.1))
        assert 0.01 <= params["area"] <= 0.1
        share = shapes.draw_shape(params, size, mask).sum() / 40_000
        assert share == pytest.approx(params["area"], rel=0.12)


def test_scratches_are_long_and_thin_and_take_about_their_share():
    shares = []
    for seed in range(40):
        params = shapes.sample_shape(np.random.default_rng(seed), "scratches", (0.01, 0.01))
        covered = shapes.draw_shape(params, (300, 300))
        shares.append(covered.mean() * covered.size / 90_000 / 0.01)
        assert np.hypot(*covered.shape) > 12 * 2 * outlines.thickness(covered)
    assert 0.7 < np.mean(shares) < 1.3


def test_a_scratch_is_in_one_piece_however_thin():
    for seed in range(30):
        params = shapes.sample_shape(np.random.default_rng(seed), "scratches", (0.0005, 0.002))
        covered = shapes.draw_shape({**params, "lines": params["lines"][:1]}, (64, 64))
        reached = np.zeros_like(covered)
        reached.flat[np.flatnonzero(covered)[0]] = True
        for _ in range(200):
            grown = np.pad(reached, 1)
            windows = np.lib.stride_tricks.sliding_window_view(grown, (3, 3))
            near = windows.any(axis=(2, 3))
            reached = near & covered
        assert np.array_equal(reached, covered)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [(16, 16), (16, 300)])
def test_the_smallest_shape_has_a_pixel(shape, size):
    for seed in range(20):
        params = shapes.sample_shape(np.random.default_rng(seed), shape, (1e-5, 1e-5))
        assert shapes.draw_shape(params, size, np.eye(9, dtype=bool)).any()


def test_a_blob_is_the_inside_of_its_curve():
    params = shapes.sample_shape(np.random.default_rng(5), "blobs", (0.05, 0.05))
    waves, (cosine, sine) = np.array(params["waves"]), params["turn"]
    root = math.sqrt(params["stretch"])
    radius = math.sqrt(0.05 / (math.pi * (1 + (waves**2).sum() / 2))) * 120
    covered = outlines.waved(radius, waves, root, cosine, sine)
    reach = len(covered) // 2
    for r, c in np.random.default_rng(0).integers(-reach, reach + 1, (300, 2)):
        x, y = (cosine * c + sine * r) / root, (cosine * r - sine * c) * root
        angles = math.atan2(y, x) * np.arange(1, len(waves) + 1)
        limit = 1 + (waves[:, 0] * np.cos(angles) + waves[:, 1] * np.sin(angles)).sum()
        if abs(math.hypot(x, y) - radius * max(limit, 0.2)) > 1e-6:
            assert covered[r + reach, c + reach] == (math.hypot(x, y) < radius * max(limit, 0.2))
