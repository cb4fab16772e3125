"""Curves of a measured set: their areas are those of the table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc

from synthgen import metrics
from synthgen.layouts import open_test_set
from synthgen.torch.evaluation.plots import overlap_curve, panels_of, roc_curve
from synthgen.torch.evaluation.predictions import predict_set
from synthgen.torch.evaluation.table import measure


def area(curve, limit=1.0):
    """Return the mean height of a curve up to a rate, by the trapezoid rule."""
    end = np.interp(limit, curve.fpr, curve.height)
    within = curve.fpr <= limit
    fpr, height = np.append(curve.fpr[within], limit), np.append(curve.height[within], end)
    return auc(fpr, height) / limit


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_the_area_under_the_roc_curve_is_the_auroc(pairs):
    labels, scores = np.array(pairs, int).T
    if 0 < labels.sum() < len(labels):
        assert area(roc_curve(labels, scores.astype(float))) == pytest.approx(metrics.image_auroc(labels, scores))


def test_the_areas_under_the_drawn_curves_are_those_of_the_table(predictions, sets):
    _, _, masks, maps = sets.chosen(predictions, "all")
    curve = overlap_curve(masks, maps)
    assert area(curve, 0.3) == pytest.approx(metrics.aupro(masks, maps))
    assert area(overlap_curve(masks, maps, by_pixel=True)) == pytest.approx(metrics.pixel_auroc(masks, maps))
    assert np.all(np.diff(curve.fpr) >= 0)
    assert np.all(np.diff(curve.height) >= -1e-12)
    assert (curve.fpr[-1], curve.height[-1]) == (1, pytest.approx(1))


def test_the_mean_of_the_kinds_of_loco_has_no_curve(tmp_path, sets):
    folder = sets.put_category(tmp_path / "pins", {"logical_anomalies": 20, "structural_anomalies": 150})
    predictions = predict_set(sets.Brightness(), open_test_set(folder))
    rows = measure(predictions)
    assert rows[-1].kind == "mean of kinds"
    for panel in panels_of(predictions, rows):
        assert [line.name for line in panel.lines] == ["all", "logical_anomalies", "structural_anomalies"]
