"""What is measured on the predictions of a job: the rows of `evaluate`, and the samples of intervals."""

from typing import Any, NamedTuple

import msgspec
import numpy as np

from synthgen.layouts import ImageSet
from synthgen.torch.benchmark.jobs import Job
from synthgen.torch.evaluation import limits_of, measure, predict_set
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.layouts.framing import Framing


class Measured(NamedTuple):
    rows: list[dict[str, Any]]
    thresholds: dict[str, Any]
    samples: dict[str, np.ndarray]
    table: list


def measured(job: Job, model, predictions: Predictions, held: ImageSet | None) -> Measured:
    table = measure(predictions)
    rows = []
    for row in table:
        values = msgspec.to_builtins(row)
        rows.append({k: v for k, v in values.items() if v is not None and k != "category"})
    return Measured(rows, {"rule": job.thresholds}, {}, table)
