"""Heat maps: what is seen where, and under which name."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synthgen.layouts import open_images
from synthgen.look.heatmaps import outline, overlay, picture_names, write_heatmaps


def test_cold_places_show_the_image_in_gray_and_hot_ones_the_color():
    image = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    scores = np.zeros((8, 8), np.float32)
    scores[:, 4:] = 5
    picture = overlay(image, scores, 0, 5)
    assert np.ptp(picture[:, :4], axis=2).max() == 0
    assert picture[0, 0, 0] == round(0.299 * 10 + 0.587 * 200 + 0.114 * 30)
    assert (picture[:, 4:, 0].astype(int) - picture[:, 4:, 2] > 40).all()


def test_a_map_of_another_size_is_laid_over_the_whole_image():
    scores = np.zeros((4, 4), np.float32)
    scores[:2, :2] = 1
    picture = overlay(np.zeros((40, 80, 3), np.uint8), scores, 0, 1)
    assert picture.shape == (40, 80, 3)
    assert picture[2, 2].any()
    assert not picture[-2, -2].any()


def test_the_outline_is_the_rim_of_what_reaches_the_threshold():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    rim = outline(mask)
    assert rim.sum() == 16
    assert not rim[3:6, 3:6].any()
    assert not outline(np.ones((5, 5), bool)).any()
    picture = overlay(np.zeros((9, 9, 3), np.uint8), mask.astype(np.float32), 0, 1, threshold=0.5)
    assert (picture[rim] == (0, 255, 255)).all()


def test_pictures_mirror_the_folders_of_the_images(tmp_path):
    for name in ("good/0.png", "dent/1.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True)
        Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(path)
    maps = np.random.default_rng(0).random((2, 6, 8), np.float32)
    predictions = SimpleNamespace(maps=maps, images=open_images([tmp_path / "in"], (6, 8)))
    told = []
    paths = write_heatmaps(predictions, tmp_path / "heat", threshold=0.5, advance=told.append)
    assert paths == [tmp_path / "heat" / "dent" / "1.png", tmp_path / "heat" / "good" / "0.png"]
    assert told == [1, 1]
    with Image.open(paths[0]) as picture:
        assert picture.size == (32, 24)


@given(
    st.lists(st.sampled_from(["a/1.png", "a/1.jpg", "a/b/1.png", "a/2.x.png", "b/1.png"]), min_size=1, unique=True)
)
def test_each_image_has_a_picture_of_its_own(names):
    assert len(set(picture_names(names))) == len(names)
