"""Scores of binary predictions, over the pixels of all images together."""

from collections.abc import Iterable, Iterator

import numpy as np

from synthgen.errors import UsageError
from synthgen.metrics.inputs import read_images


def pixel_scores(masks: Iterable, predictions: Iterable | None = None) -> dict[str, float]:
    """Return precision, recall, F1, IoU and DICE of predicted pixels.

    Precision, recall and F1 as in Mao et al. 2025, section V.B (binary, pixel-wise); DICE is F1 under another name.
    All images are counted as one, so that an image without a defect has its false positives counted and no score of
    its own.

    Parameters
    ----------
    masks, predictions : array (N, H, W), or iterables of images (H, W) or batches
        Nonzero = defect, and = predicted; read once. With `predictions` None, `masks` gives pairs.

    Returns
    -------
    dict of str to float
        ``precision``, ``recall``, ``f1``, ``iou``, ``dice``, each in [0, 1]. Those with nothing to count are
        ``nan``: precision where nothing is predicted, recall where nothing is defective, the others where both
        hold.

    Raises
    ------
    UsageError
        If shapes or counts differ, there are no images, or a prediction has more than one value beside 0: scores
        must be thresholded first.

    Examples
    --------
    >>> found = pixel_scores([[[0, 1, 1, 1]]], [[[1, 1, 0, 0]]])
    >>> found["precision"], found["iou"]
    (0.5, 0.25)
    """
    counts = np.zeros(3, np.int64)
    for mask, prediction in read_predictions(masks, predictions):
        counts += _counts(mask != 0, prediction)
    return _rates(*counts.tolist())


def counted(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return what `pixel_scores` does of single decisions: two arrays of bool of one shape."""
    return _rates(*_counts(truth, predicted))


def _counts(truth: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int]:
    """Return how many are defective and predicted, how many are predicted, and how many are defective."""
    both = np.count_nonzero(truth & predicted)
    return int(both), int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))


def _rates(true: int, predicted: int, defective: int) -> dict[str, float]:
    either = predicted + defective
    f1 = ratio(2 * true, either)
    return {
        "precision": ratio(true, predicted),
        "recall": ratio(true, defective),
        "f1": f1,
        "iou": ratio(true, either - true),
        "dice": f1,
    }


def read_predictions(masks: Iterable, predictions: Iterable | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the images' masks as they came and predictions as bool, (H, W) both; refuse scores."""
    images = read_images(masks, predictions, "predictions")
    for number, (mask, prediction) in enumerate(images):
        made = np.ma.filled(prediction != 0, False)
        if prediction.dtype != bool:
            _refuse_scores(prediction[made], f"predictions[{number}]")
        yield mask, made


def _refuse_scores(values: np.ndarray, place: str) -> None:
    """Raise UsageError where there are several values: scores are no predictions."""
    different = len(np.unique(values))
    if different > 1:
        raise UsageError(f"{place} must hold one value beside 0 (threshold first), got {different}")


def ratio(part: int, whole: int) -> float:
    """Return ``part / whole``, or ``nan`` of nothing."""
    if not whole:
        return np.nan
    return float(part / whole)
