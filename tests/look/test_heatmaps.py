"""Heat maps: what is seen where, and under which name."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.look.colors import colored
from synthgen.look.heatmaps import outline, overlay, picture_names, side_by_side


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


def test_image_map_and_heat_map_stand_side_by_side():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    scores = np.zeros((20, 30), np.float32)
    scores[5:9, 5:9] = 1
    scores[:, 25:] = np.nan  # not looked at
    panels = side_by_side(image, scores, 0, 1, threshold=0.5)
    assert panels.shape == (20, 3 * 30 + 2 * 4, 3)
    assert (panels[:, :30] == image).all()
    assert (panels[:, 30:34] == 255).all()
    of_map = panels[:, 34:64]
    assert (of_map[6, 6] == colored(np.ones(1))[0]).all()
    assert (of_map[0, 0] == colored(np.zeros(1))[0]).all()
    assert not of_map[:, 25:].any()
    assert (panels[:, 68:] == overlay(image, scores, 0, 1, threshold=0.5)).all()


@given(
    st.lists(st.sampled_from(["a/1.png", "a/1.jpg", "a/b/1.png", "a/2.x.png", "b/1.png"]), min_size=1, unique=True)
)
def test_each_image_has_a_picture_of_its_own(names):
    assert len(set(picture_names(names))) == len(names)
