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
    regions = []
    for mask, scores in read():
        regions += [scores[mask]] if by_pixel else by_region(mask, scores[mask])
    weights = [np.full(len(region), 1.0 if by_pixel else 1 / max(len(region), 1)) for region in regions]
    return _curve(np.concatenate(regions), np.concatenate(weights), read)


def _curve(found: np.ndarray, weights: np.ndarray, read: Reader) -> Curve:
    """Return the curve that rises by the weight of each score found as the threshold falls to it."""
    ranks, of_each = rank(found, read)
    after = np.cumsum(np.bincount(of_each, weights)[::-1])
    before = np.concatenate([[0], after[:-1]])
    above, same = ranks.above[::-1], ranks.same[::-1]
    # flat over the normal pixels above a score, then a ramp over those that score the same
    fpr = np.stack([above, above + same], axis=1).ravel() / max(ranks.normal, 1)
    height = np.stack([before, after], axis=1).ravel() / after[-1]
    return Curve(np.concatenate([[0], fpr, [1]]), np.concatenate([[0], height, [1]]))


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
    several = len(predictions.parts()) > 1
    images, pixels, overlaps = [], [], []
    for row in rows:
        if not row.anomalous or row.category not in dict(predictions.parts()) or (several and row.kind != ALL):
            continue
        part, name = predictions.part(row.category, row.kind), row.category if several else row.kind
        images.append((name, row.image_auroc, roc_curve(part.labels, part.scores)))
        if row.pixel_auroc is not None:
            pixels.append((name, row.pixel_auroc, overlap_curve(part.instances, part.maps, by_pixel=True)))
            overlaps.append((name, row.aupro, overlap_curve(part.instances, part.maps)))
    panels = [("Images: ROC, area", "true positive rate", 1.0, images)]
    if pixels:
        panels.append(("Pixels: ROC, area", "true positive rate", 1.0, pixels))
    _save(panels, folder / "roc.png")
    if not overlaps:
        return [folder / "roc.png"]
    panel = (f"Region overlap, area up to {MAX_FPR}", "mean overlap of regions", MAX_FPR, overlaps)
    _save([panel], folder / "overlap.png")
    return [folder / "roc.png", folder / "overlap.png"]


def _save(panels: list[tuple], path: Path) -> None:
    with needed_for("plots"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(5.2 * len(panels), 4.8), dpi=120, layout="constrained")
    frames = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, height, limit, lines) in zip(frames, panels, strict=True):
        _draw(axes, lines, limit)
        axes.set(title=title, xlabel="false positive rate", ylabel=height, xlim=(0, limit), ylim=(0, 1.005))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw(axes, lines: list[tuple], limit: float) -> None:
    for number, (name, area, curve) in enumerate(lines):
        # `all` is drawn last and in black, over the kinds
        style = {"color": "black", "linewidth": 2, "zorder": 3} if name == ALL else {"color": f"C{number % 10}"}
        curve = _thinned(curve, limit)
        axes.plot(curve.fpr, curve.height, label=name if area is None else f"{name}  {area:.3f}", **style)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
    axes.grid(color="0.92")
    axes.legend(loc="lower right", fontsize="small", edgecolor="none", framealpha=0.85)


def _thinned(curve: Curve, limit: float) -> Curve:
    """Return at most so many points of a curve as a picture shows, all within the limit and one beyond."""
    end = min(np.searchsorted(curve.fpr, limit, side="right") + 1, len(curve.fpr))
    places = np.unique(np.linspace(0, end - 1, _MOST_POINTS).astype(int))
    return Curve(curve.fpr[places], curve.height[places])
