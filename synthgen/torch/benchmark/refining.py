"""Refinement in a job: IoU and DICE of masks before and after, as `synthgen evaluate --refine` measures them."""

import time
from typing import Any, NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.layouts import ImageSet
from synthgen.layouts.framing import Framing
from synthgen.torch.benchmark.jobs import Job
from synthgen.torch.benchmark.measuring import Measured, weights_of
from synthgen.torch.evaluation import Batches
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.torch.models.options import LEAST_IMAGES
from synthgen.torch.refinement import PIXELS, PixelPrior
from synthgen.torch.refinement.measure import OVERLAPS, Fit, fits, with_fits


class Refined(NamedTuple):
    """What was measured of a job, its masks refined.

    Attributes
    ----------
    result : Measured
        With the means of IoU and DICE before and after in its rows, and those of resamples.
    fits : list of Fit
        One of each image.
    seconds : float
    """

    result: Measured
    fits: list[Fit]
    seconds: float


def keep_prior(job: Job, model: Any, images: ImageSet) -> None:
    """Leave the colors of the images that a model was fitted to in its notes, as `synthgen fit` does."""
    variant = job.model
    loader = Batches(images, variant.batch, Framing(), variant.size)
    prior = PixelPrior.fit(loader, seed=job.seed)
    model.notes[PIXELS] = prior.notes()


def refined(job: Job, model: Any, predictions: Predictions, result: Measured) -> Refined:
    """Return what was measured of a job, with what refining its masks adds.

    Parameters
    ----------
    job : Job
    model : AnomalyModel
        With a prior in its notes.
    predictions : Predictions
    result : Measured
        Whose threshold of pixels makes the masks.

    Raises
    ------
    UsageError
        If there is no threshold, as no images are held out.
    """
    variant = job.model
    threshold = result.thresholds.get("pixel")
    if threshold is None:
        rule = f"must have images that give a threshold: {LEAST_IMAGES} normal ones, of which some are held out"
        raise UsageError(f"models.{variant.name}.refine {rule}")

    start = time.perf_counter()
    images = predictions.images.resized(variant.size)
    found = fits(model, images, predictions.maps, threshold, variant.refine)
    seconds = time.perf_counter() - start

    rows = with_fits(result.rows, found)
    means = _resampled(job, predictions, found)
    samples = result.samples | means
    measured = result._replace(rows=rows, samples=samples)
    return Refined(measured, found, seconds)


def _resampled(job: Job, predictions: Predictions, found: list[Fit]) -> dict[str, np.ndarray]:
    """Return the mean overlaps of resamples of the test images, (R,) each; none without marked defects."""
    of_images = {fit.image: fit for fit in found if fit.iou is not None}
    places = []
    defective = []
    for place, entry in enumerate(predictions.images.entries):
        if entry.name in of_images:
            places.append(place)
            defective.append(of_images[entry.name])

    weights = weights_of(job, predictions)
    weights = weights[:, places]
    totals = weights.sum(axis=1)
    if not totals.all():
        return {}

    means = {}
    for name in OVERLAPS:
        values = [getattr(fit, name) for fit in defective]
        means[name] = weights @ np.array(values) / totals
    return means
