"""The table of a measured test set.

All rows of a category share one rule: a kind of defect is measured against all normal images, and binary
predictions are made at the one threshold that suits the whole category best, as in use.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synthgen import metrics
from synthgen.torch.evaluation.predictions import ALL, Part, Predictions

MEAN = "mean"
METRICS = (
    "image_auroc", "pixel_auroc", "aupro", "spro", "pl", "recall", "f1", "pixel_f1", "iou", "dice", "refined_iou",
    "refined_dice",
)  # fmt: skip
_HEADS = {
    "category": "category",
    "kind": "kind",
    "normal": "normal",
    "anomalous": "anomalous",
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "spro": "sPRO",
    "pl": "PL",
    "recall": "recall",
    "f1": "F1",
    "threshold": "threshold",
    "pixel_f1": "pixel F1",
    "pixel_threshold": "pixel threshold",
    "iou": "IoU",
    "dice": "DICE",
    "refined_iou": "refined IoU",
    "refined_dice": "refined DICE",
}
_TEXTS = ("category", "kind")


@dataclass(frozen=True)
class Row:
    """What was measured on one kind of one category; None is a metric that has no value there.

    Parameters
    ----------
    category, kind : str
        The kind is ``all`` for all kinds of a category, the category ``mean`` for the mean of these rows.
    normal, anomalous : int
        Images.
    image_auroc, pixel_auroc, aupro, spro, pl : float
        `synthgen.metrics`; AUPRO up to a false positive rate of 0.3, sPRO up to 0.05.
    recall : float
        Share of defects that were noticed at the category's `pixel_threshold`.
    f1, threshold : float
        Best F1 of image scores, and where it is reached: ``score >= threshold``.
    pixel_f1, pixel_threshold : float
        Best F1 of the pixels and where it is reached, for a whole category.
    iou, dice, refined_iou, refined_dice : float
        Means over the images with a defect, of coarse and of refined masks.
    """

    category: str
    kind: str
    normal: int
    anomalous: int
    image_auroc: float | None = None
    pixel_auroc: float | None = None
    aupro: float | None = None
    spro: float | None = None
    pl: float | None = None
    recall: float | None = None
    f1: float | None = None
    threshold: float | None = None
    pixel_f1: float | None = None
    pixel_threshold: float | None = None
    iou: float | None = None
    dice: float | None = None
    refined_iou: float | None = None
    refined_dice: float | None = None


def measure(predictions: Predictions, advance: Callable | None = None) -> list[Row]:
    """Return the table: for each category a row for all of it and one for each kind, then the mean of several.

    Parameters
    ----------
    predictions : Predictions
    advance : callable, optional
        Called with 1 after each row.

    Returns
    -------
    list of Row
    """
    advance = advance or (lambda rows: None)
    rows = []
    for category, kinds in predictions.parts():
        whole = _measure(predictions.part(category), category, ALL)
        advance(1)
        rows.append(whole)
        for kind in kinds:
            part = predictions.part(category, kind)
            rows.append(_measure(part, category, kind, whole.pixel_threshold))
            advance(1)

    wholes = [row for row in rows if row.kind == ALL]
    return [*rows, _mean(wholes)] if len(wholes) > 1 else rows


def _measure(part: Part, category: str, kind: str, pixel_threshold: float | None = None) -> Row:
    labels = part.labels
    threshold, f1 = metrics.best_f1_threshold(labels, part.scores)
    auroc = metrics.image_auroc(labels, part.scores)
    values = {"image_auroc": auroc, "f1": f1, "threshold": threshold}
    if labels.any() and part.has_masks and part.maps is not None:
        values |= _measure_pixels(part, pixel_threshold)

    known = {}
    for name, value in values.items():
        if np.isfinite(value):
            known[name] = float(value)

    anomalous = int(labels.sum())
    normal = len(labels) - anomalous
    return Row(category, kind, normal, anomalous, **known)


def _measure_pixels(part: Part, threshold: float | None) -> dict[str, float]:
    instances = part.instances
    maps = part.pixel_maps
    values = {
        "pixel_auroc": metrics.pixel_auroc(instances, maps),
        "aupro": metrics.aupro(instances, maps),
        "pl": metrics.proportion_localised(instances, maps),
    }
    if threshold is None:
        threshold, values["pixel_f1"] = metrics.best_f1_threshold(instances, maps)
        values["pixel_threshold"] = threshold

    noticed = ((layer, scores >= threshold) for layer, scores in part.layers())
    values["recall"] = metrics.defect_wise_recall(noticed)
    if any(part.saturation):
        values["spro"] = metrics.spro(part.regions, maps, part.saturation)
    return values


def _mean(rows: list[Row]) -> Row:
    """Return the mean of rows; a metric that one of them lacks has none."""
    means = {}
    for name in METRICS:
        values = [getattr(row, name) for row in rows]
        if None not in values:
            means[name] = float(np.mean(values))

    normal = sum(row.normal for row in rows)
    anomalous = sum(row.anomalous for row in rows)
    return Row(MEAN, ALL, normal, anomalous, **means)


def format_table(rows: list[Row]) -> str:
    """Return the table as text, without the columns that have no value in any row."""
    columns = []
    for name, head in _HEADS.items():
        values = [getattr(row, name) for row in rows]
        if all(value is None for value in values):
            continue
        cells = [head, *(_cell(value, name) for value in values)]
        width = max(map(len, cells))
        align = str.ljust if name in _TEXTS else str.rjust
        columns.append([align(cell, width) for cell in cells])

    lines = []
    for cells_of_row in zip(*columns, strict=True):
        line = "  ".join(cells_of_row)
        lines.append(line.rstrip())
    return "\n".join(lines)


def _cell(value: str | float | None, name: str) -> str:
    """Return the text of a value of a column."""
    if value is None:
        return "-"
    if name in METRICS:
        return f"{value:.3f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
