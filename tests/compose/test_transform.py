import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.compose.transform import orient, sample_transform, transform


@given(st.integers(0, 2**32))
def test_a_transform_keeps_object_and_cover_together(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(1, 256, (12, 15), dtype=np.uint8)
    moved, cover = transform(pixels, np.ones((12, 15), bool), sample_transform(rng))
    assert set(np.unique(moved[cover])) <= set(np.unique(pixels))
    # the matrix keeps areas; the border is a matter of rounding
    assert abs(cover.sum() - pixels.size) < 0.35 * pixels.size
    assert not cover[0].all(), "the object must not be cut off"
    assert not cover[:, 0].all(), "the object must not be cut off"


def test_the_identity_transforms_nothing():
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    moved, cover = transform(pixels, pixels % 2 == 0, [1, 0, 0, 1])
    assert np.array_equal(moved, pixels)
    assert np.array_equal(cover, pixels % 2 == 0)


def test_the_eight_orientations_differ():
    pixels = np.arange(12).reshape(3, 4)
    turned = {orient(pixels, bits).tobytes() + bytes(orient(pixels, bits).shape) for bits in range(8)}
    assert len(turned) == 8
    assert np.array_equal(orient(pixels, 0), pixels)
