"""Thresholds of ensembles: images are left out of the calibration that judges them, and what is promised holds."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthgen.layouts import Entry, ImageSet
from synthgen.layouts.entries import Source
from synthgen.torch.ensembles import said
from synthgen.torch.ensembles.crossed import FOLDS, crossed_limits, folds
from synthgen.torch.evaluation import held_out_limits, predict_set
from synthgen.torch.evaluation.limits import limits_of
from synthgen.torch.models import ScoreEnsemble

SIDE = 16


class Channel:
    """A fitted model whose score of an image grows with the brightness of one channel."""

    kind = "channel"
    localises = False
    features = None
    notes: dict = {}  # noqa: RUF012
    device = torch.device("cpu")

    def __init__(self, channel):
        self.channel = channel

    def _need_fit(self):
        return (SIDE, SIDE)

    def check_prediction(self, images, size):
        pass

    def predict(self, images):
        mean = images[:, self.channel].float().mean((1, 2))
        return (mean / 30).exp().numpy(), None


def plain(levels):
    """Return a set of images, each of one color, from levels (N, 3)."""
    entries = []
    for number, level in enumerate(levels):
        picture = partial(np.full, (SIDE, SIDE, 3), level)
        entries.append(Entry(f"{number}.png", 0, "good", "drawn", picture))
    return ImageSet(entries, [Source("drawn", "drawn", len(entries))])


def drawn(rng, count):
    return rng.normal(110, 25, (count, 3)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def few_defects(monkeypatch):
    monkeypatch.setattr(said, "DRAWN", 1)


@given(st.integers(2, 60))
def test_each_image_is_left_out_once(count):
    own, others = zip(*folds(count), strict=True)
    assert sorted(place for places in own for place in places) == list(range(count))
    assert len(own) == min(FOLDS, count)
    for some, rest in zip(own, others, strict=True):
        assert sorted([*some, *rest]) == list(range(count))
        assert some
        assert rest


def batch_of(images):
    return torch.from_numpy(np.stack([item.image.transpose(2, 0, 1) for item in images]))


@pytest.mark.usefixtures("few_defects")
def test_each_image_is_judged_by_an_ensemble_that_did_not_see_it():
    images = plain(drawn(np.random.default_rng(0), 7))
    model = ScoreEnsemble([Channel(0), Channel(1)], combine="max").fit([batch_of(images)], progress="none")
    scores = []
    for own, others in folds(7):
        twin = ScoreEnsemble(model.members, combine="max").fit([batch_of(images.chosen(others))], progress="none")
        scores.append(predict_set(twin, images.chosen(own)).scores)
    expected = limits_of(np.concatenate(scores), None)
    assert crossed_limits(model, images) == expected
    assert expected.normal.false_alarms == 1 / 8
    assert held_out_limits(model, images).image < expected.image


@pytest.mark.usefixtures("few_defects")
def test_no_more_of_the_images_to_come_reach_the_threshold_than_is_promised():
    count = 5
    reached = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        images = plain(drawn(rng, count))
        members = [Channel(channel) for channel in range(3)]
        model = ScoreEnsemble(members, combine="max").fit([batch_of(images)], progress="none")
        new = model.predict(batch_of(plain(drawn(rng, 100))))[0]
        limits = (held_out_limits(model, images), crossed_limits(model, images))
        reached.append([(new >= each.image).mean() for each in limits])
    of_the_same, left_out = np.mean(reached, axis=0)
    promised = 1 / (count + 1)
    assert of_the_same > 1.3 * promised
    assert left_out < promised
