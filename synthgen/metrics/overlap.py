"""How well binary masks fit, image by image (Tao et al. 2024, section IV-A2 and figure 7)."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from synthgen.metrics.pixels import ratio, read_predictions

# Groups of figure 7: shares of the image that a defect takes.
SIZES = (0.0, 0.02, 0.04, 0.06, 0.08, 1.0)


class Overlaps(NamedTuple):
    """Overlaps of the images with a defect, in order.

    Attributes
    ----------
    iou, dice : ndarray of float64, (N,)
    size : ndarray of float64, (N,)
        Share of the image that is defective.
    """

    iou: np.ndarray
    dice: np.ndarray
    size: np.ndarray


def overlaps(masks: Iterable, predictions: Iterable | None = None) -> Overlaps:
    """Return IoU and DICE of each image with a defect; images without one are left out.

    Parameters
    ----------
    masks, predictions : array (N, H, W), or iterables of images (H, W) or batches
        As for `mean_overlap`.
    """
    rows = []
    for mask, prediction in read_predictions(masks, predictions):
        mask = mask != 0
        defective = int(np.count_nonzero(mask))
        if not defective:
            continue

        predicted = int(np.count_nonzero(prediction))
        true = int(np.count_nonzero(mask & prediction))
        both = defective + predicted
        iou = true / (both - true)
        dice = 2 * true / both
        rows.append((iou, dice, defective / mask.size))
    table = np.array(rows).reshape(-1, 3)
    return Overlaps(*table.T)


def mean_overlap(masks: Iterable, predictions: Iterable | None = None) -> dict[str, float]:
    """Return the means of IoU and DICE over the images with a defect.

    The figures of Tao et al. 2024 are such means. `pixel_scores` counts the pixels of all images together, in
    which large defects weigh more: another number.

    Parameters
    ----------
    masks, predictions : array (N, H, W), or iterables of images (H, W) or batches
        Nonzero = defect, and = predicted; read once. With `predictions` None, `masks` gives pairs.

    Returns
    -------
    dict of str to float
        ``iou`` and ``dice``, each in [0, 1]; ``nan`` without a defect.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, or a prediction has more than one value beside 0.

    Examples
    --------
    >>> mean_overlap([[[0, 1, 1, 1]], [[0, 0, 0, 1]]], [[[1, 1, 0, 0]], [[0, 0, 0, 1]]])
    {'iou': 0.625, 'dice': 0.7}
    """
    found = overlaps(masks, predictions)
    count = len(found.iou)
    return {"iou": ratio(found.iou.sum(), count), "dice": ratio(found.dice.sum(), count)}


def by_size(found: Overlaps) -> list[tuple[str, int, float, float]]:
    """Return the means of overlaps for each group of sizes: its name, images, IoU and DICE.

    Groups without an image are left out.
    """
    rows = []
    for low, high in pairwise(SIZES):
        inside = (found.size > low) & (found.size <= high)
        count = int(np.count_nonzero(inside))
        if not count:
            continue
        name = f"{low:g}-{high:g}"
        iou = found.iou[inside].mean()
        dice = found.dice[inside].mean()
        rows.append((name, count, float(iou), float(dice)))
    return rows
