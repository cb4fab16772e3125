"""A page of a measured test set: its table, its curves, and the images that a model judges worst."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthgen.layouts.framing import Framing
from synthgen.look.colors import color_range
from synthgen.look.heatmaps import side_by_side
from synthgen.look.report import Chart, Line, Shot, Table, write_report
from synthgen.torch.evaluation.plots import Panel
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.torch.evaluation.table import Row, as_dicts

PAGE = "report.html"
WORST = 12  # images of each kind of mistake
_LOOKED_AT = 1000  # scores of a map, for the range of its colors
_MISSED = "Defects with the lowest scores"
_ALARMS = "Normal images with the highest scores"


def write_page(
    predictions: Predictions, rows: Sequence[Row], panels: Sequence[Panel], framing: Framing, folder: Path
) -> Path:
    """Write ``report.html``, which opens from a file; return its path.

    Parameters
    ----------
    predictions : Predictions
    rows : sequence of Row
        As `measure` gives them.
    panels : sequence of Panel
        As `panels_of` gives them.
    framing : Framing
        How the images were shown to the model.
    folder : Path
        Is there.
    """
    images = predictions.images
    count = len(images)
    facts = [("test set", images.place), ("images", f"{count:,}")]
    if predictions.regions is not None:
        facts.append(("inspected", f"{predictions.inspected.mean():.1%} of the pixels"))
    tables = [_table(rows)]
    charts = [_chart(panel) for panel in panels]
    shots = _shots(predictions, framing)

    title = f"Evaluation on {images.place}"
    path = folder / PAGE
    return write_report(path, title, facts, tables, charts, shots)


def worst(predictions: Predictions) -> dict[str, list[int]]:
    """Return the images that a model judges worst: what they are -> their numbers, the worst first."""
    labels = [entry.label for entry in predictions.images.entries]
    by_score = np.argsort(predictions.scores, kind="stable")
    order = by_score.tolist()
    missed = [number for number in order if labels[number]]
    alarms = [number for number in reversed(order) if not labels[number]]
    return {_MISSED: missed[:WORST], _ALARMS: alarms[:WORST]}


def _table(rows: Sequence[Row]) -> Table:
    plain = as_dicts(rows)
    columns = list(plain[0])
    cells = [list(row.values()) for row in plain]
    return Table("Table", columns, cells)


def _chart(panel: Panel) -> Chart:
    lines = []
    for name, area, curve in panel.lines:
        text = name if area is None else f"{name}  {area:.3f}"
        lines.append(Line(text, curve.fpr, curve.height))
    return Chart(panel.title, "false positive rate", panel.height, lines, panel.limit)


def _shots(predictions: Predictions, framing: Framing) -> list[Shot]:
    low, high = _colors(predictions)
    shots = []
    for group, numbers in worst(predictions).items():
        for number in numbers:
            entry = predictions.images.entries[number]
            score = float(predictions.scores[number])
            caption = f"{entry.category}, {entry.kind}: {entry.name}, score {score:.4g}"
            pixels = _pixels(predictions, number, framing, low, high)
            shots.append(Shot(group, caption, pixels))
    return shots


def _colors(predictions: Predictions) -> tuple[float, float]:
    """Return the scores of the coldest and the hottest color, for all images."""
    if predictions.maps is None:
        return 0.0, 1.0
    parts = []
    for scores in predictions.maps:
        step = max(1, scores.size // _LOOKED_AT)
        flat = np.ravel(scores)
        parts.append(flat[::step])
    together = np.concatenate(parts)
    return color_range(together)


def _pixels(predictions: Predictions, number: int, framing: Framing, low: float, high: float) -> np.ndarray:
    """Return an image, beside it the map of a model that has maps, and both together."""
    item = predictions.images[number]
    image = item.image
    if predictions.maps is None:
        return image
    scores = np.asarray(predictions.maps[number])
    seen = framing.seen(image.shape[:2], scores.shape)
    shown = image[seen.box.place]
    return side_by_side(shown, scores, low, high)
