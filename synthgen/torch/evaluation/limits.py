"""From which score on an image is anomalous: told by normal images alone, which the model was not fitted to.

The scores of normal images to come are as those of the images held out. So the next one lies above the k-th
smallest of n scores with probability 1 - k / (n + 1), whatever their distribution (split conformal prediction,
Vovk et al. 2005).
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from synthgen.errors import FormatError, UsageError
from synthgen.layouts import ImageSet
from synthgen.metrics.inputs import as_floats, finite
from synthgen.seeding import generator
from synthgen.torch.models.options import FALSE_ALARMS, LEAST_IMAGES

NORMAL = "normal_scores"  # what the notes of a model call them
THRESHOLDS = "thresholds"
_ROUNDING = 1e-9


class NormalScores(msgspec.Struct, frozen=True):
    """What a model says of normal images.

    Parameters
    ----------
    images : int
        How many.
    pixel : float, optional
        Median of the scores of pixels; None of a model without maps.
    false_alarms : float
        Share of normal images that are expected to reach the threshold.
    """

    images: int
    pixel: float | None = None
    false_alarms: float = FALSE_ALARMS


class Thresholds(msgspec.Struct, frozen=True, omit_defaults=True):
    """The scores from which on an image is anomalous, and a pixel; `source` says where they come from."""

    image: float | None = None
    pixel: float | None = None
    source: str | None = None


class Limits(NamedTuple):
    """Thresholds, and the scores that they follow from.

    Attributes
    ----------
    image : float
        An image is anomalous from this score on.
    pixel : float or None
        A pixel is; as many normal images as by `image` have such a pixel. None of a model without maps.
    normal : NormalScores
    """

    image: float
    pixel: float | None
    normal: NormalScores


def divided(images: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet | None]:
    """Return the images to fit a model to, and those that are held out, chosen at random.

    None are held out of fewer than `LEAST_IMAGES`.
    """
    kept, out = division(len(images), share, seed)
    if not out:
        return images, None
    return images.chosen(kept), images.chosen(out)


def division(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the places of the images that `divided` returns, ascending; the second list may be empty."""
    held = round(share * count)
    if count < LEAST_IMAGES or not held:
        return list(range(count)), []

    rng = generator(seed, 0, 0, "fit.hold_out")
    order = rng.permutation(count)
    kept = sorted(order[held:].tolist())
    out = sorted(order[:held].tolist())
    return kept, out


def sampled(images: ImageSet, shots: int, seed: int) -> ImageSet:
    """Return so many images of a set, chosen at random, in their order."""
    return images.chosen(sample(len(images), shots, seed))


def sample(count: int, shots: int, seed: int) -> list[int]:
    """Return the places of `shots` of `count` images, chosen at random, ascending."""
    if shots > count:
        raise UsageError(f"shots must be at most the {count} normal images, got {shots}")
    rng = generator(seed, 0, 0, "fit.shots")
    order = rng.permutation(count)
    return sorted(order[:shots].tolist())


def limits_of(scores: np.ndarray, maps: Iterable[np.ndarray] | None, false_alarms: float = FALSE_ALARMS) -> Limits:
    """Return the thresholds that normal images give.

    Parameters
    ----------
    scores : ndarray, (N,)
        Of normal images that the model was not fitted to.
    maps : iterable of ndarray, (H, W), or None
    false_alarms : float
        Share of normal images that may reach the threshold. With too few images it is 1 / (N + 1).

    Returns
    -------
    Limits

    Raises
    ------
    UsageError
        If a score is no finite number.
    """
    scores = _checked(scores, "scores")
    count = len(scores)
    expected = max(false_alarms, 1 / (count + 1))
    image = _above(scores, expected)
    if maps is None:
        return Limits(image, None, NormalScores(count, None, expected))

    highest = []
    medians = []
    for number, given in enumerate(maps):
        of_image = _checked(given, f"maps[{number}]")
        highest.append(of_image.max())
        medians.append(np.median(of_image))

    of_pixels = float(np.median(medians))
    pixel = _above(np.array(highest), expected)
    return Limits(image, pixel, NormalScores(count, of_pixels, expected))


def _checked(scores, place: str) -> np.ndarray:
    """Return finite scores as floats."""
    given = np.asarray(scores)
    return as_floats(finite(given, place))


def _above(scores: np.ndarray, share: float) -> float:
    """Return the lowest float32 that only so large a share of scores to come is expected to reach."""
    count = len(scores)
    with_next = count + 1
    below = with_next * (1 - share)
    rank = math.ceil(below - _ROUNDING)
    rank = min(rank, count)

    ascending = np.sort(scores).astype(np.float32)
    largest_below = ascending[rank - 1]
    threshold = np.nextafter(largest_below, np.float32(np.inf))
    return float(threshold)


class Judge:
    """What is said of a score: by thresholds that are given, or those that the file of a model keeps.

    Parameters
    ----------
    model : AnomalyModel
    threshold, pixel_threshold : float, optional
        Instead of the model's.

    Attributes
    ----------
    image, pixel : float or None
        The thresholds.
    colors : (float, float) or None
        Scores of the coldest and the hottest color of heat maps; None where the model does not know how normal
        images score.

    Raises
    ------
    FormatError
        If the notes of the model hold something else in their place.
    """

    def __init__(self, model, threshold: float | None = None, pixel_threshold: float | None = None):
        own = kept(model)
        self.image = own.image if threshold is None else threshold
        self.pixel = own.pixel if pixel_threshold is None else pixel_threshold
        self._normal = noted(model, NORMAL, NormalScores)

    @property
    def colors(self) -> tuple[float, float] | None:
        """Cold is a normal pixel; hot lies as far above the threshold."""
        normal = self._normal
        if normal is None or normal.pixel is None or self.pixel is None:
            return None
        low = min(normal.pixel, self.pixel)
        return low, 2 * self.pixel - low

    def verdict(self, score: float) -> dict:
        """Return what a table says of a score: itself, divided by the threshold, and whether it reaches that."""
        verdict: dict = {"score": score}
        if self.image is None:
            return verdict

        if self.image > 0:
            verdict["scaled"] = score / self.image
        verdict["anomalous"] = score >= self.image
        return verdict


def noted(model, name: str, kind):
    """Return a struct that the notes of a model keep, None where they keep none."""
    if name not in model.notes:
        return None
    try:
        return msgspec.convert(model.notes[name], kind)
    except msgspec.ValidationError as error:
        raise FormatError(f"the notes of the model are damaged: {name}: {error}") from None


def kept(model) -> Thresholds:
    """Return the thresholds that the file of a model keeps; None each where it keeps none.

    Raises
    ------
    FormatError
        If the notes of the model hold something else in their place.
    """
    return noted(model, THRESHOLDS, Thresholds) or Thresholds()


def keep(
    model, image: float, pixel: float | None, normal: NormalScores | None = None, source: str | None = None
) -> None:
    """Store thresholds in the notes of a model; the scores of normal images stay unless others are given."""
    model.notes[THRESHOLDS] = msgspec.to_builtins(Thresholds(image, pixel, source))
    if normal is not None:
        model.notes[NORMAL] = msgspec.to_builtins(normal)


def forget(model) -> None:
    """Take thresholds out of the notes of a model: they were another model's."""
    for name in (THRESHOLDS, NORMAL):
        model.notes.pop(name, None)
