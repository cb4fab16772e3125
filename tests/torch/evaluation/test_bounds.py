"""Intervals of a table: of each category, and of the mean of several."""

import numpy as np
import pytest

from synthgen.layouts import open_test_set
from synthgen.metrics.intervals import interval
from synthgen.torch.evaluation import measure, predict_set
from synthgen.torch.evaluation.bounds import bounds_of, format_bounds, samples_of


def test_intervals_are_those_of_the_categories_and_of_their_mean(tmp_path, sets):
    for category, brightness in (("a", 20), ("b", 60)):
        sets.put_category(tmp_path / category, {"dent": brightness})
    predictions = predict_set(sets.Brightness(), open_test_set(tmp_path))
    rows = measure(predictions)
    bounds = bounds_of(predictions, rows, resamples=50)
    samples = samples_of(predictions, resamples=50)

    by_name = {(bound["category"], bound["metric"]): bound for bound in bounds}
    assert {category for category, _ in by_name} == {"a", "b", "mean"}
    mean = np.mean([samples["a"]["aupro"], samples["b"]["aupro"]], axis=0)
    bound = by_name["mean", "aupro"]
    assert (bound["low"], bound["high"]) == interval(mean, rows[-1].aupro)
    assert bound["low"] < bound["value"] < bound["high"]
    assert bound["images"] == 14
    *table, note = format_bounds(bounds).splitlines()
    assert len(table) == 1 + len(bounds)
    assert note.startswith("-: ")  # all of b is localised in every draw


def test_an_interval_that_the_images_do_not_tell_is_left_out(tmp_path, sets):
    sets.put_category(tmp_path / "a", {"dent": 60})
    test_set = open_test_set(tmp_path / "a")
    few = test_set.chosen([0, len(test_set) - 1])
    predictions = predict_set(sets.Brightness(), few)
    bounds = {bound["metric"]: bound for bound in bounds_of(predictions, measure(predictions), resamples=9)}
    assert bounds["aupro"]["low"] is bounds["aupro"]["high"] is None
    assert bounds["image_auroc"]["high"] - bounds["image_auroc"]["low"] > 0.5
    lines = format_bounds(list(bounds.values())).splitlines()
    assert [line.split()[-2] for line in lines if "AUPRO" in line] == ["-"]
    assert lines[-1].startswith("-: every draw of these images scores the same")


def test_other_models_are_drawn_the_same_images(predictions):
    first = samples_of(predictions, resamples=20)["brick"]["image_auroc"]
    again = samples_of(predictions, resamples=20)["brick"]["image_auroc"]
    np.testing.assert_array_equal(first, again)
    other = samples_of(predictions, resamples=20, seed=1)["brick"]["image_auroc"]
    assert not np.array_equal(first, other)


def test_what_has_no_resamples_has_no_interval(predictions, rows):
    names = {bound["metric"] for bound in bounds_of(predictions, rows, resamples=10)}
    assert names == {"image_auroc", "pixel_auroc", "aupro", "pl"}
    assert rows[0].oracle_f1 == pytest.approx(rows[0].values["oracle_f1"])
