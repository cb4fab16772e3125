"""What is measured on the predictions of a job: the rows of `evaluate`, and the samples of intervals."""

from typing import Any, NamedTuple

import numpy as np

from synthgen.layouts import ImageSet
from synthgen.layouts.framing import Framing
from synthgen.metrics import intervals, registry
from synthgen.torch.benchmark.jobs import ALWAYS, Job
from synthgen.torch.evaluation import limits_of, predict_set
from synthgen.torch.evaluation.predictions import ALL, Predictions


class Measured(NamedTuple):
    """What was measured in a job.

    Attributes
    ----------
    rows : list of dict
        Of the whole category, then of each kind: ``kind``, ``normal``, ``anomalous``, and the values there are.
    thresholds : dict
        ``rule``, ``images`` that they come from, and ``image`` and ``pixel``, where there are any.
    samples : dict of str to ndarray
        Metrics of resamples of the test images, (R,) each.
    """

    rows: list[dict[str, Any]]
    thresholds: dict[str, Any]
    samples: dict[str, np.ndarray]


def measured(
    job: Job, model: Any, predictions: Predictions, held: ImageSet | None, trust: bool = False
) -> Measured:
    """Return what is measured on the predictions of a job.

    Parameters
    ----------
    job : Job
    model : object
        The fitted one.
    predictions : Predictions
    held : ImageSet or None
        Normal images that give the thresholds.
    trust : bool
        Whether metrics of other code may run.
    """
    names = dict.fromkeys([*ALWAYS, *job.metrics])
    columns = registry.columns_of(names, trust)
    thresholds = _thresholds(job, model, held)
    ((category, kinds),) = predictions.parts()

    rows = []
    for kind in (ALL, *kinds):
        part = predictions.part(category, kind).at(thresholds.get("image"), thresholds.get("pixel"))
        normal = len(part.labels) - part.anomalous
        values = registry.measured(part, columns)
        rows.append({"kind": kind, "normal": normal, "anomalous": part.anomalous, **values})

    samples = _samples(job, predictions, category)
    return Measured(rows, thresholds, samples)


def _thresholds(job: Job, model: Any, held: ImageSet | None) -> dict[str, Any]:
    """Return the thresholds of the rule of a job; none where no images were held out for them."""
    if held is None:
        return {"rule": job.thresholds, "images": 0}

    framing = Framing()
    predictions = predict_set(model, held, job.model.batch, framing=framing)
    limits = limits_of(predictions.scores, predictions.maps)
    found = {"rule": job.thresholds, "images": len(held), "image": limits.image}
    if limits.pixel is not None:
        found["pixel"] = limits.pixel
    return found


def _samples(job: Job, predictions: Predictions, category: str) -> dict[str, np.ndarray]:
    """Return the metrics of resamples; all models and seeds get the same draws of a category."""
    part = predictions.part(category)
    counts = intervals.count_part(part)
    name = f"{job.set}/{job.category.name}"
    weights = intervals.draws(part.labels, name=name)
    found = intervals.resampled(counts, weights)
    return {key: values for key, values in found.items() if np.isfinite(values).all()}
