import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.compose import diamond_square, hue_palette, lay_over, sample_diamond_square

pixels = st.integers(0, 2**32).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (9, 7, 3)).astype(np.uint8)
)
masks = st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).random((9, 7)) < 0.3)


@given(pixels, pixels, masks, st.sampled_from([0.0, 0.1, 0.25, 1 / 3]))
@settings(max_examples=50)
def test_pixels_outside_the_mask_are_unchanged(background, image, mask, blur):
    out, touched = lay_over(background, image, mask, blur)
    assert np.array_equal(out[~touched], background[~touched])
    assert (touched | ~mask).all()


@given(pixels, pixels, masks)
@settings(max_examples=30)
def test_without_blur_an_object_keeps_its_pixels(background, image, mask):
    out, touched = lay_over(background, image, mask)
    assert np.array_equal(touched, mask)
    assert np.array_equal(out[mask], image[mask])


def test_a_blurred_object_keeps_its_color_inside_and_takes_none_from_outside():
    image = np.full((9, 9, 3), 200, np.uint8)
    image[0] = 0  # outside of the mask: must not bleed in
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    out, touched = lay_over(np.full_like(image, 200), image, mask, 0.25)
    assert (out == 200).all()
    assert touched.sum() == 81


def test_gray_images_can_be_laid_over():
    out, _ = lay_over(np.zeros((4, 4), np.uint8), np.full((4, 4), 9, np.uint8), np.eye(4, dtype=bool))
    assert out.tolist() == (np.eye(4) * 9).tolist()


@pytest.mark.parametrize("hue", [0, 77, 255])
def test_palettes_are_the_color_wheel(hue):
    colors = hue_palette(hue, 0.6, 0.9)
    expected = [[round(255 * c) for c in colorsys.hsv_to_rgb((g + hue) % 256 / 256, 0.6, 0.9)] for g in range(256)]
    assert colors[0].tolist() == [0, 0, 0]
    assert np.abs(colors[1:].astype(int) - expected[1:]).max() <= 1
    assert colors[1:].max(axis=1).min() > 0


@pytest.mark.parametrize("size", [(16, 16), (17, 64), (100, 33)])
def test_backgrounds_have_any_size_and_are_functions_of_their_parameters(size):
    params = sample_diamond_square(np.random.default_rng(3))
    image = diamond_square(params, size)
    assert image.shape == (*size, 3)
    assert np.array_equal(image, diamond_square(params, size))
    other = {**params, "seed": params["seed"] + 1}
    assert not np.array_equal(image, diamond_square(other, size))


def test_backgrounds_are_smooth_and_varied():
    image = diamond_square(sample_diamond_square(np.random.default_rng(1)), (128, 128)).astype(int)
    assert np.abs(np.diff(image, axis=0)).mean() < 12
    assert image.std(axis=(0, 1)).max() > 10
