"""Bootstrap intervals: resamples have the metrics of the images drawn, and intervals hold what is true."""

import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from synthgen.errors import UsageError
from synthgen.layouts.truth import Truth
from synthgen.metrics import aupro, average_precision, image_auroc, pixel_auroc, proportion_localised, spro
from synthgen.metrics.intervals import (
    Counts,
    count,
    count_part,
    draws,
    interval,
    is_tied,
    mean_ranks,
    pooled,
    ranks,
    resampled,
)
from synthgen.metrics.part import Maps, Part


@pytest.fixture(scope="module")
def images():
    """Twenty images: masks of one or two squares, maps that know most of them, and scores with ties."""
    rng = np.random.default_rng(3)
    masks = np.zeros((20, 48, 48), bool)
    for number in range(12):
        row, column = rng.integers(0, 20, 2)
        masks[number, row : row + 9, column : column + 12] = True
        masks[number, 40:46, 40:46] = number % 3 == 0
    noise = rng.normal(size=masks.shape)
    maps = np.stack([gaussian_filter(mask * 1.0 + 2 * one, 3) for mask, one in zip(masks, noise, strict=True)])
    return masks, maps, np.round(maps.max(axis=(1, 2)), 1)


def exact(masks, maps, scores):
    """Return the metrics as the functions of the package give them."""
    labels = masks.any(axis=(1, 2))
    return {
        "image_auroc": image_auroc(labels, scores),
        "average_precision": average_precision(labels, scores),
        "pixel_auroc": pixel_auroc(masks, maps),
        "aupro": aupro(masks, maps),
        "pl": proportion_localised(masks, maps),
    }


def test_a_resample_has_the_metrics_of_the_images_that_were_drawn(images):
    masks, maps, scores = images
    labels = masks.any(axis=(1, 2))
    weights = draws(labels, 4, seed=1, name="brick")
    found = resampled(count(labels, scores, masks, maps), weights)
    for number, times in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(len(labels)), times)
        for name, value in exact(masks[drawn], maps[drawn], scores[drawn]).items():
            tolerance = 4e-3 if name in ("pixel_auroc", "aupro") else 1e-6  # counts at 200 quantiles
            assert found[name][number] == pytest.approx(value, abs=tolerance), name


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint64, np.int8, np.float16, np.float32])
def test_scores_of_any_type_give_the_metrics_of_floats(kind):
    scores = np.array([0, 1, 3, 2, 0, 3]).astype(kind)
    labels = np.array([0, 0, 1, 1, 1, 0])
    weights = draws(labels, 3)
    found = resampled(count(labels, scores), weights)
    for name, values in resampled(count(labels, scores.astype(float)), weights).items():
        np.testing.assert_array_equal(found[name], values)


def test_intervals_give_the_metrics_of_the_whole_set():
    rng = np.random.default_rng(0)
    masks = np.zeros((24, 48, 48), bool)
    for i in range(12):
        masks[i, 8 : 14 + i, 10:30] = True
        masks[i, 40:44, 40:44] = True
    maps = rng.random(masks.shape).astype(np.float32) + masks * rng.random((24, 1, 1))
    scores = maps.max(axis=(1, 2))
    counts = count(masks.any(axis=(1, 2)), scores, masks, maps)
    found = resampled(counts, np.array([[1] * 24, [1] * 10 + [0] * 2 + [1] * 12], np.float32))
    whole, without = np.column_stack([found[name] for name in ("image_auroc", "pixel_auroc", "aupro")])
    exact = image_auroc(masks.any(axis=(1, 2)), scores), pixel_auroc(masks, maps), aupro(masks, maps)
    assert np.allclose(whole, exact, atol=5e-3)
    assert not np.allclose(whole, without, atol=1e-4)


def test_saturated_regions_have_an_spro_of_their_own(images):
    masks, maps, scores = images
    truths = [Truth((mask.astype(np.int32),), (mask,), (20.0,)) if mask.any() else None for mask in masks]
    labels = masks.any(axis=(1, 2)).astype(int)
    part = Part(labels, scores, truths, Maps(maps, range(len(maps))))
    found = resampled(count_part(part), np.ones((1, len(labels)), np.float32))
    expected = spro(part.regions, maps, part.saturation)
    assert found["spro"][0] == pytest.approx(expected, abs=0.01)
    assert found["spro"][0] != pytest.approx(found["aupro"][0], abs=0.05)


def test_images_alone_have_no_metrics_of_pixels():
    counts = count([0, 1, 1], [0.1, 0.2, 0.3])
    assert set(resampled(counts, np.ones((2, 3), np.float32))) == {"image_auroc", "average_precision"}
    with pytest.raises(UsageError, match=r"^weights must be for 3 images, got 2$"):
        resampled(counts, np.ones((2, 2), np.float32))


def test_counts_come_back_from_a_file(images, tmp_path):
    masks, maps, scores = images
    counts = count(masks.any(axis=(1, 2)), scores, masks, maps)
    there = {name: array for name, array in counts._asdict().items() if array is not None}
    np.savez(tmp_path / "counts.npz", **there)
    with np.load(tmp_path / "counts.npz") as file:
        again = Counts(**file)
    weights = draws(again.labels, 3)
    for name, values in resampled(counts, weights).items():
        np.testing.assert_array_equal(resampled(again, weights)[name], values)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 9))
