"""One rule for masks: the same truth in any kind of file is the same mask."""

import warnings

import numpy as np
import pytest
from PIL import Image

from synthgen.compose.masks import MOST_LEVELS
from synthgen.compose.pictures import mask_values, one_picture, read_mask
from synthgen.errors import UsageError

TRUTH = np.zeros((64, 96), bool)
TRUTH[8:24, 16:40] = True
TRUTH[40:56, 48:88] = True
BYTES = TRUTH.astype(np.uint8)


def palette(background, mask, names=(0, 1)):
    """Return an image whose numbers mean nothing and whose colors tell all."""
    image = Image.fromarray(np.where(TRUTH, *reversed(names)).astype(np.uint8))
    colors = np.full((256, 3), 77, np.uint8)
    colors[names[0]] = background
    colors[names[1]] = mask
    image.putpalette(colors.tobytes())
    return image


def channels(*values):
    return Image.fromarray(np.stack([BYTES * np.uint8(value) for value in values], axis=-1))


def see_through():
    """Return a white drawing whose background is transparent."""
    white = np.full((*TRUTH.shape, 3), 255, np.uint8)
    return Image.fromarray(np.dstack([white, BYTES * 255]))


def black_on_transparent():
    black = np.zeros((*TRUTH.shape, 3), np.uint8)
    return Image.fromarray(np.dstack([black, BYTES * 255]))


KINDS = {
    "0 and 255": ("png", lambda: Image.fromarray(BYTES * 255), {}),
    "0 and 1": ("png", lambda: Image.fromarray(BYTES), {}),
    "one bit": ("png", lambda: Image.fromarray(TRUTH), {}),
    "16 bits": ("png", lambda: Image.fromarray(BYTES.astype(np.uint16) * 65535), {}),
    "0 and 1 in 16 bits": ("png", lambda: Image.fromarray(BYTES.astype(np.uint16)), {}),
    "32 bits": ("tif", lambda: Image.fromarray(BYTES.astype(np.int32) * 70000), {}),
    "float": ("tif", lambda: Image.fromarray(BYTES.astype(np.float32) / 2), {}),
    "palette": ("png", lambda: palette((0, 0, 0), (200, 0, 0)), {}),
    "palette, the other way round": ("png", lambda: palette((0, 0, 0), (0, 90, 0), names=(1, 0)), {}),
    "palette, transparent": ("png", lambda: palette((9, 9, 9), (200, 0, 0), names=(3, 7)), {"transparency": 3}),
    "colors": ("png", lambda: channels(0, 0, 255), {}),
    "dark colors": ("bmp", lambda: channels(1, 0, 0), {}),
    "opaque": ("png", lambda: Image.fromarray(BYTES * 255).convert("RGBA"), {}),
    "0 and 1, opaque": ("png", lambda: Image.fromarray(BYTES).convert("RGBA"), {}),
    "gray and opaque": ("png", lambda: Image.fromarray(BYTES * 255).convert("LA"), {}),
    "transparent background": ("png", see_through, {}),
    "black on transparent": ("png", black_on_transparent, {}),
    "classes 1 and 3": ("png", lambda: Image.fromarray(BYTES + BYTES * (np.arange(96) > 44) * np.uint8(2)), {}),
    "JPEG": ("jpg", lambda: Image.fromarray(BYTES * 255), {"quality": 60}),
    "JPEG of colors": ("jpg", lambda: channels(255, 255, 255), {"quality": 70}),
    "JPEG in TIFF": ("tif", lambda: Image.fromarray(BYTES * 255), {"compression": "jpeg"}),
    "lossy WebP": ("webp", lambda: Image.fromarray(BYTES * 255), {"quality": 60}),
    "lossless WebP": ("webp", lambda: channels(1, 2, 3), {"lossless": True}),
    "PGM": ("pgm", lambda: Image.fromarray(BYTES * 255), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_truth_in_any_kind_of_file_is_the_same_mask(tmp_path, kind):
    suffix, make, options = KINDS[kind]
    path = tmp_path / f"mask.{suffix}"
    make().save(path, **options)
    np.testing.assert_array_equal(read_mask(one_picture(str(path), "mask").sha256), TRUTH)


def values_of(path, image, **options):
    image.save(path, **options)
    return mask_values(one_picture(str(path), "mask").sha256)


def test_a_mask_with_soft_edges_is_what_is_brighter_than_half_with_a_warning(tmp_path):
    soft = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    with pytest.warns(UserWarning, match=rf"soft\.png: has more than {MOST_LEVELS} gray levels"):
        values = values_of(tmp_path / "soft.png", Image.fromarray(soft))
    np.testing.assert_array_equal(values > 0, soft > 127)


def test_a_photograph_in_place_of_a_mask_is_worth_a_warning(tmp_path):
    soft = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))
    with pytest.warns(UserWarning, match=r"photo\.jpg: has many gray levels"):
        values_of(tmp_path / "photo.jpg", Image.fromarray(soft))


def test_a_mask_of_nearly_everything_is_worth_one_warning_a_folder(tmp_path):
    inverted = Image.fromarray(np.uint8(255) - np.pad(BYTES[:10, :10], 20) * np.uint8(255))
    with pytest.warns(UserWarning, match=r"a\.png: covers 100% of the image; a mask is bright"):
        assert values_of(tmp_path / "a.png", inverted).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values_of(tmp_path / "b.png", inverted)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
@pytest.mark.parametrize("value", [1, 2, 240, 255])
def test_the_brightness_of_the_file_is_kept(tmp_path, mode, value):
    image = Image.fromarray(BYTES * np.uint8(value)).convert(mode)
    assert set(np.unique(values_of(tmp_path / "a.png", image))) == {0, value}


def test_what_is_half_transparent_is_darker_and_never_black(tmp_path):
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[2:9] = (200, 10, 10, 128)
    pixels[9:12] = (1, 1, 1, 1)
    assert np.unique(values_of(tmp_path / "a.png", Image.fromarray(pixels))).tolist() == [0, 1, 101]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((20, 20), -1, np.int32), "must have values of at least 0, got -1"),
        (np.full((20, 20), np.nan, np.float32), "must have finite values, got NaN or infinity"),
    ],
)
def test_values_that_mean_nothing_are_refused(tmp_path, values, message):
    with pytest.raises(UsageError, match=rf"mask\.tif: {message}"):
        values_of(tmp_path / "mask.tif", Image.fromarray(values))
