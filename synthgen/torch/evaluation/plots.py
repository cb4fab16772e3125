"""Curves of a measured test set, as points and as pictures: ROC and region overlap."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.extras import needed_for
from synthgen.metrics.curves import rank
from synthgen.metrics.inputs import Reader, read_labels, read_twice, scores_at
from synthgen.metrics.regions import by_region
from synthgen.shards.files import replacing
from synthgen.torch.evaluation.predictions import ALL, Predictions
from synthgen.torch.evaluation.table import MEAN_OF_KINDS, Row

MAX_FPR = 0.3
_MOST_POINTS = 2000
_BY_CHANCE = {"color": "0.7", "linewidth": 1, "linestyle": ":"}
_LEGEND = {"loc": "lower right", "fontsize": "small", "edgecolor": "none", "framealpha": 0.85}


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
    of_defects = [values[defective] for defective, values in read()]
    found = np.concatenate(of_defects)
    weights = np.ones(len(found))
    return _curve(found, weights, read)


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
        inside = scores_at(mask, scores)
        regions = [inside] if by_pixel else by_region(mask, inside)
        for region in regions:
            area = len(region)
            weight = 1.0 if by_pixel else 1 / max(area, 1)
            found.append(region)
            weights.append(np.full(area, weight))
    return _curve(np.concatenate(found), np.concatenate(weights), read)


def _curve(found: np.ndarray, weights: np.ndarray, read: Reader) -> Curve:
    """Return the curve that rises by the weight of each score found as the threshold falls to it."""
    ranks, of_each = rank(found, read)
    above = ranks.above[::-1]
    same = ranks.same[::-1]
    rises = np.bincount(of_each, weights)
    after = np.cumsum(rises[::-1])
    before = np.concatenate([[0], after[:-1]])

    # flat over the normal pixels above a score, then a ramp over those that score the same
    fpr = _by_turns(above, above + same) / max(ranks.normal, 1)
    height = _by_turns(before, after) / after[-1]
    return Curve(_from_zero_to_one(fpr), _from_zero_to_one(height))


def _by_turns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the values (P,) of two arrays by turns, (2P,)."""
    pairs = np.stack([first, second], axis=1)
    return pairs.ravel()


def _from_zero_to_one(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], values, [1]])


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
    return plot_panels(panels_of(predictions, rows), folder)


def panels_of(predictions: Predictions, rows: list[Row]) -> list["Panel"]:
    """Return the curves that are drawn: of images and, where defects are known, of pixels and regions."""
    images = []
    pixels = []
    overlaps = []
    for row, name in _drawn(predictions, rows):
        part = predictions.part(row.category, row.kind)
        by_image = roc_curve(part.labels, part.scores)
        images.append(_Line(name, row.image_auroc, by_image))
        if not part.is_measured_by_pixels:
            continue

        maps = part.pixel_maps
        instances = part.instances
        by_pixel = overlap_curve(instances, maps, by_pixel=True)
        by_region = overlap_curve(instances, maps)
        pixels.append(_Line(name, row.pixel_auroc, by_pixel))
        overlaps.append(_Line(name, row.aupro, by_region))

    panels = [Panel("Images: ROC, area", "true positive rate", 1.0, images)]
    if pixels:
        panels.append(Panel("Pixels: ROC, area", "true positive rate", 1.0, pixels))
    if overlaps:
        panel = Panel(f"Region overlap, area up to {MAX_FPR}", "mean overlap of regions", MAX_FPR, overlaps)
        panels.append(panel)
    return panels


def plot_panels(panels: list["Panel"], folder: Path) -> list[Path]:
    """Write panels as ``roc.png`` and ``overlap.png``; return the files written."""
    rates = [panel for panel in panels if panel.limit == 1]
    overlaps = [panel for panel in panels if panel.limit < 1]
    written = [_save(rates, folder / "roc.png")]
    if overlaps:
        written.append(_save(overlaps, folder / "overlap.png"))
    return written


class _Line(NamedTuple):
    name: str
    area: float | None
    curve: Curve


class Panel(NamedTuple):
    """A chart: its title, what it measures upward, up to which rate, and its lines."""

    title: str
    height: str  # what its upward axis measures
    limit: float  # of the false positive rate
    lines: list[_Line]


def _drawn(predictions: Predictions, rows: list[Row]) -> list[tuple[Row, str]]:
    """Return the rows that are drawn, and the name of the line of each."""
    categories = dict(predictions.parts())
    several = len(categories) > 1

    drawn = []
    for row in rows:
        if not row.anomalous or row.category not in categories:
            continue
        if not several and row.kind != MEAN_OF_KINDS:
            drawn.append((row, row.kind))
        elif several and row.kind == ALL:
            drawn.append((row, row.category))
    return drawn


def _save(panels: list[Panel], path: Path) -> Path:
    """Write panels side by side as a PNG."""
    with needed_for("plots"):
        from matplotlib.figure import Figure

    count = len(panels)
    size = (5.2 * count, 4.8)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    frames = figure.subplots(1, count, squeeze=False)[0]
    for axes, panel in zip(frames, panels, strict=True):
        _draw(axes, panel)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _draw(axes, panel: Panel) -> None:
    for number, (name, area, curve) in enumerate(panel.lines):
        label = name if area is None else f"{name}  {area:.3f}"
        curve = _thinned(curve, panel.limit)
        style = _style(name, number)
        axes.plot(curve.fpr, curve.height, label=label, **style)

    axes.plot([0, 1], [0, 1], **_BY_CHANCE)
    axes.set_title(panel.title)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel(panel.height)
    axes.set_xlim(0, panel.limit)
    axes.set_ylim(0, 1.005)
    axes.grid(color="0.92")
    axes.legend(**_LEGEND)


def _style(name: str, number: int) -> dict:
    """Return how a line looks: the whole category is black and lies over its kinds."""
    if name == ALL:
        return {"color": "black", "linewidth": 2, "zorder": 3}
    return {"color": f"C{number % 10}"}


def _thinned(curve: Curve, limit: float) -> Curve:
    """Return at most so many points of a curve as a picture shows, all within the limit and one beyond."""
    fpr, height = curve
    beyond = np.searchsorted(fpr, limit, side="right")
    last = min(int(beyond), len(fpr) - 1)
    spread = np.linspace(0, last, _MOST_POINTS)
    places = np.unique(spread.astype(int))
    return Curve(fpr[places], height[places])
