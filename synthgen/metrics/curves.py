"""Areas under curves, exact, without the curves.

A curve over all thresholds against the false positive rate is a sum over the defect pixels: each is passed at
the rate where the threshold falls to its own score. So it is enough to know, for each defect pixel, how many normal
pixels score higher and how many the same; the normal pixels themselves are counted image by image and forgotten.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from synthgen.metrics.inputs import Reader, read_labels, read_twice, refuse_iterator, scores_at, share

_ROUNDING = 1e-9  # of a share of a count, in counts


class Ranks(NamedTuple):
    """Where the scores of defects stand among those of normal pixels.

    Attributes
    ----------
    scores : ndarray, (U,)
        The different scores of defects, rising.
    above, same : ndarray of int64, (U,)
        How many normal pixels score higher than each, and exactly the same.
    normal : int
        How many normal pixels there are.
    """

    scores: np.ndarray
    above: np.ndarray
    same: np.ndarray
    normal: int


def image_auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under the ROC curve of image scores: how often a defective image scores above a normal one.

    Ties count half (Mann-Whitney), as in scikit-learn's `roc_auc_score`.

    Parameters
    ----------
    labels : array, (N,)
        0 = normal, 1 = defective; or bool.
    scores : array, (N,)
        Finite, on any scale.

    Returns
    -------
    float
        In [0, 1]; ``nan`` if the images are all of one kind, 0.5 if all score the same.

    Raises
    ------
    UsageError
        If shapes differ, there are no images, a label is neither 0 nor 1, or a score is not finite.

    Examples
    --------
    >>> image_auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return _auroc(read_labels(labels, scores))


def pixel_auroc(masks: Iterable, maps: Iterable | None = None) -> float:
    """Return the area under the ROC curve of all pixels of all images together.

    Parameters
    ----------
    masks, maps : array (N, H, W), or iterables of images (H, W) or batches
        Truth (nonzero = defect) and finite scores; see the package for streams.

    Returns
    -------
    float
        In [0, 1], exact; ``nan`` if the pixels are all of one kind, 0.5 if all score the same.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, or a score is not finite.
    """
    return _auroc(read_twice(masks, maps))


def best_f1_threshold(labels: Iterable, scores: Iterable | None = None) -> tuple[float, float]:
    """Return the threshold at which ``scores >= threshold`` has the highest F1, and that F1.

    Of all thresholds only the scores of defects need to be tried: below one, down to the next, come false positives
    alone.

    Parameters
    ----------
    labels, scores : arrays (N,), or masks and maps as in `pixel_auroc`

    Returns
    -------
    threshold, f1 : float
        Of equally good thresholds the highest. Both ``nan`` if there are no defects.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, or a score is not finite.

    Examples
    --------
    >>> best_f1_threshold([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.8])
    (0.6, 1.0)
    """
    read = _reader(labels, scores)
    found = _defect_scores(read)
    if len(found) == 0:
        return np.nan, np.nan

    ranks, of_each = rank(found, read)
    counts = np.bincount(of_each)
    true = _counted_from_the_top(counts)
    false = ranks.above + ranks.same
    predicted = true + false
    f1 = 2 * true / (len(found) + predicted)

    falling = f1[::-1]
    best = len(f1) - 1 - np.argmax(falling)
    threshold = ranks.scores[best]
    return float(threshold), float(f1[best])


def average_precision(labels: Iterable, scores: Iterable | None = None) -> float:
    """Return the average precision: the mean over the defects of the precision at the score of each.

    No interpolation, and equal scores are one threshold, as in scikit-learn's `average_precision_score`.

    Parameters
    ----------
    labels, scores : arrays (N,), or masks and maps as in `pixel_auroc`

    Returns
    -------
    float
        In (0, 1]; ``nan`` without a defect; the share of defects if all score the same.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, or a score is not finite.

    Examples
    --------
    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    read = _reader(labels, scores)
    found = _defect_scores(read)
    if len(found) == 0:
        return np.nan

    ranks, of_each = rank(found, read)
    counts = np.bincount(of_each)
    true = _counted_from_the_top(counts)
    false = ranks.above + ranks.same
    precision = true / (true + false)
    return float(precision @ counts / len(found))


