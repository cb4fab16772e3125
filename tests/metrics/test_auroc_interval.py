"""Intervals of AUROCs hold the true one as often as they say, near 1 and for few images, too."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.metrics import image_auroc
from synthgen.metrics.auroc_interval import auroc_interval, mean_interval

SHARES = st.floats(0, 1)
COUNTS = st.integers(1, 500)


def measured(rng, true, normal, anomalous, deviation):
    """Return the AUROC of scores from two Gaussians, whose true AUROC is given."""
    apart = NormalDist().inv_cdf(true) * math.hypot(1, deviation)
    scores = np.concatenate([rng.normal(0, 1, normal), rng.normal(apart, deviation, anomalous)])
    labels = np.repeat([0, 1], [normal, anomalous])
    return image_auroc(labels, scores)


@pytest.mark.parametrize("true", [0.7, 0.9, 0.95, 0.98, 0.99])
@pytest.mark.parametrize(("normal", "anomalous"), [(30, 30), (10, 60), (100, 100)])
def test_the_true_auroc_lies_in_95_of_100_intervals(true, normal, anomalous):
    """200 sets each, as the benchmark asks for; half of them of defects whose scores spread twice as far."""
    rng = np.random.default_rng(3)
    held = 0
    for number in range(200):
        value = measured(rng, true, normal, anomalous, 1 + number % 2)
        low, high = auroc_interval(value, normal, anomalous)
        held += low <= true <= high
    assert held / 200 >= 0.91


def test_the_mean_of_classes_lies_in_its_interval_as_often():
    rng = np.random.default_rng(4)
    truths = [0.8, 0.95, 0.99]
    held = 0
    for _ in range(200):
        values = [measured(rng, true, 20, 30, 1) for true in truths]
        low, high = mean_interval(values, [auroc_interval(value, 20, 30) for value in values])
        held += low <= np.mean(truths) <= high
    assert 0.91 <= held / 200 <= 0.995


@given(SHARES, COUNTS, COUNTS)
def test_an_interval_holds_its_value_and_is_its_own_mirror(value, normal, anomalous):
    low, high = auroc_interval(value, normal, anomalous)
    assert 0 <= low <= value <= high <= 1
    mirrored = auroc_interval(1 - value, normal, anomalous)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(SHARES, COUNTS)
def test_more_images_tell_more(value, count):
    low, high = auroc_interval(value, count, count)
    narrow_low, narrow_high = auroc_interval(value, 4 * count, 4 * count)
    assert narrow_high - narrow_low <= high - low


def test_a_perfect_score_is_no_certainty():
    low, high = auroc_interval(1.0, 30, 30)
    assert high == 1
    assert 0.85 < low < 0.95
    assert auroc_interval(1.0, 300, 300)[0] > 0.98


def test_what_is_no_auroc_is_refused():
    with pytest.raises(UsageError, match=r"^value must lie in \[0, 1\], got 1.1"):
        auroc_interval(1.1, 3, 3)
    with pytest.raises(UsageError, match=r"^images must be normal and anomalous ones, got 0 and 3"):
        auroc_interval(1.0, 0, 3)
