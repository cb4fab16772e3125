"""Reading truth and scores image by image; all that a user may get wrong is judged here."""

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

import numpy as np

from synthgen.errors import UsageError

_SINGLE = 4  # bytes of the least float that is computed with

Reader = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]  # each call reads all from the start


def read_images(
    masks: Iterable, maps: Iterable | None, name: str = "maps"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each image's mask and map, (H, W) both, as they came, of checked shapes.

    Parameters
    ----------
    masks, maps : array (N, H, W), or iterables of images (H, W) or batches (B, H, W)
        With `maps` None, `masks` gives pairs. A map may be a masked array: what it masks is not inspected.
    name : str
        What an error calls `maps`.

    Yields
    ------
    mask, map : ndarray, (H, W)
        The mask is 0 where the map is masked.

    Raises
    ------
    UsageError
        If there are no images, shapes or counts differ, or a mask or a map is not finite.
    """
    number = 0
    for mask, scores in pairs(masks, maps, name):
        mask = np.asarray(mask)
        scores = _as_array(scores)
        batch = _as_batches(mask, scores, f"{name}[{number}]")
        for one, of_one in zip(*batch, strict=True):
            finite(one, f"masks[{number}]", "values")
            finite(of_one, f"{name}[{number}]")
            yield _inside(one, of_one), of_one
            number += 1
    if number == 0:
        raise UsageError(f"{name} must hold images, got none")


def _as_array(scores) -> np.ndarray:
    """Return scores as an array; a masked array stays one."""
    return scores if np.ma.isMaskedArray(scores) else np.asarray(scores)


def _inside(mask: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return a mask without what is not inspected."""
    outside = np.ma.getmask(scores)
    return mask if outside is np.ma.nomask else np.where(outside, np.zeros_like(mask), mask)


def scores_at(chosen: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the scores of those of the chosen pixels, bool (H, W), that are inspected: (P,)."""
    outside = np.ma.getmask(scores)
    if outside is not np.ma.nomask:
        chosen = chosen & ~outside
    return np.ma.getdata(scores)[chosen]


def _as_batches(mask: np.ndarray, scores: np.ndarray, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Return masks and maps as (B, H, W), of an image (H, W) or a batch (B, H, W) or (B, 1, H, W)."""
    shape = mask.shape
    if shape != scores.shape:
        raise UsageError(f"{place} must have its mask's shape {shape}, got {scores.shape}")

    if len(shape) == 2:
        return mask[None], scores[None]
    if len(shape) == 3:
        return mask, scores
    if len(shape) == 4 and shape[1] == 1:  # models give batches with a channel axis
        return mask[:, 0], scores[:, 0]
    raise UsageError(f"masks must give images (H, W) or batches (B, H, W), got shape {shape}")


def read_twice(masks: Iterable, maps: Iterable | None) -> Reader:
    """Return a function that reads all images from the start, masks as bool; refuse what can be read only once."""
    refuse_iterator(masks, "masks")
    refuse_iterator(maps, "maps")

    def read():
        for mask, scores in read_images(masks, maps):
            yield mask != 0, scores

    return read


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

    defective = are_defective(labels)
    finite(scores, "scores")
    return lambda: iter([(defective, scores)])


def are_defective(labels) -> np.ndarray:
    """Return labels as bool (N,); raise UsageError for what is neither 0 nor 1."""
    labels = np.asarray(labels)
    defective = labels == 1
    wrong = labels[(labels != 0) & ~defective]
    if len(wrong):
        raise UsageError(f"labels must be 0 (normal) or 1 (defective), got {wrong[0]}")
    return defective


def refuse_iterator(source, place: str) -> None:
    """Raise UsageError for a generator and the like, which would be empty at the second reading."""
    if isinstance(source, Iterator):
        raise UsageError(f"{place} must be readable twice (an array, a list), got a {type(source).__name__}")


def finite(scores: np.ndarray, place: str, what: str = "scores") -> np.ndarray:
    """Return the scores; raise UsageError at NaN or infinity, or what is no number."""
    if scores.dtype.kind not in "biuf":
        raise UsageError(f"{place} must hold real numbers, got {scores.dtype}")

    if scores.dtype.kind != "f":
        return scores
    inside = scores.compressed() if np.ma.isMaskedArray(scores) else scores
    good = np.isfinite(inside)
    bad = good.size - np.count_nonzero(good)
    if bad:
        raise UsageError(f"{place} must hold finite {what}, got {bad} that are NaN or infinite")
    return scores


def numbers(values, place: str) -> np.ndarray:
    """Return any values as float64; raise UsageError at NaN or infinity, or what is no number."""
    return finite(np.asarray(values), place, "numbers").astype(float)


def reaching(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return which finite scores reach a threshold, which NumPy would round to the type of the scores."""
    return finite(scores, "scores") >= np.float64(threshold)


def as_floats(scores: np.ndarray) -> np.ndarray:
    """Return scores as floats, for arithmetic: unsigned integers wrap around, and bools have no differences."""
    if scores.dtype.kind == "f" and scores.dtype.itemsize >= _SINGLE:
        return scores
    return scores.astype(float)


def share(value: float, place: str, low_included: bool = True) -> float:
    """Return a value that lies in [0, 1], or in (0, 1], as a plain number."""
    allowed = 0 <= value <= 1
    if value == 0 and not low_included:
        allowed = False
    if not allowed:
        bracket = "[" if low_included else "("
        raise UsageError(f"{place} must lie in {bracket}0, 1], got {value}")
    return float(value)


def pairs(masks: Iterable, maps: Iterable | None, name: str = "maps") -> Iterator[tuple]:
    """Yield mask and map by turns; raise UsageError when one of them ends first."""
    if maps is None:
        yield from _given_pairs(masks, name)
        return

    end = object()
    together = zip_longest(masks, maps, fillvalue=end)
    for number, (mask, scores) in enumerate(together):
        if mask is end:
            raise UsageError(f"masks must be as many as the {name}, got only {number}")
        if scores is end:
            raise UsageError(f"{name} must be as many as the masks, got only {number}")
        yield mask, scores


def _given_pairs(given: Iterable, name: str) -> Iterator[tuple]:
    """Yield pairs as they are; raise UsageError for what is none."""
    for pair in given:
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2
        if not is_pair:
            raise UsageError(f"{name} must be given, or pairs (mask, map), got {type(pair).__name__}")
        yield tuple(pair)