def fpr_at_recall(labels: Iterable, scores: Iterable | None = None, recall: float = 0.95) -> float:
    """Return the false positive rate at the highest threshold that finds a share of the defects.

    Parameters
    ----------
    labels, scores : arrays (N,), or masks and maps as in `pixel_auroc`
    recall : float
        In (0, 1].

    Returns
    -------
    float
        In [0, 1], lower is better; ``nan`` if the images, or the pixels, are all of one kind.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, a score is not finite, or `recall` is out of range.

    Examples
    --------
    >>> fpr_at_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], recall=0.95)
    0.5
    >>> fpr_at_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], recall=0.5)
    0.0
    """
    recall = share(recall, "recall", low_included=False)
    read = _reader(labels, scores)
    found = _defect_scores(read)
    if len(found) == 0:
        return np.nan
    ranks, of_each = rank(found, read)
    if ranks.normal == 0:
        return np.nan

    needed = recall * len(found) - _ROUNDING
    counts = np.bincount(of_each)
    true = _counted_from_the_top(counts)
    highest = np.flatnonzero(true >= needed)[-1]
    false = ranks.above[highest] + ranks.same[highest]
    return float(false / ranks.normal)


def _reader(labels: Iterable, scores: Iterable | None) -> Reader:
    """Return what reads labels and scores of images, or else masks and maps."""
    refuse_iterator(labels, "labels")
    first = next(iter(labels), 0)
    if scores is not None and np.ndim(first) == 0:
        return read_labels(labels, scores)
    return read_twice(labels, scores)


def rank(found: np.ndarray, read: Reader) -> tuple[Ranks, np.ndarray]:
    """Return how the scores `found` (P,) stand among normal pixels, and the place of each in `Ranks.scores`."""
    scores, of_each = np.unique(found, return_inverse=True)
    length = len(scores) + 1
    passed = np.zeros(length, np.int64)  # how many normal pixels reach so many of the scores
    equal = np.zeros(length, np.int64)

    for mask, values in read():
        rising = np.sort(scores_at(~mask, values))  # sorted keys make the search below several times faster
        reached = np.searchsorted(scores, rising, side="right")
        passed += np.bincount(reached, minlength=length)

        highest = scores[reached - 1]
        meets = (reached > 0) & (highest == rising)
        meeting = reached[meets]
        equal += np.bincount(meeting, minlength=length)

    same = equal[1:]
    at_least = _counted_from_the_top(passed[1:])
    normal_pixels = int(passed.sum())
    ranks = Ranks(scores, at_least - same, same, normal_pixels)
    return ranks, of_each


def _counted_from_the_top(counts: np.ndarray) -> np.ndarray:
    """Return for each place the sum of the counts there and above."""
    from_the_top = np.cumsum(counts[::-1])
    return from_the_top[::-1]


def area_under(ranks: Ranks, weights: np.ndarray, max_fpr: float = 1.0) -> float:
    """Return the mean height of a curve over false positive rates in [0, max_fpr].

    The curve rises by ``weights[i]`` where the threshold passes ``ranks.scores[i]``, in a straight line over the
    normal pixels that score the same, and is cut at exactly `max_fpr`.

    Parameters
    ----------
    ranks : Ranks
        Of at least one normal pixel.
    weights : ndarray of float, (U,)
        Together 1.
    """
    limit = max_fpr * ranks.normal  # in normal pixels

    # the curve of one score: a ramp over the normal pixels that score the same, then flat
    same = ranks.same
    within = limit - ranks.above
    ramp = np.clip(within, 0, same)
    flat = np.maximum(within - same, 0)
    width = np.maximum(same, 1)
    area = ramp**2 / (2 * width) + flat
    heights = area / limit

    # Weights may sum to 1 + 1e-16; two sums of one order leave heights of 1 and 0 exactly that.
    weighted = weights * heights
    mean = weighted.sum() / weights.sum()
    return float(mean)


def _auroc(read: Reader) -> float:
    found = _defect_scores(read)
    if len(found) == 0:
        return np.nan
    ranks, of_each = rank(found, read)
    if ranks.normal == 0:
        return np.nan

    weights = np.bincount(of_each) / len(found)
    return area_under(ranks, weights)


def _defect_scores(read: Reader) -> np.ndarray:
    """Return the scores of all defect pixels, (P,)."""
    of_each = [scores_at(mask, scores) for mask, scores in read()]
    return np.concatenate(of_each)
