"""Pictures of fields: thin masks stay when they are made smaller, ids can be read back, sprites lie in rows."""

import io

import numpy as np
import pytest
from PIL import Image

from synthgen.look.pictures import COLUMNS, Kind, id_picture, is_shown, picture, sprite, webp, within


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_size_keeps_its_proportions_and_never_grows():
    assert within((100, 400), 200) == (50, 200)
    assert within((30, 20), 200) == (30, 20)


def test_a_thin_scratch_stays_in_a_small_mask_of_two_levels():
    mask = np.zeros((200, 200), np.uint8)
    mask[:, 101] = 255
    small = np.asarray(picture(mask, "mask", (40, 40)))
    assert set(np.unique(small)) == {0, 255}
    assert small.max(axis=1).min() == 255


def test_ids_of_any_size_are_read_back_from_their_picture():
    ids = np.array([[0, 255, 256], [1, 300, 65535]], np.uint16)
    pixels = opened(webp(id_picture(ids, (2, 3)), exact=True)).astype(int)
    np.testing.assert_array_equal(pixels[..., 0] + 256 * pixels[..., 1], ids)


def test_small_ids_are_ids_that_were_there():
    ids = np.array([[0, 3], [7, 9]], np.uint8).repeat(8, 0).repeat(8, 1)
    pixels = opened(webp(id_picture(ids, (2, 2)), exact=True))
    assert pixels[..., 0].tolist() == [[0, 3], [7, 9]]


@pytest.mark.parametrize("count", [1, COLUMNS, COLUMNS + 3])
def test_pictures_of_a_sprite_lie_in_rows(count):
    images = [Image.new("L", (3, 2), number) for number in range(count)]
    sheet = np.asarray(sprite(images))
    for number in range(count):
        row, column = divmod(number, COLUMNS)
        assert (sheet[2 * row : 2 * row + 2, 3 * column : 3 * column + 3] == number).all()


def test_numbers_are_shown_between_their_least_and_greatest():
    values = np.array([[-1.0, np.nan], [1.0, 0.0]], np.float32)
    assert np.asarray(picture(values, "array", (2, 2))).tolist() == [[0, 0], [255, 128]]
    assert not np.asarray(picture(np.full((2, 2), np.inf), "array", (2, 2))).any()
    assert not np.asarray(picture(np.full((2, 2), 7.0), "array", (2, 2))).any()


def test_only_masks_and_ids_are_kept_exactly():
    kinds = ("image", "mask", "coverage", "ids", "depth", "normal", "array")
    assert [kind for kind in kinds if Kind("name", kind).is_exact] == ["mask", "ids"]


def test_arrays_that_are_no_plane_and_no_colors_have_no_picture():
    assert is_shown("array", [4, 4], "float32")
    assert is_shown("array", [4, 4, 3], "uint8")
    assert not is_shown("array", [4, 4, 3], "float32")
    assert not is_shown("array", [4, 4, 2], "uint8")
