"""Recall by defects: each is found or not, whatever its outline."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synthgen.errors import UsageError
from synthgen.metrics import defect_wise_recall
from synthgen.metrics.defects import COVERAGES, covered_shares, recall_curve


def plain_recall(instances, predictions, coverage):
    found = []
    for ids, prediction in zip(instances, predictions, strict=True):
        for number in set(ids[ids > 0].tolist()):
            part = prediction[ids == number].mean()
            found.append(part > 0 and part >= coverage)
    return np.mean(found) if found else math.nan


@settings(max_examples=50)
@given(
    arrays(np.uint8, (2, 4, 4), elements=st.integers(0, 3)),
    arrays(bool, (2, 4, 4)),
    st.sampled_from([0, 0.1, 0.5, 1]),
)
def test_defect_wise_recall_is_that_of_a_look_at_each_defect(instances, predictions, coverage):
    expected = plain_recall(instances, predictions, coverage)
    assert defect_wise_recall(instances, predictions, coverage) == pytest.approx(expected, nan_ok=True)


def test_a_defect_is_found_by_one_pixel_and_by_exactly_the_asked_share():
    ids = np.zeros((1, 10, 10), np.uint8)
    ids[0, :3] = 7  # 30 pixels
    ids[0, 5:8, :10] = 200
    predicted = np.zeros(ids.shape, bool)
    predicted[0, 0, 0] = True
    assert defect_wise_recall(ids, predicted) == 0.5
    predicted[0, 0, :3] = True
    assert defect_wise_recall(ids, predicted, coverage=0.1) == 0.5  # 3 of 30
    assert defect_wise_recall(ids, predicted, coverage=0.11) == 0
    assert defect_wise_recall(ids, ids > 0, coverage=1) == 1


def test_an_instance_number_is_another_defect_in_another_image():
    ids = np.ones((2, 2, 2), np.uint8)
    predicted = np.stack([np.ones((2, 2)), np.zeros((2, 2))])
    assert defect_wise_recall(ids, predicted) == 0.5


def test_a_coverage_out_of_range_is_refused():
    with pytest.raises(UsageError, match=r"^coverage must lie in \[0, 1\], got 5$"):
        defect_wise_recall(np.ones((1, 2, 2)), np.ones((1, 2, 2)), coverage=5)


@settings(max_examples=20)
@given(arrays(np.uint8, (2, 4, 4), elements=st.integers(0, 3)), arrays(bool, (2, 4, 4)))
def test_the_curve_has_the_recall_at_each_coverage(instances, predictions):
    coverages, recalls = recall_curve(instances, predictions)
    assert tuple(coverages) == COVERAGES
    expected = [defect_wise_recall(instances, predictions, coverage) for coverage in COVERAGES]
    np.testing.assert_array_equal(recalls, expected)
    assert len(covered_shares(instances, predictions)) == sum(len(np.unique(ids[ids > 0])) for ids in instances)
