"""What is measured on the predictions of a job: the rows of `evaluate`, and the samples of intervals."""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from synthgen.layouts import ImageSet
from synthgen.layouts.framing import Framing
from synthgen.metrics import intervals, registry
from synthgen.torch.benchmark.config import is_calibrated
from synthgen.torch.benchmark.jobs import ALWAYS, Job
from synthgen.torch.ensembles.crossed import crossed_limits
from synthgen.torch.evaluation import Row, held_out_limits, measure, synthetic_limits, thresholds_of
from synthgen.torch.evaluation.limits import Thresholds
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.torch.evaluation.thresholds import HELD_OUT, SYNTHETIC


class Measured(NamedTuple):
    """What was measured in a job.

    Attributes
    ----------
    rows : list of Row
        Of the whole category, then of each kind.
    thresholds : dict
        ``rule``, ``images`` that they come from, and ``image``, ``pixel`` and ``source`` where there are any.
    samples : dict of str to ndarray
        Metrics of resamples of the test images, (R,) each.
    """

    rows: list[Row]
    thresholds: dict[str, Any]
    samples: dict[str, np.ndarray]


def measured(
    job: Job, model: Any, predictions: Predictions, held: ImageSet | None, trust: bool = False
) -> Measured:
    """Return what is measured on the predictions of a job.

    Parameters
    ----------
    job : Job
    model : TimedModel
        The fitted one.
    predictions : Predictions
    held : ImageSet or None
        Normal images that give the thresholds.
    trust : bool
        Whether metrics of other code may run.
    """
    asked = [name for name in job.metrics if name not in registry.REFINED]
    columns = registry.columns_of([*ALWAYS, *asked], trust)
    limits = _thresholds(job, model, held)
    rows = measure(predictions, None, columns, limits)

    images = 0 if held is None else len(held)
    thresholds = {"rule": job.thresholds, "images": images, **msgspec.to_builtins(limits)}
    return Measured(rows, thresholds, _samples(job, predictions))


def as_record(rows: list[Row]) -> list[dict[str, Any]]:
    """Return rows as a record has them: ``kind``, ``normal``, ``anomalous``, and the values there are."""
    found = []
    for row in rows:
        counts = {"kind": row.kind, "normal": row.normal, "anomalous": row.anomalous}
        found.append(counts | row.values)
    return found


def _thresholds(job: Job, model: Any, held: ImageSet | None) -> Thresholds:
    """Return the thresholds of the rule of a job; none where no images were held out for them."""
    if held is None or job.thresholds == "test":
        return Thresholds()

    framing = Framing()
    batch = job.model.batch
    if job.thresholds == "synthetic":
        return thresholds_of(synthetic_limits(model, held, batch, framing, job.seed), SYNTHETIC)
    if is_calibrated(job.model.kind):  # on these very images
        limits = crossed_limits(model.model, held, batch, framing)
    else:
        limits = held_out_limits(model, held, batch, framing)
    return thresholds_of(limits, HELD_OUT)


def _samples(job: Job, predictions: Predictions) -> dict[str, np.ndarray]:
    """Return the metrics of resamples."""
    ((category, _),) = predictions.parts()
    counts = intervals.count_part(predictions.part(category))
    found = intervals.resampled(counts, weights_of(job, predictions))
    return {key: values for key, values in found.items() if np.isfinite(values).all()}


def weights_of(job: Job, predictions: Predictions) -> np.ndarray:
    """Return how often each test image occurs in each resample, (R, N); all models and seeds get the same draws."""
    labels = [entry.label for entry in predictions.images.entries]
    return intervals.draws(labels, name=f"{job.set}/{job.category.name}")
