"""Proportion Localised: how many anomalies are found in their place (paper 003, section 3 and appendix C)."""

from collections.abc import Callable, Iterable

import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.metrics.boxes import Box, covered, overlap, smallest_box
from synthgen.metrics.inputs import Reader, read_twice, share
from synthgen.metrics.regions import by_region

THRESHOLDS = 25
SMALLEST_SIDE = 1 / 8  # of the image's height and width
MERGED_ABOVE = 1 / 3  # of the smaller box
MERGING_ROUNDS = 2  # appendix C: merge, draw new boxes, merge once again


def proportion_localised(
    masks: Iterable, maps: Iterable | None = None, iou: float = 0.3, spacing: str = "linear"
) -> float:
    """Return the share of anomalies whose box the map meets with an IoU above `iou`, at the best threshold.

    Paper 003, section 3, algorithm 1 and appendix C. Each 8-connected region gets its smallest rotated box, at
    least 1/8 of the image wide and high; boxes that share more than 1/3 of the smaller one become one anomaly. An
    anomaly answers for the pixels of its box and those nearer to its centre than to another's. Images without a
    defect are left out, of the thresholds too: the metric counts false positives in the images that have defects.

    Parameters
    ----------
    masks, maps : array (N, H, W), or iterables of images (H, W) or batches
        Truth (nonzero = defect) and finite scores; see the package for streams.
    iou : float
        In [0, 1].
    spacing : "linear" or "percentile"
        Of the thresholds between the lowest and the highest score: even steps, as in the paper, or even shares of
        the pixels, as in the authors' package (0.1.3), which needs the scores of all these images in memory.

    Returns
    -------
    float
        In [0, 1]; ``nan`` without a defect; 0 if all score the same.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, a score is not finite, or an option is out of range.

    Notes
    -----
    Unlike the package, this takes any image size, draws boxes without rounding their corners, and never tries
    the scores upside down. The width of a box is its side nearer to the horizontal.
    """
    share(iou, "iou")
    if spacing not in SPACINGS:
        raise UsageError(f"spacing: must be one of {', '.join(SPACINGS)}, got {spacing!r}")
    read_all = read_twice(masks, maps)

    def read():
        return ((mask, scores) for mask, scores in read_all() if mask.any())

    ious = anomaly_ious(read, SPACINGS[spacing](read))
    return float((ious > iou).mean(axis=0).max()) if len(ious) else np.nan


def anomaly_ious(read: Reader, thresholds: np.ndarray) -> np.ndarray:
    """Return the IoU of every anomaly's box with the map above every threshold, (anomalies, thresholds)."""
    rows = [
        _ious(scores, box, near, thresholds)
        for mask, scores in read()
        for box, near in _with_surroundings(anomaly_boxes(mask), mask.shape)
    ]
    return np.array(rows).reshape(-1, THRESHOLDS)


def anomaly_boxes(mask: np.ndarray) -> list[Box]:
    """Return the boxes of the anomalies in a bool mask (H, W): enlarged and merged."""
    anomalies = by_region(mask, np.argwhere(mask))
    boxes = [_box(points, mask.shape) for points in anomalies]
    for _ in range(MERGING_ROUNDS):
        groups = _groups(boxes)
        anomalies = [np.concatenate([anomalies[i] for i in group]) for group in groups]
        boxes = [_box(points, mask.shape) for points in anomalies]
    return boxes


def _box(points: np.ndarray, shape: tuple[int, int]) -> Box:
    box = smallest_box(points)
    size = tuple(max(side, SMALLEST_SIDE * whole) for side, whole in zip(box.size, shape, strict=True))
    return box._replace(size=size)


def _groups(boxes: list[Box]) -> list[list[int]]:
    """Return the numbers of boxes that hang together by overlaps, directly or through others."""
    with needed_for("proportion_localised"):
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial.distance import cdist

    centers = np.array([box.center for box in boxes])
    reach = np.array([np.hypot(*box.size) / 2 for box in boxes])
    close = cdist(centers, centers) < reach[:, None] + reach
    linked = np.zeros(close.shape, bool)
    for i, j in np.argwhere(np.triu(close, 1)):
        linked[i, j] = overlap(boxes[i], boxes[j]) > MERGED_ABOVE
    count, group = connected_components(linked, directed=False)
    return [np.flatnonzero(group == number).tolist() for number in range(count)]


def _with_surroundings(boxes: list[Box], shape: tuple[int, int]):
    """Yield each box with the pixels that lie nearest to its centre, as a bool mask (H, W)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    nearest, best = np.zeros(shape, np.intp), np.full(shape, np.inf)
    for number, box in enumerate(boxes):
        distance = (rows - box.center[0]) ** 2 + (columns - box.center[1]) ** 2
        nearest[distance < best] = number
        np.minimum(best, distance, out=best)
    for number, box in enumerate(boxes):
        yield box, nearest == number


def _ious(scores: np.ndarray, box: Box, near: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    inside = covered(box, scores.shape)
    hits, false = (_count_above(scores[pixels], thresholds) for pixels in (inside, near & ~inside))
    return hits / (np.count_nonzero(inside) + false)


def _count_above(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="right")


def _linear(read: Reader) -> np.ndarray:
    lowest, highest = np.inf, -np.inf
    for _, scores in read():
        lowest, highest = min(lowest, float(scores.min())), max(highest, float(scores.max()))
    if lowest > highest:  # there is no image with a defect
        return np.zeros(THRESHOLDS)
    return np.linspace(lowest, highest, THRESHOLDS + 2)[1:-1]


def _percentile(read: Reader) -> np.ndarray:
    scores = [scores.ravel() for _, scores in read()]
    if not scores:
        return np.zeros(THRESHOLDS)
    return np.percentile(np.concatenate(scores), np.linspace(0, 100, THRESHOLDS + 2)[1:-1])


SPACINGS: dict[str, Callable[[Reader], np.ndarray]] = {"linear": _linear, "percentile": _percentile}
