"""Each anomaly of a test set with its box and how well it is met."""

import numpy as np

from synthgen.torch.evaluation.anomalies import COLUMNS, anomalies_of


def test_the_share_of_localised_anomalies_is_pl(predictions, rows):
    found = anomalies_of(predictions)
    assert all(tuple(row) == COLUMNS for row in found)
    assert np.mean([row["localised"] for row in found]) == rows[0].pl
    assert {row["kind"] for row in found} == {"dent", "hole"}
    names = [entry.name for entry in predictions.images.entries if entry.label]
    assert list(dict.fromkeys(row["image"] for row in found)) == names
    assert all(0 <= row["iou"] <= row["best_iou"] <= 1 for row in found)
