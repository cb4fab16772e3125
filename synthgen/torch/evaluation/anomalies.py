"""Each anomaly of a test set, with its box and how well the map meets it: what PL counts."""

from typing import Any

from synthgen.metrics.localisation import Anomaly, pl_details
from synthgen.torch.evaluation.predictions import ALL, Predictions

COLUMNS = (
    "image", "category", "kind", "row", "column", "height", "width", "angle", "iou", "best_iou", "localised",
    "threshold",
)  # fmt: skip


def anomalies_of(predictions: Predictions, iou: float = 0.3) -> list[dict[str, Any]]:
    """Return a row for each anomaly of the categories whose defects are marked.

    Parameters
    ----------
    predictions : Predictions
    iou : float
        From which on an anomaly is localised.

    Returns
    -------
    list of dict
        `COLUMNS`: the center (row, column), size and angle of the box in pixels of the map; ``iou`` at the
        ``threshold`` at which most anomalies of the category are localised, ``best_iou`` at the best for this one.
    """
    rows = []
    for category, _ in predictions.parts():
        part = predictions.part(category, ALL)
        if not part.is_measured_by_pixels:
            continue
        entries = [entry for entry in predictions.images.entries if entry.category == category]
        found = pl_details(part.instances, part.pixel_maps, iou)
        for anomaly in found.anomalies:
            entry = entries[anomaly.image]
            place = {"image": entry.name, "category": category, "kind": entry.kind}
            rows.append(place | _numbers(anomaly) | {"threshold": found.threshold})
    return rows


def _numbers(anomaly: Anomaly) -> dict[str, Any]:
    row, column = anomaly.box.center
    height, width = anomaly.box.size
    return {
        "row": float(row),
        "column": float(column),
        "height": float(height),
        "width": float(width),
        "angle": anomaly.box.angle,
        "iou": anomaly.iou,
        "best_iou": anomaly.best_iou,
        "localised": anomaly.localised,
    }
