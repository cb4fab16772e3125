"""Overlaps image by image, beside plain sets."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.metrics import mean_overlap
from synthgen.metrics.overlap import by_size, overlaps


def test_overlaps_are_those_of_sets_of_pixels():
    rng = np.random.default_rng(0)
    masks = rng.random((5, 6, 7)) < 0.3
    masks[2] = False
    predictions = rng.random((5, 6, 7)) < 0.4
    ious, dices = [], []
    for mask, prediction in zip(masks, predictions, strict=True):
        true, found = (set(map(tuple, np.argwhere(each))) for each in (mask, prediction))
        if true:
            ious.append(len(true & found) / len(true | found))
            dices.append(2 * len(true & found) / (len(true) + len(found)))
    result = overlaps(masks, predictions)
    np.testing.assert_allclose(result.iou, ious)
    np.testing.assert_allclose(result.dice, dices)
    np.testing.assert_allclose(result.size, masks.mean((1, 2))[masks.any((1, 2))])
    assert mean_overlap(masks, predictions) == pytest.approx({"iou": np.mean(ious), "dice": np.mean(dices)})


def test_without_a_defect_there_is_no_mean():
    assert np.isnan(mean_overlap(np.zeros((2, 4, 4)), np.ones((2, 4, 4)))["iou"])


def test_groups_hold_every_image_once():
    masks = np.zeros((4, 10, 10), bool)
    for number, pixels in enumerate((1, 2, 3, 100)):
        masks[number].ravel()[:pixels] = True
    groups = by_size(overlaps(masks, masks))
    assert groups == [("0-0.02", 2, 1.0, 1.0), ("0.02-0.04", 1, 1.0, 1.0), ("0.08-1", 1, 1.0, 1.0)]


def test_scores_are_no_predictions():
    with pytest.raises(UsageError, match="threshold first"):
        mean_overlap(np.ones((1, 2, 2)), np.array([[[0.1, 0.2], [0.3, 0]]]))
