"""Scores of several members become one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.torch.ensembles.combining import WAYS, combined, length_of, weights_by_quality

# rows of three members, as NumPy has them, beside each way
TWINS = {
    "mean": lambda scores: scores.mean(0),
    "max": lambda scores: scores.max(0),
    "median": lambda scores: np.median(scores, 0),
    "weights": lambda scores: np.average(scores, axis=0, weights=[1, 2, 5]),
    "vote": lambda scores: (scores > np.array([[1], [2], [5]])).mean(0),
    "logistic": lambda scores: scores.T @ [1, 2, 5] + 7,
    "forest": lambda scores: np.where(scores[1] > 2, 0.75, 0.25),
}


def stumps():
    """Return a forest of equal trees, that look at the second member once."""
    members, thresholds, shares = torch.ones(31), torch.full((31,), 2.0), torch.full((32,), 0.25)
    shares[16:] = 0.75
    return torch.cat([members, thresholds, shares]).repeat(32)


NUMBERS = {
    "weights": torch.tensor([1.0, 2.0, 5.0]) / 8,
    "vote": torch.tensor([1.0, 2.0, 5.0]),
    "logistic": torch.tensor([1.0, 2.0, 5.0, 7.0]),
    "forest": stumps(),
}
ROWS = st.lists(st.floats(-10, 10, width=32), min_size=12, max_size=12)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25)
@given(row=ROWS)
def test_each_way_is_what_numpy_computes(way, row):
    scores = np.array(row, np.float32).reshape(3, 4)
    numbers = NUMBERS.get(way, torch.zeros(0))
    assert len(numbers) == length_of(way, 3)
    got = combined(torch.from_numpy(scores), way, numbers)
    np.testing.assert_allclose(got, TWINS[way](scores), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("way", ["mean", "max", "median"])
def test_the_order_of_members_does_not_matter(way):
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 2, 5, 5)).astype(np.float32))
    torch.testing.assert_close(combined(maps, way, torch.zeros(0)), combined(maps.flip(0), way, torch.zeros(0)))


def test_better_members_weigh_more():
    weights = weights_by_quality(torch.tensor([0.5, 1.0, 0.0]))
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[1] / weights[0]) == pytest.approx(16)
    assert 0 < weights[2] < 1e-6
