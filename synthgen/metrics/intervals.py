"""How far a number can be believed: the metrics of many resamples of the test images.

The paired bootstrap: normal and anomalous images are drawn anew with replacement, within each class, and every
model sees the same draw. So what separates two models is not hidden by what makes images hard for both.

Everything that the metrics of a resample follow from is counted once an image. Image AUROC comes from the ranks
of the scores, and PL from a table of the anomalies that are localised at each threshold: both are exact. Pixel
AUROC, AUPRO and sPRO come from counts at `THRESHOLDS` quantiles of the normal pixels. Report their exact values:
the counts serve the interval alone.

Examples
--------
>>> labels = np.array([0, 0, 0, 1, 1, 1])
>>> counts = count(labels, np.array([0.1, 0.2, 0.3, 0.25, 0.4, 0.5]))
>>> samples = resampled(counts, draws(labels, 100, seed=0, name="brick"))
>>> low, high = interval(samples["image_auroc"], 8 / 9)
>>> low < 8 / 9 < high
True
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.metrics.inputs import are_defective, as_floats, finite, numbers, read_labels, read_twice, scores_at
from synthgen.metrics.localisation import localised_spans
from synthgen.metrics.part import Part
from synthgen.metrics.regions import by_region
from synthgen.metrics.sweep import Spans
from synthgen.seeding import generator

THRESHOLDS = 200
RESAMPLES = 2000
LEVEL = 0.95
IOU = 0.3
MAX_FPR = {"aupro": 0.3, "spro": 0.05}
_DRAWN = 2  # images of a kind, of which there is more than one draw
_FARTHEST = 700  # where exp overflows
_MOST_PIXELS = 10**6  # normal pixels that the thresholds are taken from
_AT_ONCE = 2**18  # numbers of resamples that are worked on: what this takes does not grow with the images


class Counts(NamedTuple):
    """What the metrics of any resample of some images follow from: N images, T thresholds.

    `_asdict` gives the arrays for a file, ``Counts(**arrays)`` takes them back. What was not counted is None.

    Attributes
    ----------
    labels, scores : ndarray, (N,)
    normal, defect : ndarray of float32, (N, T), or None
        Pixels above each threshold, without and with a defect.
    overlap : ndarray of float32, (N, T), or None
        The sum over the defect regions of an image of their share above it.
    pixels : ndarray of int64, (N, 3), or None
        Pixels without and with a defect, and defect regions.
    localised : ndarray of float32, (N, L), or None
        Anomalies of an image that are localised at each of L other thresholds.
    anomalies : ndarray of int64, (N,), or None
    saturated : ndarray of float32, (N, T), or None
        As `overlap`, for regions that saturate.
    regions : ndarray of int64, (N,), or None
        Regions that saturate.
    """

    labels: np.ndarray
    scores: np.ndarray
    normal: np.ndarray | None = None
    defect: np.ndarray | None = None
    overlap: np.ndarray | None = None
    pixels: np.ndarray | None = None
    localised: np.ndarray | None = None
    anomalies: np.ndarray | None = None
    saturated: np.ndarray | None = None
    regions: np.ndarray | None = None


def count(labels, scores, masks: Iterable | None = None, maps: Iterable | None = None, iou: float = IOU) -> Counts:
    """Return what the metrics of any resample of some images follow from.

    Parameters
    ----------
    labels, scores : array, (N,)
    masks, maps : array (N, H, W), or iterables of images (H, W), optional
        Without them images alone are measured.
    iou : float
        From which on an anomaly is localised.

    Returns
    -------
    Counts

    Raises
    ------
    UsageError
        As `synthgen.metrics.image_auroc` and `synthgen.metrics.pixel_auroc` do.
    """
    labels = np.asarray(labels)
    scores = np.asarray(scores)
    read_labels(labels, scores)
    counts = Counts(labels == 1, as_floats(scores))
    if masks is None or maps is None:
        return counts

    read = read_twice(masks, maps)
    thresholds = _thresholds(read, len(labels))
    rows = [_pixels_of(mask, values, thresholds) for mask, values in read()]
    columns = zip(*rows, strict=True)
    of_normal, of_defects, overlap, pixels = columns

    localised, anomalies = _localised(read, iou)
    return counts._replace(
        normal=np.array(of_normal, np.float32),
        defect=np.array(of_defects, np.float32),
        overlap=np.array(overlap, np.float32),
        pixels=np.array(pixels),
        localised=localised,
        anomalies=anomalies,
    )


def count_part(part: Part, iou: float = IOU) -> Counts:
    """Return what the metrics of any resample of the images of a part follow from, sPRO included."""
    if not part.is_measured_by_pixels:
        return count(part.labels, part.scores)
    counts = count(part.labels, part.scores, part.instances, part.pixel_maps, iou)
    if not any(part.saturation):
        return counts

    read = read_twice(part.instances, part.pixel_maps)
    thresholds = _thresholds(read, len(part.labels))
    saturated = np.zeros((len(part.labels), len(thresholds)), np.float32)
    images = zip(saturated, part.regions, part.saturation, part.pixel_maps, strict=True)
    for row, regions, saturation, values in images:
        for mask, enough in zip(regions, saturation, strict=True):
            row += _share_above(scores_at(mask, values), thresholds, enough)

    numbers = [len(saturation) for saturation in part.saturation]
    return counts._replace(saturated=saturated, regions=np.array(numbers))


def _thresholds(read, images: int) -> np.ndarray:
    """Return quantiles of the normal pixels: few where nearly all pixels are above, many where few are."""
    most = max(1, _MOST_PIXELS // images)
    kept = []
    for mask, values in read():
        of_normal = scores_at(~mask, values)
        step = max(1, len(of_normal) // most)
        kept.append(of_normal[::step])

    coarse = THRESHOLDS // 10
    fine = THRESHOLDS - coarse
    low = np.linspace(0, 0.6, coarse)
    high = 1 - np.geomspace(0.4, 1e-5, fine)
    shares = np.concatenate([low, high])

    together = np.concatenate(kept)
    if len(together) == 0:
        return np.zeros(THRESHOLDS)
    return np.quantile(as_floats(together), shares)


def _pixels_of(mask: np.ndarray, values: np.ndarray, thresholds: np.ndarray) -> tuple:
    """Return the rows of `normal`, `defect`, `overlap` and `pixels` of an image."""
    outside = scores_at(~mask, values)
    inside = scores_at(mask, values)
    regions = by_region(mask, inside)
    overlap = np.zeros(len(thresholds))
    for region in regions:
        overlap += _share_above(region, thresholds)
    of_normal = _above(outside, thresholds)
    of_defects = _above(inside, thresholds)
    numbers = [len(outside), len(inside), len(regions)]
    return of_normal, of_defects, overlap, numbers


def _above(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return how many values reach each threshold."""
    rising = np.sort(values)
    return len(values) - np.searchsorted(rising, thresholds)


