"""Curves of a measured test set, as points and as pictures: ROC and region overlap."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.extras import needed_for
from synthgen.metrics.curves import rank
from synthgen.metrics.inputs import Reader, read_labels, read_twice
from synthgen.metrics.regions import by_region
from synthgen.shards.files import replacing
from synthgen.torch.evaluation.predictions import ALL, Predictions
from synthgen.torch.evaluation.table import Row

MAX_FPR = 0.3
_MOST_POINTS = 2000


class Curve(NamedTuple):
    """Points of a curve, from (0, 0) on; between them it is straight.

    Attributes
    ----------
    fpr, height : ndarray of float, (P,)
        False positive rate, and true positive rate or overlap; both rise.
    """

    fpr: np.ndarray
    height: np.ndarray


def roc_curve(labels: np.ndarray, scores: np.ndarray) -> Curve:
    """Return the ROC curve of image scores; its area is `image_auroc`."""
    read = read_labels(labels, scores)
    found = np.concatenate([values[wrong] for wrong, values in read()])
    return _curve(found, np.ones(len(found)), read)


def overlap_curve(masks, maps, by_pixel: bool = False) -> Curve:
    """Return the region overlap; its area up to a false positive rate, divided by that rate, is `aupro`.

    Parameters
    ----------
    masks, maps : iterables of images (H, W)
        That can be iterated again.
    by_pixel : bool
        Weigh each defect pixel the same, and not each region: the pixels' ROC curve.
    """
    read = read_twice(masks, maps)
    found = []
    weights = []
    for mask, scores in read():
        regions = [scores[mask]] if by_pixel else by_region(mask, scores[mask])
        for region in regions:
            weight = 1.0 if by_pixel else 1 / max(len(region), 1)
            found.append(region)
            weights.append(np.full(len(region), weight))
    return _curve(np.concatenate(found), np.concatenate(weights), read)


def _curve(found: np.ndarray, weights: np.ndarray, read: Reader) -> Curve:
    """Return the curve that rises by the weight of each score found as the threshold falls to it."""
    ranks, of_each = rank(found, read)
    after = np.cumsum(np.bincount(of_each, weights)[::-1])
    before = np.concatenate([[0], after[:-1]])
    above = ranks.above[::-1]
    reached = above + ranks.same[::-1]

    # flat over the normal pixels above a score, then a ramp over those that score the same
    fpr = np.stack([above, reached], axis=1) / max(ranks.normal, 1)
    height = np.stack([before, after], axis=1) / after[-1]
    return Curve(_from_zero_to_one(fpr), _from_zero_to_one(height))


def _from_zero_to_one(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], values.ravel(), [1]])


def plot_curves(predictions: Predictions, rows: list[Row], folder: Path) -> list[Path]:
    """Write ``roc.png`` and, where defects are known, ``overlap.png``: a line for each kind, or each category.

    Parameters
    ----------
    predictions : Predictions
    rows : list of Row
        As `measure` gives them. Of one category the kinds are shown, of several each as a whole.
    folder : Path
        Is there.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    images = []
    pixels = []
    overlaps = []
    for row, name in _drawn(predictions, rows):
        part = predictions.part(row.category, row.kind)
        images.append(_Line(name, row.image_auroc, roc_curve(part.labels, part.scores)))
        if row.pixel_auroc is not None:
            by_pixel = overlap_curve(part.instances, part.maps, by_pixel=True)
            pixels.append(_Line(name, row.pixel_auroc, by_pixel))
            overlaps.append(_Line(name, row.aupro, overlap_curve(part.instances, part.maps)))

    panels = [_Panel("Images: ROC, area", "true positive rate", 1.0, images)]
    if pixels:
        panels.append(_Panel("Pixels: ROC, area", "true positive rate", 1.0, pixels))
    written = [_save(panels, folder / "roc.png")]
    if overlaps:
        panel = _Panel(f"Region overlap, area up to {MAX_FPR}", "mean overlap of regions", MAX_FPR, overlaps)
        written.append(_save([panel], folder / "overlap.png"))
    return written


class _Line(NamedTuple):
    name: str
    area: float | None
    curve: Curve


class _Panel(NamedTuple):
    title: str
    height: str  # what its upward axis measures
    limit: float  # of the false positive rate
    lines: list[_Line]


def _drawn(predictions: Predictions, rows: list[Row]) -> list[tuple[Row, str]]:
    """Return the rows that are drawn, and the name of the line of each."""
    categories = dict(predictions.parts())
    several = len(categories) > 1
    chosen = [row for row in rows if row.anomalous and row.category in categories]
    if several:
        return [(row, row.category) for row in chosen if row.kind == ALL]
    return [(row, row.kind) for row in chosen]


def _save(panels: list[_Panel], path: Path) -> Path:
    """Write panels side by side as a PNG."""
    with needed_for("plots"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 4.8), dpi=120, layout="constrained")
    frames = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(frames, panels, strict=True):
        _draw(axes, panel)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _draw(axes, panel: _Panel) -> None:
    for number, (name, area, curve) in enumerate(panel.lines):
        label = name if area is None else f"{name}  {area:.3f}"
        curve = _thinned(curve, panel.limit)
        axes.plot(curve.fpr, curve.height, label=label, **_style(name, number))

    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
    axes.set(title=panel.title, xlabel="false positive rate", ylabel=panel.height)
    axes.set(xlim=(0, panel.limit), ylim=(0, 1.005))
    axes.grid(color="0.92")
    axes.legend(loc="lower right", fontsize="small", edgecolor="none", framealpha=0.85)


def _style(name: str, number: int) -> dict:
    """Return how a line looks: the whole category is black and lies over its kinds."""
    if name == ALL:
        return {"color": "black", "linewidth": 2, "zorder": 3}
    return {"color": f"C{number % 10}"}


def _thinned(curve: Curve, limit: float) -> Curve:
    """Return at most so many points of a curve as a picture shows, all within the limit and one beyond."""
    beyond = np.searchsorted(curve.fpr, limit, side="right") + 1
    end = min(beyond, len(curve.fpr))
    places = np.linspace(0, end - 1, _MOST_POINTS)
    places = np.unique(places.astype(int))
    return Curve(curve.fpr[places], curve.height[places])
