"""Proportion Localised: how many anomalies are found in their place (Taylor et al. 2025, section 3, appendix C)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.metrics.boxes import Box, Boxes, covered, most_overlap, overlap, smallest_box
from synthgen.metrics.inputs import Reader, as_floats, read_twice, scores_at, share
from synthgen.metrics.pixels import ratio
from synthgen.metrics.regions import by_region
from synthgen.metrics.sweep import Scores, Spans, spans_of

EXACT = "exact"  # all thresholds
THRESHOLDS = 25
SMALLEST_SIDE = 1 / 8  # of the image's height and width
MERGED_ABOVE = 1 / 3  # of the smaller box
MERGING_ROUNDS = 2  # appendix C: merge, draw new boxes, merge once again


class Anomaly(NamedTuple):
    """An anomaly, and how well a map meets it.

    Attributes
    ----------
    image : int
        Number of its image among all that were given.
    box : Box
    iou : float
        At the threshold at which most anomalies are localised.
    best_iou : float
        At the threshold that suits this anomaly best.
    localised : bool
        Whether `iou` lies above the limit.
    """

    image: int
    box: Box
    iou: float
    best_iou: float
    localised: bool


class Localised(NamedTuple):
    """Which anomalies a set of maps localises.

    Attributes
    ----------
    value : float
        The share of the anomalies: `proportion_localised`. ``nan`` without an anomaly.
    threshold : float
        Pixels above it are found. ``nan`` where nothing is localised at any.
    anomalies : list of Anomaly
    """

    value: float
    threshold: float
    anomalies: list[Anomaly]


def proportion_localised(
    masks: Iterable, maps: Iterable | None = None, iou: float = 0.3, spacing: str = EXACT
) -> float:
    """Return the share of anomalies whose box the map meets with an IoU above `iou`, at the best threshold.

    Taylor et al. 2025, section 3, algorithm 1 and appendix C. Each 8-connected region gets its smallest rotated
    box, at least 1/8 of the image wide and high; boxes that share more than 1/3 of the smaller one become one
    anomaly. An anomaly answers for the pixels of its box and those nearer to its center than to another's. Images
    without a defect are left out, of the thresholds too: false positives count in the images that have defects.

    Parameters
    ----------
    masks, maps : array (N, H, W), or iterables of images (H, W) or batches
        Truth (nonzero = defect) and finite scores; see the package for streams.
    iou : float
        In [0, 1].
    spacing : "exact", "linear" or "percentile"
        Of the thresholds. By default each score of these images is one, so that only their order counts. Or 25
        between the lowest and the highest score: even steps, as in the paper, or even shares of the pixels, as in
        the authors' package (0.1.3), which needs the scores of all these images in memory. Of those 25 the best
        may lie well below the best of all, and one outlier among the scores takes even steps to 0.

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
    (value,) = proportions_localised(masks, maps, (iou,), spacing)
    return value


def proportions_localised(
    masks: Iterable, maps: Iterable | None, ious: Sequence[float], spacing: str = EXACT
) -> list[float]:
    """Return `proportion_localised` at several limits of the IoU, each at its own best threshold.

    Parameters
    ----------
    masks, maps, spacing
        As for `proportion_localised`.
    ious : sequence of float
    """
    limits = [share(limit, "iou") for limit in ious]
    read = _defective(masks, maps)
    if spacing == EXACT:
        spans, count = localised_spans(read, limits)
        found = [of_limit.best()[1] for of_limit in spans]
        return [ratio(number, count) for number in found]

    if spacing not in SPACINGS:
        names = ", ".join([EXACT, *SPACINGS])
        raise UsageError(f"spacing must be one of {names}, got {spacing!r}")
    of_anomalies = anomaly_ious(read, SPACINGS[spacing](read))
    return [_most_localised(of_anomalies, limit) for limit in limits]


def pl_details(masks: Iterable, maps: Iterable | None = None, iou: float = 0.3) -> Localised:
    """Return which anomalies the maps localise, with their boxes and IoUs: `proportion_localised` in full.

    Parameters
    ----------
    masks, maps, iou
        As for `proportion_localised`, whose value at all thresholds this explains. Boxes are in the pixels of the
        image.

    Returns
    -------
    Localised
    """
    iou = share(iou, "iou")
    read = read_twice(masks, maps)
    (spans,), count = localised_spans(read, (iou,))
    threshold, most = spans.best()

    anomalies = []
    for image, box, scores in _anomalies(read):
        _, of_all = scores.all_ious()
        at_best = scores.ious(np.array([threshold])) if most else np.zeros(1)
        met = float(at_best[0])
        anomalies.append(Anomaly(image, box, met, float(of_all.max()), met > iou))
    return Localised(ratio(most, count), threshold, anomalies)


def _defective(masks: Iterable, maps: Iterable | None) -> Reader:
    """Return a function that reads the images with a defect from the start."""
    read_all = read_twice(masks, maps)

    def read():
        for mask, scores in read_all():
            if mask.any():
                yield mask, scores

    return read


def localised_spans(read: Reader, ious: Sequence[float]) -> tuple[list[Spans], int]:
    """Return for each limit where anomalies are localised, and how many anomalies there are.

    Parameters
    ----------
    read : callable
        Gives the images; those without a defect do not count.
    ious : sequence of float
    """
    found: list[list[tuple]] = [[] for _ in ious]
    count = 0
    lowest = np.inf
    for _, _, scores in _anomalies(read, min(ious)):
        thresholds, of_anomaly = scores.all_ious()
        lowest = min(lowest, scores.lowest)
        for spans, limit in zip(found, ious, strict=True):
            starts, ends = spans_of(thresholds, of_anomaly, limit)
            owners = np.full(len(starts), count)
            spans.append((starts, ends, owners))
        count += 1

    joined = [_joined(spans) for spans in found]
    return [spans.above(lowest) for spans in joined], count


