"""Defect-wise recall: how many defects were noticed at all."""

from collections.abc import Iterable, Sequence

import numpy as np

from synthgen.metrics.inputs import share
from synthgen.metrics.pixels import ratio, read_predictions

# Shares of a defect that have to be found: Mao et al. 2025, appendix C.
COVERAGES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 0.75, 1.0)


def defect_wise_recall(instances: Iterable, predictions: Iterable | None = None, coverage: float = 0.0) -> float:
    """Return the share of defects of which at least one pixel, and at least the share `coverage`, was predicted.

    Mao et al. 2025, section V.B; for `coverage` appendix C and figure 5: for inspectors it matters that a defect is
    found, not its outline. For the mean over kinds of defect, call it with the instances of each kind. Defects that
    overlap go into several images with the same prediction, so that none hides another.

    Parameters
    ----------
    instances : array (N, H, W) of int, or an iterable of images (H, W) or batches
        0 = background, any other number = a defect of that image; connected or not. A binary mask is one defect.
    predictions : likewise
        Nonzero = predicted; read once. With `predictions` None, `instances` gives pairs.
    coverage : float
        In [0, 1].

    Returns
    -------
    float
        In [0, 1]; ``nan`` without a defect.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, a prediction has more than one value beside 0, or
        `coverage` is out of range.

    Examples
    --------
    >>> defect_wise_recall([[[1, 1, 0, 2]]], [[[1, 0, 1, 0]]])
    0.5
    >>> defect_wise_recall([[[1, 1, 0, 2]]], [[[1, 0, 1, 0]]], coverage=0.6)
    0.0
    """
    coverage = share(coverage, "coverage")
    covered = covered_shares(instances, predictions)
    noticed = (covered > 0) & (covered >= coverage)
    found = np.count_nonzero(noticed)
    return ratio(int(found), len(covered))


def covered_shares(instances: Iterable, predictions: Iterable | None = None) -> np.ndarray:
    """Return which share of each defect was predicted, (D,): one after the other, as they come.

    Parameters
    ----------
    instances, predictions
        As for `defect_wise_recall`.
    """
    shares = [np.zeros(0)]
    for ids, prediction in read_predictions(instances, predictions):
        marked = ids != 0
        which, number = np.unique(ids[marked], return_inverse=True)
        count = len(which)
        area = np.bincount(number, minlength=count)
        hits = np.bincount(number, prediction[marked], minlength=count)
        shares.append(hits / area)
    return np.concatenate(shares)


def recall_curve(
    instances: Iterable, predictions: Iterable | None = None, coverages: Sequence[float] = COVERAGES
) -> tuple[np.ndarray, np.ndarray]:
    """Return `defect_wise_recall` at several coverages, as points of a curve: both (C,).

    Parameters
    ----------
    instances, predictions
        As for `defect_wise_recall`.
    coverages : sequence of float
        In [0, 1]; by default those of Mao et al. 2025, figure 5.
    """
    covered = covered_shares(instances, predictions)
    noticed = covered[covered > 0]
    asked = [share(coverage, "coverage") for coverage in coverages]
    recalls = []
    for coverage in asked:
        found = np.count_nonzero(noticed >= coverage)
        recalls.append(ratio(int(found), len(covered)))
    return np.array(asked), np.array(recalls)
