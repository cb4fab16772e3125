"""Colors of scores, ids, depths and normals."""

import numpy as np

from synthgen.look.colors import color_range, colored, picture_of, tinted


def test_colors_grow_brighter_with_the_score():
    luminance = colored(np.linspace(0, 1, 100)) @ np.array([0.299, 0.587, 0.114])
    assert np.all(np.diff(luminance) > 0)
    np.testing.assert_array_equal(colored(np.array([-1.0, 2.0])), colored(np.array([0.0, 1.0])))


def test_normal_images_do_not_glow_where_a_threshold_is_known():
    maps = np.random.default_rng(0).random((3, 8, 8), np.float32)
    low, high = color_range(maps, threshold=10.0)
    assert maps.max() < low + (high - low) / 2
    assert color_range(maps)[1] <= 1
    assert color_range(np.zeros((2, 4, 4), np.float32)) == (0, 0)


def test_each_id_has_a_color_and_a_mask_is_red():
    image = np.zeros((1, 256, 3), np.uint8)
    ids = np.arange(256, dtype=np.uint8)[None]
    picture = tinted(image, ids)
    assert not picture[0, 0].any()
    assert len(np.unique(picture[0, 1:255], axis=0)) == 254
    assert picture[0, 255].argmax() == 0
    many = tinted(image, ids.astype(np.uint16) + 300)
    assert many.any(axis=2).all()


def test_depth_is_bright_where_near_and_black_where_nothing_is():
    picture = picture_of(np.array([[1.0, 2.0, np.inf]]))
    assert picture.tolist() == [[255, 55, 0]]
    assert not picture_of(np.full((2, 2), np.inf)).any()


def test_normals_and_ids_are_colors():
    normals = np.zeros((1, 2, 3))
    normals[0, 0] = (0, 0, 1)
    assert picture_of(normals).tolist() == [[[128, 128, 255], [0, 0, 0]]]
    ids = picture_of(np.array([[0, 1, 400]], np.uint16))
    assert ids.shape == (1, 3, 3)
    assert ids.any(axis=2).tolist() == [[False, True, True]]
    few = np.array([[0, 1, 40]], np.uint8)
    assert picture_of(few).tolist() == few.tolist()
    assert picture_of(few, ids=True).tolist() == picture_of(few.astype(np.uint16)).tolist()
