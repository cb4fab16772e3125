"""How much better refined masks fit: IoU and DICE before and after, image by image (Tao et al. 2024, figure 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from synthgen.metrics.overlap import Overlaps, by_size, overlaps
from synthgen.torch.refinement.options import RefineOptions
from synthgen.torch.refinement.outlines import refine

OVERLAPS = ("iou", "dice", "refined_iou", "refined_dice")
_ALL = "all"
_MEAN = "mean"


class Fit(NamedTuple):
    """How well the masks of an image fit.

    Attributes
    ----------
    image, category, kind : str
    size : float
        Share of the image that is defective; 0 for a normal one.
    area, refined_area : float
        Share of the image that is marked.
    iou, dice, refined_iou, refined_dice : float or None
        None for a normal image.
    note : str
    """

    image: str
    category: str
    kind: str
    size: float
    area: float
    refined_area: float
    iou: float | None = None
    dice: float | None = None
    refined_iou: float | None = None
    refined_dice: float | None = None
    note: str = ""


def fits(
    model, images, maps, threshold: float, options: RefineOptions | None = None, advance: Callable | None = None
) -> list[Fit]:
    """Return how well coarse and refined masks fit, for each normal image and each whose defects are marked.

    Parameters
    ----------
    model : AnomalyModel
    images : ImageSet
        With truth, of the size of the model.
    maps : iterable of ndarray, (H, W)
        The maps of the model.
    threshold : float
        From which on a pixel is coarse mask.
    options : RefineOptions, optional
    advance : callable, optional
        Called with 1 after each image.
    """
    rows = []
    for item, scores in zip(images, maps, strict=True):
        if item.truth is not None:
            rows.append(_fit(model, item, scores >= threshold, options))
        if advance is not None:
            advance(1)
    return rows


def _fit(model, item, coarse: np.ndarray, options: RefineOptions | None) -> Fit:
    found = refine(model, item.image, coarse, options=options)
    size = float(item.mask.mean())
    area = float(coarse.mean())
    refined_area = float(found.mask.mean())
    row = Fit(item.name, item.category, item.kind, size, area, refined_area, note="; ".join(found.notes))
    if not item.mask.any():
        return row

    (iou,), (dice,), _ = overlaps([item.mask], [coarse])
    (refined_iou,), (refined_dice,), _ = overlaps([item.mask], [found.mask])
    return row._replace(
        iou=float(iou),
        dice=float(dice),
        refined_iou=float(refined_iou),
        refined_dice=float(refined_dice),
    )


def with_fits(rows: list, found: list[Fit]) -> list:
    """Return the rows of `synthgen.torch.evaluation.measure` with the means of IoU and DICE before and after."""
    defective = [fit for fit in found if fit.iou is not None]
    out = []
    for row in rows:
        of_row = [fit for fit in defective if _belongs(fit, row)]
        means = {}
        if of_row:
            means = {name: _mean_of(of_row, name) for name in OVERLAPS}
        out.append(row.with_values(**means))
    return out


def _mean_of(found: list[Fit], name: str) -> float:
    """Return the mean of a value over images."""
    values = [getattr(fit, name) for fit in found]
    return float(np.mean(values))


def _belongs(fit: Fit, row) -> bool:
    """Return whether an image counts in a row of the table."""
    return row.category in (fit.category, _MEAN) and row.kind in (fit.kind, _ALL)


def format_sizes(found: list[Fit]) -> str:
    """Return a table of the overlaps by the size of the defect, and of what is marked in normal images."""
    defective = [fit for fit in found if fit.iou is not None]
    before = _by_size(defective, "iou", "dice")
    after = _by_size(defective, "refined_iou", "refined_dice")
    lines = ["size of defect  images    IoU   DICE  refined IoU  refined DICE"]
    for (name, count, iou, dice), (_, _, refined_iou, refined_dice) in zip(before, after, strict=True):
        coarse = f"{name:14s}  {count:6d}  {iou:.3f}  {dice:.3f}"
        refined = f"{refined_iou:11.3f}  {refined_dice:12.3f}"
        lines.append(f"{coarse}  {refined}")

    normal = [fit for fit in found if fit.size == 0]
    if normal:
        area = _mean_of(normal, "area")
        refined_area = _mean_of(normal, "refined_area")
        where = f"marked in {len(normal)} normal images"
        lines.append(f"{where}: {area:.2%} of their pixels, refined {refined_area:.2%}")
    return "\n".join(lines)


def _by_size(found: list[Fit], iou: str, dice: str) -> list[tuple[str, int, float, float]]:
    """Return the means of two values for each group of sizes."""
    columns = []
    for name in (iou, dice, "size"):
        values = [getattr(fit, name) for fit in found]
        columns.append(np.array(values))
    return by_size(Overlaps(*columns))
