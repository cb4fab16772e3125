"""Weights chosen for one category, on validation images (Tao et al. 2024, section IV-A3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
from msgspec.structs import replace

from synthgen.errors import UsageError
from synthgen.metrics import mean_overlap
from synthgen.torch.refinement.options import RefineOptions
from synthgen.torch.refinement.outlines import refine

#: Weights that are tried, each with each.
GRID: dict[str, tuple[float, ...]] = {"sparsity": (500.0, 1500.0, 4500.0), "colors": (0.005, 0.02, 0.08)}


def tuned(
    model,
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    options: RefineOptions | None = None,
    grid: dict[str, tuple[float, ...]] | None = None,
    *,
    threshold: float | None = None,
    advance: Callable | None = None,
) -> RefineOptions:
    """Return the options of a grid whose masks fit best, by the mean IoU over images.

    Parameters
    ----------
    model : AnomalyModel
    images : sequence of ndarray of uint8, (H, W, 3)
        For validation, with defects: pasted ones, for example. Never those that results are reported on.
    masks : sequence of ndarray of bool, (H, W)
        Where the defects are.
    options : RefineOptions, optional
        All others.
    grid : dict of str to tuple, optional
        Values of each option; by default those of `GRID`.
    threshold : float, optional
        As for `refine`.
    advance : callable, optional
        Called with 1 after each refinement.

    Returns
    -------
    RefineOptions

    Raises
    ------
    UsageError
        If no image has a defect.
    """
    if not any(np.any(mask) for mask in masks):
        raise UsageError("masks must hold a defect to tune by, got none")

    best = -1.0
    chosen = options or RefineOptions()
    for candidate in candidates(chosen, grid or GRID):
        found = []
        for image in images:
            refined = refine(model, image, options=candidate, threshold=threshold)
            found.append(refined.mask)
            if advance is not None:
                advance(1)

        iou = mean_overlap(masks, found)["iou"]
        if iou > best:
            best = iou
            chosen = candidate
    return chosen


def candidates(options: RefineOptions, grid: dict[str, tuple[float, ...]]) -> Iterator[RefineOptions]:
    """Yield options with each value of each key of a grid."""
    for values in product(*grid.values()):
        changes = dict(zip(grid, values, strict=True))
        yield replace(options, **changes)