def _share_above(values: np.ndarray, thresholds: np.ndarray, enough: float | None = None) -> np.ndarray:
    """Return which share of the values of a region reaches each threshold; `enough` of them are all."""
    area = len(values)
    needed = area if enough is None else min(enough, area)
    shares = _above(values, thresholds) / needed
    return np.minimum(shares, 1)


def _localised(read, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how many anomalies of each image are localised at some thresholds, and how many there are."""
    of_images = []
    anomalies = []
    lowest = np.inf
    for mask, values in read():
        alone = [(mask, values)]
        (spans,), number = localised_spans(alone.__iter__, (iou,))
        of_images.append(spans)
        anomalies.append(number)
        if number:
            lowest = min(lowest, float(values.min()))

    of_images = [spans.above(lowest) for spans in of_images]
    thresholds = _starts(of_images)
    table = [spans.counts(thresholds) for spans in of_images]
    return np.array(table, np.float32), np.array(anomalies, np.int64)


def _starts(of_images: list[Spans]) -> np.ndarray:
    """Return the thresholds at which the number of localised anomalies may be highest, thinned out evenly."""
    of_all = [spans.starts for spans in of_images]
    together = np.concatenate(of_all)
    starts = np.unique(together)
    last = len(starts) - 1
    if last < THRESHOLDS:
        return starts

    spread = np.linspace(0, last, THRESHOLDS)
    places = spread.astype(int)
    return starts[places]


def draws(labels, resamples: int = RESAMPLES, seed: int = 0, name: str = "") -> np.ndarray:
    """Return how often each image occurs in each resample, float32 (R, N).

    Parameters
    ----------
    labels : array, (N,)
        Normal images are drawn among the normal ones, anomalous among the anomalous.
    resamples : int
    seed : int
    name : str
        Of the class: classes are drawn independently, whatever their order. All models get the same draw.
    """
    anomalous = are_defective(labels)
    images = len(anomalous)
    rng = generator(seed, 0, 0, f"bootstrap {name}")
    weights = np.zeros((resamples, images), np.float32)

    for group in (False, True):
        places = np.flatnonzero(anomalous == group)
        total = len(places)
        if total:
            equal = np.full(total, 1 / total)
            for some in _blocks(resamples, total):  # the same numbers as all at once
                count_of_some = some.stop - some.start
                weights[some, places] = rng.multinomial(total, equal, count_of_some)
    return weights


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of the rows of a table that have few enough numbers to be worked on at once."""
    at_once = max(1, _AT_ONCE // columns)
    for start in range(0, rows, at_once):
        end = min(start + at_once, rows)
        yield slice(start, end)


def resampled(counts: Counts, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of resamples, (R,) each: those that were counted.

    Parameters
    ----------
    counts : Counts
    weights : ndarray, (R, N)
        As `draws` gives them.

    Returns
    -------
    dict of str to ndarray
        ``image_auroc``, ``average_precision``, and where there are maps ``pixel_auroc``, ``aupro``, ``pl`` and
        ``spro``. ``nan`` where a resample has nothing to count, and all of them where there is one image of a kind
        at most: there is no other draw, and none can tell how far a number can be believed.

    Raises
    ------
    UsageError
        If the weights are not for these images, or no finite numbers.
    """
    images = len(counts.labels)
    given = weights.shape[1]
    if given != images:
        raise UsageError(f"weights must be for {images} images, got {given}")

    finite(weights, "weights", "numbers")
    weights = as_floats(weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = _of_images(counts, weights)
        if counts.pixels is not None:
            found |= _of_pixels(counts, weights)
        if counts.localised is not None:
            found["pl"] = _pl(counts.localised, counts.anomalies, weights)

    anomalous = np.count_nonzero(counts.labels)
    normal = images - anomalous
    if max(anomalous, normal) < _DRAWN:
        unknown = np.full(len(weights), np.nan)
        return dict.fromkeys(found, unknown)
    return found


def _of_images(counts: Counts, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of the scores of images.

    Like Sun and Xu 2014 for DeLong's variance, this goes through the scores in order: a table of all pairs of
    images is never there.
    """
    order = np.argsort(counts.scores, kind="stable")
    rising = counts.scores[order]
    differs = rising[1:] != rising[:-1]
    is_new = np.append(True, differs)
    firsts = np.flatnonzero(is_new)  # of images that score the same
    labels = counts.labels[order]
    defective = labels.astype(bool)

    aurocs = np.empty(len(weights))
    precisions = np.empty(len(weights))
    for some in _blocks(len(weights), len(order)):
        block = weights[some]
        ordered = block[:, order].astype(float)
        of_normal = ordered * ~defective
        of_defects = ordered * defective

        # those that score the same are one place
        normal = np.add.reduceat(of_normal, firsts, axis=1)
        defects = np.add.reduceat(of_defects, firsts, axis=1)
        aurocs[some] = _won(normal, defects)
        precisions[some] = _precision(normal, defects)
    return {"image_auroc": aurocs, "average_precision": precisions}


def _won(normal: np.ndarray, defects: np.ndarray) -> np.ndarray:
    """Return the share of pairs in which the anomalous image scores higher, (R,); ties count half.

    Parameters
    ----------
    normal, defects : ndarray, (R, U)
        Images at each of the different scores, lowest first.
    """
    up_to = np.cumsum(normal, axis=1)
    below = up_to - normal / 2
    won = (defects * below).sum(axis=1)
    pairs = defects.sum(axis=1) * normal.sum(axis=1)
    return won / pairs


def _precision(normal: np.ndarray, defects: np.ndarray) -> np.ndarray:
    """Return the average precision, (R,), of tables as for `_won`; equal scores are one threshold."""
    true = _summed_from_above(defects)
    false = _summed_from_above(normal)
    predicted = np.maximum(true + false, 1)
    precision = true / predicted

    summed = (defects * precision).sum(axis=1)
    return summed / true[:, 0]


def _summed_from_above(table: np.ndarray) -> np.ndarray:
    """Return for each place of a table (R, U) the sum of its row from there on."""
    falling = np.cumsum(table[:, ::-1], axis=1)
    return falling[:, ::-1]


def _of_pixels(counts: Counts, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the areas under the curves of the pixels."""
    totals = weights @ counts.pixels
    normal, defective, regions = totals.T
    fpr = _shares(weights, counts.normal, normal)
    recall = _shares(weights, counts.defect, defective)
    overlap = _shares(weights, counts.overlap, regions)
    found = {
        "pixel_auroc": _areas(fpr, recall, 1.0),
        "aupro": _areas(fpr, overlap, MAX_FPR["aupro"]),
    }

    if counts.saturated is not None:
        of_regions = weights @ counts.regions
        saturated = _shares(weights, counts.saturated, of_regions)
        found["spro"] = _areas(fpr, saturated, MAX_FPR["spro"])
    return found


def _shares(weights: np.ndarray, table: np.ndarray | None, totals: np.ndarray) -> np.ndarray:
    """Return what resamples (R, N) have of a table (N, T), over their totals (R,)."""
    found = weights @ table
    return found / totals[:, None]


def _areas(fpr: np.ndarray, height: np.ndarray, limit: float) -> np.ndarray:
    """Return the areas (R,) under curves (R, T), lowest threshold first, up to a rate, divided by that rate."""
    rates = _from_zero_to_one(fpr)
    heights = _from_zero_to_one(height)
    left = rates[:, :-1]
    right = rates[:, 1:]
    low = heights[:, :-1]
    high = heights[:, 1:]

    # the part of each segment that lies below the limit, cut by linear interpolation
    cut = np.minimum(right, limit)
    width = np.maximum(cut - left, 0)
    whole = np.maximum(right - left, np.finfo(float).tiny)
    share = np.minimum(width / whole, 1)
    at_cut = low + share * (high - low)

    mean = (low + at_cut) / 2
    areas = (width * mean).sum(axis=1)
    return areas / limit


def _from_zero_to_one(values: np.ndarray) -> np.ndarray:
    """Return values (R, T), the highest threshold first, between columns of 0 and 1."""
    zero = np.zeros((len(values), 1))
    falling = values[:, ::-1]
    return np.hstack([zero, falling, zero + 1])


def _pl(localised: np.ndarray, anomalies: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    """Return the share of anomalies that are localised at the best threshold of each resample."""
    total = weights @ anomalies
    if localised.shape[1] == 0:
        return np.where(total > 0, 0.0, np.nan)
    found = weights @ localised
    return found.max(axis=1) / total


def interval(samples: np.ndarray, value: float | None = None, level: float = LEVEL) -> tuple[float, float]:
    """Return the lower and the upper end of the interval of a number, from its resamples.

    With the value itself, which lies in [0, 1], the interval is symmetric on the scale of the logit, with the
    spread of the resamples (delta method): plain quantiles of the bootstrap are too narrow near 1, where AUROCs
    lie. For an image AUROC of few images `synthgen.metrics.auroc_interval` is better still. Without the value, as
    for a difference, the interval holds a share of the samples and is cut evenly.

    Samples that are all alike have no spread, which does not mean that the number is certain: so many images may be
    too few to show any. Then there is no interval.

    Parameters
    ----------
    samples : ndarray, (R,)
        Those that are ``nan`` are left out.
    value : float, optional
        Of all images, in [0, 1]. At exactly 0 or 1 there is no logit, and the samples are cut.
    level : float
        In (0, 1).

    Returns
    -------
    low, high : float
        ``nan`` without two samples that differ.

    Raises
    ------
    UsageError
        If the value is no finite number, or the level is out of range.
    """
    if value is not None:
        value = float(numbers(value, "value"))
    deviations = deviations_of(level)
    known = _finite_of(samples)
    if len(known) == 0 or known.min() == known.max():
        return np.nan, np.nan
    if value is not None and 0 < value < 1:
        return _around(value, float(known.std()), deviations)
    return _cut(known, level)


def deviations_of(level: float) -> float:
    """Return how many standard deviations to both sides hold a share of the normal distribution, in (0, 1)."""
    if not 0 < level < 1:
        raise UsageError(f"level must lie in (0, 1), got {level}")
    place = (1 + float(level)) / 2
    return NormalDist().inv_cdf(place)


def _finite_of(samples) -> np.ndarray:
    """Return the samples that are numbers, float64."""
    given = np.asarray(samples, float)
    return given[np.isfinite(given)]


def _cut(samples: np.ndarray, level: float) -> tuple[float, float]:
    """Return the ends of the share `level` of some samples, those outside cut evenly; ``nan`` of none."""
    if len(samples) == 0:
        return np.nan, np.nan
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def _around(value: float, spread: float, deviations: float) -> tuple[float, float]:
    """Return the interval around a share that is symmetric on the scale of the logit."""
    rest = 1 - value
    logit = math.log(value / rest)
    reach = deviations * spread / (value * rest)
    return _share_of(logit - reach), _share_of(logit + reach)


def _share_of(logit: float) -> float:
    """Return the share that has a logit."""
    if logit < -_FARTHEST:
        return 0.0
    return 1 / (1 + math.exp(-logit))


def pooled(samples: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over classes of the samples of each, (R,): every class weighs the same."""
    of_classes = np.stack(samples).astype(float)
    return of_classes.mean(axis=0)


def is_tied(first: np.ndarray, other: np.ndarray, level: float = LEVEL) -> bool:
    """Return whether the interval of the paired difference of two models holds 0.

    Parameters
    ----------
    first, other : ndarray, (R,)
        Their samples of the same draws.
    level : float
    """
    own = np.asarray(first, float)
    others = np.asarray(other, float)
    known = _finite_of(own - others)
    low, high = _cut(known, level)
    return not (low > 0 or high < 0)


def ranks(values: Sequence[float], better: str = "up") -> np.ndarray:
    """Return the rank of each value (M,), from 1 for the best; equal values share the mean of their ranks.

    Raises
    ------
    UsageError
        If a value is no finite number.

    Examples
    --------
    >>> ranks([0.5, 0.9, 0.5, 0.1]).tolist()
    [2.5, 1.0, 2.5, 4.0]
    """
    given = numbers(values, "values")
    sign = -1 if better == "up" else 1
    _, which, times = np.unique(sign * given, return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    shared = last - (times - 1) / 2
    return shared[which]


def mean_ranks(table: np.ndarray, better: str = "up") -> np.ndarray:
    """Return the mean rank over classes of each model, (M,).

    Parameters
    ----------
    table : ndarray, (M, C)
        The value of each model on each class, all there.
    better : {'up', 'down'}
    """
    of_classes = [ranks(column, better) for column in np.asarray(table).T]
    return np.mean(of_classes, axis=0)
