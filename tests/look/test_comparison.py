"""Sheets of several models, and pixels that are decided rightly and wrongly."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.look.comparison import BOXES, FALSE_ALARM, HIT, MISSED, Scale, Shown, comparison_sheet, decided
from synthgen.look.comparison import decision_sheet as decision_sheet_of

MASK = np.zeros((48, 48), bool)
MASK[10:30, 10:30] = True
IMAGE = np.full((48, 48, 3), 128, np.uint8)


def color_at(picture, row, column):
    return picture[row, column].astype(int)


def shift(color):
    """Return what a color makes of mid-gray."""
    return np.rint(128 * 0.35 + np.array(color) * 0.65)


def test_found_false_and_missed_pixels_have_their_colors():
    scores = np.zeros((48, 48))
    scores[10:30, 20:40] = 1  # the right half of the defect, and as much beside it
    picture = decided(IMAGE, MASK, scores, threshold=0.5)
    for (row, column), color in {(20, 25): HIT, (20, 35): FALSE_ALARM, (20, 15): MISSED}.items():
        assert np.abs(color_at(picture, row, column) - shift(color)).max() <= 1
    assert color_at(picture, 40, 5).tolist() == [128, 128, 128]
    assert color_at(picture, 10, 20).tolist() == [255, 255, 255]  # the outline of the truth


def test_a_sheet_has_image_truth_and_two_pictures_a_model():
    good = Shown("dent/1", IMAGE, MASK, [MASK * 1.0, 1.0 - MASK])
    scales = [Scale("right", 0, 1, 0.5), Scale("wrong", 0, 1, 0.5)]
    sheet = np.asarray(comparison_sheet([good], scales, cell=48))
    assert sheet.shape == (20 + 6 + 68 + 4, 6 * 7 + 6 * 48 + 8 * 3, 3)
    top = 20 + 6 + 18
    truth = sheet[top : top + 48, 60:108]
    np.testing.assert_array_equal(truth[..., 0] > 0, MASK)
    boxed = (sheet == np.array(BOXES[0])).all(axis=2)
    first = np.flatnonzero(boxed.any(axis=0))[0]
    found = sheet[top : top + 48, first + 4 + 54 : first + 4 + 102]
    np.testing.assert_array_equal(found[..., 0] > 0, MASK)
    assert (sheet == np.array(BOXES[1])).all(axis=2).any()


def test_decisions_are_shown_where_the_truth_is_known():
    unknown = Shown("dent/0", IMAGE, None, [MASK * 1.0])
    known = unknown._replace(mask=MASK)
    scales = [Scale("one", 0, 1, 0.5)]
    assert decision_sheet_of([unknown, known], scales).size == decision_sheet_of([known], scales).size
    for draw, images in ((decision_sheet_of, [unknown]), (comparison_sheet, [])):
        with pytest.raises(UsageError, match=r"^images must be shown by models, got 0 images and 1 models$"):
            draw(images, scales)
    with pytest.raises(UsageError, match=r"^maps must be one for each of 2 models, got 1$"):
        comparison_sheet([known], scales * 2)
