import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.compose import lay_over

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
