"""How much better refined masks fit: IoU and DICE before and after, image by image (Tao et al. 2024, figure 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from synthgen.metrics.overlap import Overlaps, by_size, overlaps
from synthgen.torch.refine.options import RefineOptions
from synthgen.torch.refine.refinement import refine

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
    row = Fit(
        item.name,
        item.category,
        item.kind,
        float(item.mask.mean()),
        float(coarse.mean()),
        float(found.mask.mean()),
        note="; ".join(found.notes),
    )
    if not item.mask.any():
        return row
    before = overlaps([item.mask], [coarse])
    after = overlaps([item.mask], [found.mask])
    return row._replace(
        iou=float(before.iou[0]),
        dice=float(before.dice[0]),
        refined_iou=float(after.iou[0]),
        refined_dice=float(after.dice[0]),
    )


def with_fits(rows: list, found: list[Fit]) -> list:
    """Return the rows of `synthgen.torch.evaluation.measure` with the means of IoU and DICE before and after."""
    defective = [fit for fit in found if fit.iou is not None]
    out = []
    for row in rows:
        of_row = [fit for fit in defective if _belongs(fit, row)]
        means = {name: float(np.mean([getattr(fit, name) for fit in of_row])) for name in _NAMES if of_row}
        out.append(replace(row, **means))
    return out


_NAMES = ("iou", "dice", "refined_iou", "refined_dice")


def _belongs(fit: Fit, row) -> bool:
    """Return whether an image counts in a row of the table."""
    return row.category in (fit.category, _MEAN) and row.kind in (fit.kind, _ALL)


def format_sizes(found: list[Fit]) -> str:
    """Return a table of the overlaps by the size of the defect, and of what is marked in normal images."""
    defective = [fit for fit in found if fit.iou is not None]
    groups = [
        by_size(Overlaps(*(np.array([getattr(fit, name) for fit in defective]) for name in (iou, dice, "size"))))
        for iou, dice in (("iou", "dice"), ("refined_iou", "refined_dice"))
    ]
    lines = ["size of defect  images    IoU   DICE  refined IoU  refined DICE"]
    for (name, count, iou, dice), (_, _, refined_iou, refined_dice) in zip(*groups, strict=True):
        lines.append(f"{name:14s}  {count:6d}  {iou:.3f}  {dice:.3f}  {refined_iou:11.3f}  {refined_dice:12.3f}")

    normal = [fit for fit in found if fit.size == 0]
    if normal:
        before, after = (np.mean([getattr(fit, name) for fit in normal]) for name in ("area", "refined_area"))
        lines.append(f"marked in {len(normal)} normal images: {before:.2%} of their pixels, refined {after:.2%}")
    return "\n".join(lines)
