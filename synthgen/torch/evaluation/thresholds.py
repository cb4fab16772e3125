"""Thresholds for a test set from elsewhere: from normal images that the model was not fitted to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from synthgen.compose.anomalies import paste_defects, sample_defect
from synthgen.errors import UsageError
from synthgen.layouts import ImageSet
from synthgen.layouts.entries import Entry
from synthgen.layouts.truth import truth_of_regions
from synthgen.seeding import generator
from synthgen.torch.evaluation.limits import Limits, NormalScores, Thresholds, limits_of
from synthgen.torch.evaluation.predictions import predict_set
from synthgen.torch.models.options import FALSE_ALARMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from synthgen.layouts.framing import Framing
    from synthgen.layouts.truth import Truth

HELD_OUT = "held-out normal images"
SYNTHETIC = "synthetic defects"
FEW = 100  # images, of which the quantile of 1 % is not yet one of them
# What is pasted: every outline and filling that needs no files, of 0.2 to 4 % of the image, seen by 12 gray levels.
_SHAPES = ("blobs", "scratches", "scars", "islands", "rectangles")
_SOURCES = ("color", "piece")
_AREA = (0.002, 0.04)
_SEVERITY = (0.4, 1.0)
_VISIBILITY = 12
_TRIES = 10
_CATEGORY = ""


def held_out_limits(
    model,
    images: ImageSet,
    batch_size: int = 8,
    framing: Framing | None = None,
    false_alarms: float = FALSE_ALARMS,
) -> Limits:
    """Return the thresholds that a small share of normal images to come is expected to reach.

    Parameters
    ----------
    model, batch_size, framing
        As for `predict_set`.
    images : ImageSet
        Normal images that the model was not fitted to.
    false_alarms : float
        The share. With too few images it is 1 / (N + 1).
    """
    predictions = predict_set(model, images, batch_size, framing=framing)
    return limits_of(predictions.scores, predictions.maps, false_alarms)


def synthetic_limits(
    model, images: ImageSet, batch_size: int = 8, framing: Framing | None = None, seed: int = 0
) -> Limits:
    """Return the thresholds of the best F1 on normal images beside their twins with a pasted defect.

    Parameters
    ----------
    model, images, batch_size, framing
        As for `held_out_limits`.
    seed : int
        Of the defects.

    Raises
    ------
    UsageError
        If there are no images.
    """
    if not len(images):
        raise UsageError("images must hold normal images to paste defects on, got none")
    twins = with_defects(images, seed)
    predictions = predict_set(model, twins, batch_size, framing=framing)
    part = predictions.part(_CATEGORY)
    image, _ = part.best_threshold
    count = len(images)
    if not part.is_measured_by_pixels:
        return Limits(image, None, NormalScores(count))

    pixel, _ = part.best_pixel_threshold
    medians = []
    for label, scores in zip(part.labels, part.pixel_maps, strict=True):
        if not label:
            medians.append(np.median(scores))
    of_pixels = float(np.median(medians))
    return Limits(image, pixel, NormalScores(count, of_pixels))


def thresholds_of(limits: Limits, rule: str) -> Thresholds:
    """Return thresholds with a few words on where they come from."""
    images = limits.normal.images
    are_few = rule == HELD_OUT and images < FEW
    few = f", n < {FEW}" if are_few else ""
    source = f"{rule} (n = {images}{few})"
    return Thresholds(limits.image, limits.pixel, source)


def with_defects(images: ImageSet, seed: int = 0) -> ImageSet:
    """Return normal images, and each once more with a pasted defect and its exact mask; nothing is read yet."""
    normal = []
    twins = []
    for number, entry in enumerate(images.entries):
        normal.append(replace(entry, category=_CATEGORY, kind="good", label=0))
        twins.append(_twin(entry, seed, number))
    return ImageSet(normal + twins, images.sources, images.left_out, images.size, images.bits)


def _twin(entry: Entry, seed: int, number: int) -> Entry:
    """Return the entry of an image with a pasted defect."""
    picture = partial(_picture, entry.picture, seed, number)
    truth = partial(_truth, entry.picture, seed, number)
    return replace(entry, label=1, kind="synthetic", category=_CATEGORY, picture=picture, truth=truth)


def _picture(read: Callable[..., np.ndarray], seed: int, number: int, *bits) -> np.ndarray:
    clean = read(*bits)
    pixels, _ = _pasted(clean, seed, number)
    return pixels


def _truth(read: Callable[..., np.ndarray], seed: int, number: int, shape: tuple[int, int]) -> Truth:
    clean = read()
    _, instances = _pasted(clean, seed, number)
    return truth_of_regions(instances > 0)


def _pasted(clean: np.ndarray, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with a defect, and the ids of its pixels; the same defect at each call."""
    rng = generator(seed, 0, number, "evaluation.synthetic")
    shape = _SHAPES[rng.integers(len(_SHAPES))]
    source = _SOURCES[rng.integers(len(_SOURCES))]
    defect = sample_defect(rng, shape, source, _AREA, _SEVERITY, more=_TRIES)
    pixels, instances, _ = paste_defects(clean, [defect], least=_VISIBILITY)
    return pixels, instances
