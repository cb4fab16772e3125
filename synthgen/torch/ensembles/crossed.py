"""Thresholds of an ensemble from the images that calibrated it: each is judged by one that was calibrated without.

What calibrated an ensemble scores lower in it than images to come: up to twice as many of those reach a threshold
of its own scores as it would promise. So each image is left out of the calibration in turn (cross-validation: Stone
1974). `benchmarks/ensemble_thresholds.py` simulates the share of images to come that reaches either threshold: with
images left out it lies below what is promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from synthgen.torch.evaluation.inspection import Batches
from synthgen.torch.evaluation.limits import Limits, limits_of
from synthgen.torch.evaluation.predictions import predict_set
from synthgen.torch.models.options import FALSE_ALARMS

if TYPE_CHECKING:
    from synthgen.layouts import ImageSet
    from synthgen.layouts.framing import Framing
    from synthgen.torch.models.score_ensemble import ScoreEnsemble

# Ensembles that are calibrated again, each without some of the images.
FOLDS = 5


def crossed_limits(
    model: ScoreEnsemble,
    images: ImageSet,
    batch_size: int = 8,
    framing: Framing | None = None,
    false_alarms: float = FALSE_ALARMS,
) -> Limits:
    """Return the thresholds that a small share of normal images to come is expected to reach.

    Parameters
    ----------
    model : ScoreEnsemble
    images : ImageSet
        At least two: those that the ensemble was calibrated on.
    batch_size, framing, false_alarms
        As for `synthgen.torch.evaluation.held_out_limits`.

    Returns
    -------
    Limits
    """
    scores = []
    maps = []
    for own, others in folds(len(images)):
        twin = model.unfitted()
        seen = images.chosen(others)
        twin.fit(Batches(seen, batch_size, framing, model.members_size), progress="none")

        left_out = images.chosen(own)
        predictions = predict_set(twin, left_out, batch_size, framing=framing)
        scores.append(predictions.scores)
        if predictions.maps is not None:
            maps += list(predictions.maps)
    together = np.concatenate(scores)
    return limits_of(together, maps or None, false_alarms)


def folds(count: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the places of some of so many images, and of all others: each image is once among the first."""
    number = min(FOLDS, count)
    places = range(count)
    for first in range(number):
        own = places[first::number]
        others = [place for place in places if place not in own]
        yield list(own), others
