import numpy as np
import pytest

from synthgen.surface.optics.camera import blur_reach, blur_taps, develop, grown


def test_blur_equals_a_plain_convolution():
    rng = np.random.default_rng(0)
    picture = rng.random((20, 25), dtype=np.float32)
    taps, reach = blur_taps(1.3).astype(np.float64), blur_reach(1.3)
    padded = np.pad(picture.astype(np.float64), reach, mode="edge")
    plain = sum(a * b * padded[i : i + 20, j : j + 25] for i, a in enumerate(taps) for j, b in enumerate(taps))
    assert np.abs(develop(picture, 1.0, 1.3, None) - np.rint(255 * plain)).max() <= 1
    assert taps.sum() == pytest.approx(1, abs=1e-5)


def test_masks_grow_as_far_as_the_blur_reaches():
    picture = np.full((31, 31), 0.3, np.float32)
    changed = picture.copy()
    changed[15, 12] = 900
    mask = changed != picture
    differ = develop(picture, 1.0, 2.0, None) != develop(changed, 1.0, 2.0, None)
    assert np.array_equal(grown(mask, 2.0), differ)
    assert grown(mask, 2.0).sum() == (2 * blur_reach(2.0) + 1) ** 2
    assert np.array_equal(grown(mask, 0.0), mask)


def test_noise_has_the_asked_strength_and_no_bias():
    white = np.full((300, 300), 100 / 255, np.float32)
    taken = develop(white, 1.0, 0.0, {"sigma": 10.0, "seed": 3}).astype(float)
    assert taken.mean() == pytest.approx(100, abs=0.2)
    assert taken.std() == pytest.approx(10 * (100 / 255 + 0.04) ** 0.5, rel=0.03)
    assert np.array_equal(taken, develop(white, 1.0, 0.0, {"sigma": 10.0, "seed": 3}))
    assert not np.array_equal(taken, develop(white, 1.0, 0.0, {"sigma": 10.0, "seed": 4}))


def test_overexposed_pixels_are_white_and_exposure_is_a_factor():
    picture = np.array([[0.1, 0.4, 3.0]], np.float32)
    assert develop(picture, 1.0, 0.0, None).tolist() == [[26, 102, 255]]
    assert develop(picture, 2.0, 0.0, None).tolist() == [[51, 204, 255]]