@settings(max_examples=20)
def test_normal_and_anomalous_images_are_drawn_each_among_their_own(labels, seed):
    labels = np.array(labels, int)
    weights = draws(labels, 6, seed, "brick")
    for group in (0, 1):
        assert (weights[:, labels == group].sum(axis=1) == np.count_nonzero(labels == group)).all()
    np.testing.assert_array_equal(weights, draws(labels, 6, seed, "brick"))


def by_pairs(labels, scores, weights):
    """Return the AUROC of each resample, by a table of all pairs of a normal and an anomalous image."""
    normal, defects = scores[labels == 0], scores[labels == 1]
    wins = (defects[:, None] > normal) + (defects[:, None] == normal) / 2
    first, second = weights[:, labels == 1].astype(float), weights[:, labels == 0].astype(float)
    won = np.einsum("rd,dn,rn->r", first, wins, second)
    return won / (first.sum(1) * second.sum(1))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=25), st.integers(0, 9))
@settings(max_examples=40)
def test_the_auroc_of_resamples_is_that_of_all_pairs(images, seed):
    labels, scores = np.array([(0, 0.0), (0, 3.0), (1, 2.0), (1, 5.0), *images]).T
    weights = draws(labels, 5, seed)
    found = resampled(count(labels, scores / 7), weights)["image_auroc"]
    np.testing.assert_allclose(found, by_pairs(labels, scores, weights), rtol=0, atol=1e-12)


def test_many_images_take_no_table_of_their_pairs(monkeypatch):
    labels = np.repeat([0, 1], 4000)
    counts = count(labels, np.random.default_rng(0).normal(size=8000) + labels)
    weights = draws(labels, 20)
    monkeypatch.setattr("synthgen.metrics.intervals._AT_ONCE", 16000)
    tracemalloc.start()
    in_blocks = resampled(counts, weights)
    again = draws(labels, 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # all pairs are 16 million
    np.testing.assert_array_equal(again, weights)
    monkeypatch.undo()
    for name, values in resampled(counts, weights).items():
        np.testing.assert_array_equal(in_blocks[name], values)


def test_one_image_of_a_kind_does_not_tell_how_far_a_number_can_be_believed(images):
    masks, maps, scores = images
    pair = [0, 15]  # with a defect, and without
    labels = masks.any(axis=(1, 2))[pair]
    found = resampled(count(labels, scores[pair], masks[pair], maps[pair]), draws(labels, 9))
    assert set(found) == {"image_auroc", "average_precision", "pixel_auroc", "aupro", "pl"}
    for values in found.values():
        assert np.isnan(interval(values, 0.7)).all()


@pytest.mark.parametrize("value", [None, 0.0, 0.7, 1.0])
def test_samples_without_spread_give_no_interval(value):
    samples = np.full(50, 0.7 if value is None else value)
    assert np.isnan(interval(samples, value)).all()
    assert is_tied(samples, samples)
    assert not is_tied(samples, samples - 0.1)


@pytest.mark.parametrize("level", [0, 1, np.nan, 95])
def test_a_level_that_is_no_share_is_refused(level):
    with pytest.raises(UsageError, match=r"^level must lie in \(0, 1\), got"):
        interval(np.arange(3.0), level=level)


def test_classes_are_drawn_independently():
    labels = np.repeat([0, 1], 10)
    assert not np.array_equal(draws(labels, 5, name="brick"), draws(labels, 5, name="grass"))


def test_intervals_hold_the_true_auroc_of_simulated_sets_as_often_as_they_say():
    distance = 2.3
    images = 30
    true = NormalDist().cdf(distance / 2**0.5)
    labels = np.repeat([0, 1], images)
    held = 0
    for number in range(200):
        scores = np.random.default_rng(number).normal(size=2 * images) + distance * labels
        samples = resampled(count(labels, scores), draws(labels, 200, number))["image_auroc"]
        low, high = interval(samples, image_auroc(labels, scores))
        held += low <= true <= high
    assert 0.91 <= held / 200 <= 0.99


def test_an_interval_without_a_value_is_a_share_of_the_samples():
    samples = np.append(np.linspace(-1, 1, 2001), np.nan)
    assert interval(samples) == pytest.approx((-0.95, 0.95))
    assert interval(samples, level=0.5) == pytest.approx((-0.5, 0.5))
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_models_are_tied_where_their_difference_may_be_none():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=500)  # what makes a resample hard for both
    first = hard + rng.normal(size=500) / 10
    assert is_tied(first, hard)
    assert not is_tied(first, hard - 1)
    assert is_tied(first, rng.normal(size=500) - 1)  # the same distance, of draws that are not paired
    assert pooled([first, first - 2]) == pytest.approx(first - 1)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_equal_values_share_the_mean_of_their_ranks(values):
    np.testing.assert_array_equal(ranks(values, "down"), rankdata(values))
    np.testing.assert_array_equal(ranks(values), rankdata(-np.array(values)))


def test_the_mean_rank_is_over_classes():
    table = [[0.9, 0.8, 0.7], [0.8, 0.9, 0.7]]
    assert mean_ranks(table).tolist() == [1.5, 1.5]
    assert mean_ranks([[3, 4], [1, 2]], "down").tolist() == [2, 1]
