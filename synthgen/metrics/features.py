"""What the features of labelled images tell of a backbone, without training anything on top of it."""

import numpy as np

from synthgen.errors import UsageError
from synthgen.metrics.inputs import finite, numbers

NEIGHBORS = 20
_DISTANCES = 2**24  # that are there at a time


def knn_accuracy(features: np.ndarray, labels: np.ndarray, neighbors: int = NEIGHBORS) -> float:
    """Return how often the nearest other images name the class of an image: each is left out in turn.

    Parameters
    ----------
    features : ndarray, (N, D)
        Compared by the cosine of the angle between them.
    labels : ndarray of int, (N,)
    neighbors : int
        Each has a vote; of several classes with as many votes the first in order counts. No more vote than the
        smallest class has other images: beyond these, only strangers are left.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UsageError
        If there are fewer than two images, a feature is not finite, or `neighbors` is no positive number.
    """
    features, labels = _checked(features, labels)
    if neighbors < 1:
        raise UsageError(f"neighbors must be >= 1, got {neighbors}")
    known, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    others = int(sizes.min()) - 1
    most = min(neighbors, max(1, others))

    directions = _directions(features)
    images = len(labels)
    at_once = max(1, _DISTANCES // images)
    right = 0
    for start in range(0, images, at_once):
        end = min(start + at_once, images)
        own = np.arange(start, end)
        nearest = _nearest(directions, own, most)
        named = _voted(classes[nearest], len(known))
        hits = named == classes[own]
        right += int(np.count_nonzero(hits))
    return right / images


def _voted(classes: np.ndarray, count: int) -> np.ndarray:
    """Return the class that most neighbors (N, K) of each image have, out of `count`; of several the first."""
    images = np.arange(len(classes))
    votes = np.zeros((len(images), count), int)
    for column in classes.T:
        votes[images, column] += 1
    return votes.argmax(axis=1)


def _nearest(directions: np.ndarray, own: np.ndarray, most: int) -> np.ndarray:
    """Return the `most` images that are nearest to each of some, themselves left out, (len(own), most)."""
    distance = -directions[own] @ directions.T
    places = np.arange(len(own))
    distance[places, own] = np.inf
    nearest = np.argpartition(distance, most - 1, axis=1)
    return nearest[:, :most]


def effective_dimensions(features: np.ndarray) -> float:
    """Return over how many directions features (N, D) spread: 1 on a line, D where all directions are alike.

    The participation ratio of the variances along the principal axes. Networks with random weights put all images
    near one line (Ugwu et al. 2024, section 7.3).

    Raises
    ------
    UsageError
        If there is no image, or a feature is not finite.
    """
    features = numbers(features, "features")
    if features.ndim != 2 or not len(features):
        raise UsageError(f"features must be (N, D) of an image or more, got {features.shape}")
    centered = features - features.mean(axis=0)
    lengths = np.linalg.svd(centered, compute_uv=False)
    variances = lengths**2
    total = variances.sum()
    if total == 0:
        return 0.0

    shares = variances / total
    return float(1 / np.sum(shares**2))


def intraclass_compactness(features: np.ndarray, labels: np.ndarray) -> float:
    """Return how alike the images of a class are: the mean cosine between two of one class, over all classes.

    Features are centered on the mean of all images first, so that what all images share does not count. 1 where
    each class is one direction, about 0 where classes do not matter.

    That the compactness of classes tells how well a backbone transfers, if it was trained on synthetic images, is
    due to "Intraclass Compactness: a metric for evaluating models pre-trained on various synthetic data" (workshop
    LIMIT 2025). We know its abstract alone, which has no formula: this one is our reading of it, and its values are
    not to be compared with those of that paper.

    Parameters
    ----------
    features : ndarray, (N, D)
    labels : ndarray of int, (N,)

    Returns
    -------
    float
        In [-1, 1]; ``nan`` where no class has two images.

    Raises
    ------
    UsageError
        If there are fewer than two images, or a feature is not finite.
    """
    features, labels = _checked(features, labels)
    centered = features - features.mean(axis=0)
    directions = _directions(centered)
    means = []
    for label in np.unique(labels):
        own = directions[labels == label]
        count = len(own)
        if count < 2:
            continue
        total = own.sum(axis=0)
        of_all = total @ total
        with_itself = np.sum(own**2)
        pairs = count * (count - 1)
        means.append((of_all - with_itself) / pairs)

    if not means:
        return np.nan
    return float(np.mean(means))


def _checked(features, labels) -> tuple[np.ndarray, np.ndarray]:
    """Return features as float64 (N, D), and their labels (N,)."""
    features = numbers(features, "features")
    labels = np.asarray(labels)
    if labels.dtype.kind == "f":  # names may be text
        finite(labels, "labels", "numbers")
    are_rows = features.ndim == 2 and labels.shape == features.shape[:1]
    if not are_rows or len(labels) < 2:
        rule = "features must be (N, D) of two images or more, with N labels"
        raise UsageError(f"{rule}, got {features.shape} and {labels.shape}")
    return features, labels


def _directions(features: np.ndarray) -> np.ndarray:
    """Return features of length 1; those of length 0 stay 0."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return features / lengths
