"""Reading truth and scores image by image; all that a user may get wrong is judged here."""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

import numpy as np

from synthgen.errors import UsageError

Reader = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]  # each call reads all from the start


def read_images(
    masks: Iterable, maps: Iterable | None, name: str = "maps"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each image's mask and map, (H, W) both, as they came, of checked shapes.

    Parameters
    ----------
    masks, maps : array (N, H, W), or iterables of images (H, W) or batches (B, H, W)
        With `maps` None, `masks` gives pairs.
    name : str
        What an error calls `maps`.

    Raises
    ------
    UsageError
        If there are no images, shapes or counts differ, or a map is not finite.
    """
    number = 0
    for mask, scores in pairs(masks, maps, name):
        mask = np.asarray(mask)
        scores = np.asarray(scores)
        for one, of_one in zip(*_as_batches(mask, scores, f"{name}[{number}]"), strict=True):
            yield one, finite(of_one, f"{name}[{number}]")
            number += 1
    if number == 0:
        raise UsageError(f"{name} must hold images, got none")


def _as_batches(mask: np.ndarray, scores: np.ndarray, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Return masks and maps as (B, H, W), of an image (H, W) or a batch (B, H, W) or (B, 1, H, W)."""
    if mask.shape != scores.shape:
        raise UsageError(f"{place} must have its mask's shape {mask.shape}, got {scores.shape}")
    if mask.ndim == 4 and mask.shape[1] == 1:  # models give batches with a channel axis
        return mask[:, 0], scores[:, 0]
    if mask.ndim not in (2, 3):
        raise UsageError(f"masks must give images (H, W) or batches (B, H, W), got shape {mask.shape}")
    return (mask, scores) if mask.ndim == 3 else (mask[None], scores[None])


def read_twice(masks: Iterable, maps: Iterable | None) -> Reader:
    """Return a function that reads all images from the start, masks as bool; refuse what can be read only once."""
    refuse_iterator(masks, "masks")
    refuse_iterator(maps, "maps")
    return lambda: ((mask != 0, scores) for mask, scores in read_images(masks, maps))


def read_labels(labels, scores) -> Reader:
    """Return a function that gives labels as bool (N,) and scores (N,), as if they were one image.

    Raises
    ------
    UsageError
        If shapes differ, there are no images, a label is neither 0 nor 1, or a score is not finite.
    """
    labels = np.asarray(labels)
    scores = np.asarray(scores)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise UsageError(f"scores must be (N,) like the labels, got {scores.shape} for labels {labels.shape}")
    if len(labels) == 0:
        raise UsageError("scores must hold an image, got none")

    wrong = labels[(labels != 0) & (labels != 1)]
    if len(wrong):
        raise UsageError(f"labels must be 0 (normal) or 1 (defective), got {wrong[0]}")
    finite(scores, "scores")

    defective = labels == 1
    return lambda: iter([(defective, scores)])


def refuse_iterator(source, place: str) -> None:
    """Raise UsageError for a generator and the like, which would be empty at the second reading."""
    if isinstance(source, Iterator):
        raise UsageError(f"{place} must be readable twice (an array, a list), got a {type(source).__name__}")


def finite(scores: np.ndarray, place: str) -> np.ndarray:
    """Return the scores; raise UsageError at NaN or infinity, or what is no number."""
    if scores.dtype.kind not in "biuf":
        raise UsageError(f"{place} must hold real numbers, got {scores.dtype}")
    bad = np.count_nonzero(~np.isfinite(scores))
    if bad:
        raise UsageError(f"{place} must hold finite scores, got {bad} that are NaN or infinite")
    return scores


def share(value: float, place: str, low_included: bool = True) -> float:
    """Return a value that lies in [0, 1], or in (0, 1]."""
    allowed = 0 <= value <= 1 and (value > 0 or low_included)
    if not allowed:
        bracket = "[" if low_included else "("
        raise UsageError(f"{place} must lie in {bracket}0, 1], got {value}")
    return value


def pairs(masks: Iterable, maps: Iterable | None, name: str = "maps") -> Iterator[tuple]:
    """Yield mask and map by turns; raise UsageError when one of them ends first."""
    if maps is None:
        for pair in masks:
            is_pair = isinstance(pair, tuple | list) and len(pair) == 2
            if not is_pair:
                raise UsageError(f"{name} must be given, or pairs (mask, map), got {type(pair).__name__}")
            yield pair
        return
    end = object()
    for number, (mask, scores) in enumerate(zip_longest(masks, maps, fillvalue=end)):
        if mask is end or scores is end:
            names = ("masks", name) if mask is end else (name, "masks")
            raise UsageError(f"{names[0]} must be as many as the {names[1]}, got only {number}")
        yield mask, scores
