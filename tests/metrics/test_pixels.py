"""Scores of thresholded predictions, by pixels."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from synthgen.errors import UsageError
from synthgen.metrics import defect_wise_recall, pixel_scores

images = arrays(bool, (2, 3, 4))


def test_pixel_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    masks, predictions = rng.random((2, 3, 8, 8)) < 0.3
    found = pixel_scores(masks, predictions)
    plain = {
        "precision": precision_score,
        "recall": recall_score,
        "f1": f1_score,
        "iou": jaccard_score,
        "dice": f1_score,
    }
    assert found == {name: pytest.approx(of(masks.ravel(), predictions.ravel())) for name, of in plain.items()}


@settings(max_examples=50)
@given(images, images)
def test_pixel_scores_lie_between_0_and_1_or_have_nothing_to_count(masks, predictions):
    found = pixel_scores(masks, predictions)
    assert math.isnan(found["precision"]) == (not predictions.any())
    assert math.isnan(found["recall"]) == (not masks.any())
    for name in ("f1", "iou", "dice"):
        assert math.isnan(found[name]) == (not (masks | predictions).any())
    assert all(math.isnan(value) or 0 <= value <= 1 for value in found.values())
    assert found["iou"] == pytest.approx(found["dice"] / (2 - found["dice"]), nan_ok=True)


def test_any_kind_of_mask_and_stream_gives_the_same():
    rng = np.random.default_rng(0)
    masks, predictions = rng.random((2, 3, 8, 8)) < 0.4
    expected = pixel_scores(masks, predictions)
    assert pixel_scores(masks * 255, predictions.astype(np.uint8)) == expected
    assert pixel_scores(iter(masks), (p * 255 for p in predictions)) == expected
    assert pixel_scores(zip(masks, predictions, strict=True)) == expected


def test_a_normal_image_without_predictions_has_no_scores():
    nothing = np.zeros((1, 4, 4))
    assert all(math.isnan(value) for value in pixel_scores(nothing, nothing).values())
    assert math.isnan(defect_wise_recall(nothing, nothing))


@pytest.mark.parametrize("metric", [pixel_scores, defect_wise_recall])
def test_scores_in_place_of_predictions_are_refused(metric):
    with pytest.raises(UsageError, match=r"^predictions\[0\] must hold one value beside 0 .*, got 16$"):
        metric(np.zeros((1, 4, 4)), np.arange(1, 17).reshape(1, 4, 4) / 16)
    with pytest.raises(UsageError, match=r"^predictions\[0\] must have its mask's shape"):
        metric(np.zeros((1, 4, 4)), np.zeros((1, 5, 4)))


def test_metrics_need_no_torch_and_load_nothing_heavy_before_it_is_used():
    # The parent package is replaced, so that this holds whatever else the companion imports.
    code = """
import sys, types, synthgen
parent = types.ModuleType("synthgen.torch")
parent.__path__ = [f"{synthgen.__path__[0]}/torch"]
sys.modules["synthgen.torch"] = parent
import synthgen.metrics as metrics
print([name for name in ("torch", "scipy", "sklearn", "skimage") if name in sys.modules])
print(metrics.proportion_localised([[[0, 1], [0, 0]]], [[[0.0, 1], [0, 0]]]), "torch" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "1.0 False"]
