"""Thresholds from normal images that the model has not seen, with and without pasted defects."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.layouts import open_images, open_normal
from synthgen.torch.evaluation import held_out_limits, limits_of, predict_set, synthetic_limits, thresholds_of
from synthgen.torch.evaluation.thresholds import HELD_OUT, SYNTHETIC, with_defects


@pytest.fixture
def normal(tmp_path, sets):
    for number in range(6):
        sets.put(tmp_path / "good" / f"{number}.png", sets.noise(number))
    return open_normal(tmp_path / "good")


def test_held_out_images_give_the_thresholds_of_their_scores(normal, sets):
    found = held_out_limits(sets.Brightness(), normal)
    predictions = predict_set(sets.Brightness(), normal)
    assert found == limits_of(predictions.scores, predictions.maps)
    assert thresholds_of(found, HELD_OUT).source == "held-out normal images (n = 6, n < 100)"


def test_a_twin_differs_from_its_image_in_its_mask_alone_and_is_the_same_at_each_reading(normal):
    twins = with_defects(normal, seed=1)
    assert len(twins) == 12
    shapes = set()
    for image, twin in zip(normal, list(twins)[6:], strict=True):
        changed = (image.image != twin.image).any(axis=2)
        np.testing.assert_array_equal(changed, twin.mask)
        assert changed.any()
        shapes.add(int(changed.sum()))
    assert len(shapes) > 1
    np.testing.assert_array_equal(twins[7].image, twins[7].image)
    assert not np.array_equal(twins[7].image, with_defects(normal, seed=2)[7].image)


def test_synthetic_defects_give_the_best_thresholds_of_their_own(normal, sets):
    found = synthetic_limits(sets.Brightness(), normal)
    predictions = predict_set(sets.Brightness(), with_defects(normal))
    part = predictions.part("")
    assert (part.anomalous, part.is_measured_by_pixels) == (6, True)
    assert (found.image, found.pixel) == (part.best_threshold[0], part.best_pixel_threshold[0])
    assert thresholds_of(found, SYNTHETIC).source == "synthetic defects (n = 6)"
    with pytest.raises(UsageError, match=r"^images must hold normal images to paste defects on, got none$"):
        synthetic_limits(sets.Brightness(), open_images([]))
