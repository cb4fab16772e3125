"""Calibrations make scores comparable, and change no order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.torch.ensembles.calibration import (
    QUANTILES,
    TAIL,
    WAYS,
    by_defects,
    by_moments,
    by_tail,
    calibrated,
    length_of,
    logistic,
)

NORMAL = torch.from_numpy(np.random.default_rng(0).gamma(2, 3, 20_000).astype(np.float32))
DEFECTS = NORMAL[:500] + 12
FOUND = {
    "z": by_moments(NORMAL),
    "tail": by_tail(NORMAL),
    "synthetic": by_defects(NORMAL, DEFECTS),
    "none": torch.zeros(0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_calibration_is_as_long_as_a_file_expects(way):
    assert FOUND[way].shape == (length_of(way),)
    assert FOUND[way].dtype == torch.float32


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25)
@given(scores=st.lists(st.floats(-5, 200, width=32), min_size=2, max_size=20))
def test_what_scores_higher_stays_higher(way, scores):
    ascending = torch.tensor(scores).sort().values
    assert (calibrated(ascending, way, FOUND[way]).diff() >= -1e-5).all()


def test_z_has_mean_0_and_deviation_1():
    z = calibrated(NORMAL, "z", FOUND["z"])
    assert float(z.mean()) == pytest.approx(0, abs=1e-4)
    assert float(z.std()) == pytest.approx(1, abs=1e-3)


def test_tail_says_how_rare_a_score_is():
    ascending = NORMAL.sort().values
    for share in (0.5, 0.9, 0.98):
        place = int(share * len(ascending))
        rarity = float(calibrated(ascending[place], "tail", FOUND["tail"]))
        assert rarity == pytest.approx(-np.log(1 - share), rel=0.02)


def test_the_tail_goes_on_beyond_all_normal_scores():
    beyond = NORMAL.max() + torch.tensor([1.0, 10.0, 100.0])
    rarity = calibrated(beyond, "tail", FOUND["tail"])
    assert (rarity.diff() > 1).all()
    assert rarity[0] > -np.log(1 / len(NORMAL)) - 1


def test_the_tail_is_continuous_where_it_begins():
    last = FOUND["tail"][QUANTILES - 1]
    around = calibrated(last + torch.tensor([-1e-3, 0, 1e-3]), "tail", FOUND["tail"])
    assert float(around.max() - around.min()) < 0.01
    assert float(around[1]) == pytest.approx(-np.log(1 - TAIL), rel=0.02)


def test_synthetic_is_0_where_both_sides_are_as_likely():
    normal = torch.from_numpy(np.random.default_rng(1).normal(0, 1, 4000).astype(np.float32))
    odds = by_defects(normal, normal[:2000] + 3)
    assert float(calibrated(torch.tensor(1.5), "synthetic", odds)) == pytest.approx(0, abs=0.15)
    assert float(calibrated(torch.tensor(3.0), "synthetic", odds)) > 2


def test_a_regression_finds_the_member_that_tells():
    rng = np.random.default_rng(2)
    normal = torch.from_numpy(rng.normal(size=(3000, 2)).astype(np.float32))
    defects = torch.from_numpy(rng.normal((3, 0), 1, (300, 2)).astype(np.float32))
    weights = logistic(normal, defects)
    assert weights[0] > 10 * abs(weights[1])
    with pytest.raises(UsageError, match="normal images and drawn defects must be at least one each, got none"):
        logistic(normal, defects[:0])


@pytest.mark.parametrize("way", ["z", "tail", "synthetic"])
def test_scores_that_never_vary_give_finite_numbers(way):
    same = torch.full((50,), 3.0)
    fits = {
        "z": lambda: by_moments(same),
        "tail": lambda: by_tail(same),
        "synthetic": lambda: by_defects(same, same),
    }
    assert torch.isfinite(calibrated(torch.tensor([0.0, 3.0, 9.0]), way, fits[way]())).all()