def _joined(parts: list[tuple]) -> Spans:
    """Return the intervals of all anomalies together."""
    if not parts:
        nothing = np.zeros(0)
        return Spans(nothing, nothing, nothing.astype(int))
    columns = zip(*parts, strict=True)
    starts, ends, owners = (np.concatenate(column) for column in columns)
    return Spans(starts.astype(float), ends.astype(float), owners)


def _most_localised(ious: np.ndarray, limit: float) -> float:
    """Return the share of anomalies that are localised at the best of some thresholds."""
    if len(ious) == 0:
        return np.nan
    localised = (ious > limit).mean(axis=0)
    return float(localised.max())


def anomaly_ious(read: Reader, thresholds: np.ndarray) -> np.ndarray:
    """Return the IoU of every anomaly's box with the map above every threshold, (anomalies, thresholds)."""
    rows = [scores.ious(thresholds) for _, _, scores in _anomalies(read)]
    return np.array(rows).reshape(-1, len(thresholds))


def _anomalies(read: Reader, iou: float = 0.0) -> Iterator[tuple[int, Box, Scores]]:
    """Yield each anomaly: the number of its image among those that are read, its box, and the scores around it.

    Scores that are of no account for an IoU above `iou` are left out.
    """
    for image, (mask, scores) in enumerate(read()):
        if not mask.any():
            continue
        boxes = anomaly_boxes(mask)
        nearest = _nearest_box(boxes, mask.shape)
        for number, box in enumerate(boxes):
            inside = covered(box, scores.shape)
            outside = (nearest == number) & ~inside
            of_box = scores_at(inside, scores)
            of_others = scores_at(outside, scores)
            yield image, box, Scores.of(of_box, of_others, iou)


def anomaly_boxes(mask: np.ndarray) -> list[Box]:
    """Return the boxes of the anomalies in a bool mask (H, W): enlarged and merged."""
    shape = mask.shape
    anomalies = by_region(mask, np.argwhere(mask))
    boxes = [_box(points, shape) for points in anomalies]

    for _ in range(MERGING_ROUNDS):
        anomalies = [_merged(anomalies, group) for group in _groups(boxes)]
        boxes = [_box(points, shape) for points in anomalies]
    return boxes


def _merged(anomalies: list[np.ndarray], group: list[int]) -> np.ndarray:
    """Return the points of the anomalies of a group, (P, 2)."""
    points = [anomalies[number] for number in group]
    return np.concatenate(points)


def _box(points: np.ndarray, shape: tuple[int, int]) -> Box:
    """Return the smallest box around points, enlarged where it is small."""
    box = smallest_box(points)
    height, width = box.size
    least_height = SMALLEST_SIDE * shape[0]
    least_width = SMALLEST_SIDE * shape[1]
    enlarged = max(height, least_height), max(width, least_width)
    return box._replace(size=enlarged)


def _groups(boxes: list[Box]) -> list[list[int]]:
    """Return the numbers of boxes that are linked by overlaps, directly or through others.

    A box is compared with those that have no group yet, the last found first. So the groups of a mask of noise,
    whose boxes all lie over each other, are found by about one comparison a box, where the pairs are millions.
    """
    arrays = Boxes.of(boxes)
    left = np.arange(len(boxes))

    groups = []
    while len(left):
        group = [left[0]]
        waiting = [left[0]]
        left = left[1:]

        while waiting and len(left):
            linked = _linked(waiting.pop(), left, boxes, arrays)
            found = left[linked].tolist()
            waiting += found
            group += found
            left = left[~linked]
        groups.append(sorted(group))
    return groups


def _linked(i: int, others: np.ndarray, boxes: list[Box], arrays: Boxes) -> np.ndarray:
    """Return which of the other boxes box `i` is to be merged with, bool (others,)."""
    box = boxes[i]
    most = most_overlap(box, arrays.chosen(others))
    linked = most > MERGED_ABOVE - 1e-9

    for place in np.flatnonzero(linked):
        other = boxes[others[place]]
        linked[place] = overlap(box, other) > MERGED_ABOVE
    return linked


def _nearest_box(boxes: list[Box], shape: tuple[int, int]) -> np.ndarray:
    """Return for each pixel of an image (H, W) the number of the box whose center is nearest."""
    height, width = shape
    rows, columns = np.ogrid[:height, :width]
    nearest = np.zeros(shape, np.intp)
    least = np.full(shape, np.inf)

    for number, box in enumerate(boxes):
        row, column = box.center
        down = rows - row
        right = columns - column
        distance = down**2 + right**2
        nearest[distance < least] = number
        np.minimum(least, distance, out=least)
    return nearest


def _linear(read: Reader) -> np.ndarray:
    lowest = np.inf
    highest = -np.inf
    for _, scores in read():
        lowest = min(lowest, float(scores.min()))
        highest = max(highest, float(scores.max()))

    if lowest > highest:  # there is no image with a defect
        return np.zeros(THRESHOLDS)
    steps = np.linspace(lowest, highest, THRESHOLDS + 2)
    return steps[1:-1]


def _percentile(read: Reader) -> np.ndarray:
    scores = [as_floats(np.ma.compressed(scores)) for _, scores in read()]
    if not scores:
        return np.zeros(THRESHOLDS)

    shares = np.linspace(0, 100, THRESHOLDS + 2)
    together = np.concatenate(scores)
    return np.percentile(together, shares[1:-1])


SPACINGS: dict[str, Callable[[Reader], np.ndarray]] = {"linear": _linear, "percentile": _percentile}
