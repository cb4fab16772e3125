"""What a job keeps beside its record: samples for intervals, scores, maps, the model, plots."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.shards.files import make_folder, write_atomically
from synthgen.tables import write_csv
from synthgen.torch.benchmark.jobs import Job
from synthgen.torch.benchmark.measuring import Measured
from synthgen.torch.benchmark.record import MAPS, SAMPLES
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.torch.refinement.measure import Fit

_COLUMNS = ("image", "category", "kind", "score")


def keep_answers(job: Job, folder: Path, predictions: Predictions, result: Measured, head: str = "") -> None:
    """Write what is kept of the answers of a model; those of a head have its name behind the seed."""
    ending = f".{head}" if head else ""
    write_samples(_made(job.path(folder, SAMPLES, f"{ending}.npz")), result.samples)
    if "scores" in job.keep:
        _write_scores(_made(job.path(folder, "scores", f"{ending}.csv")), predictions)
    if "maps" in job.keep and predictions.maps is not None:
        _write_maps(job.path(folder, MAPS, ending), predictions.maps)
    if "pictures" in job.keep:
        _draw(job.path(folder, "pictures", ending), predictions)


def keep_fits(job: Job, folder: Path, found: list[Fit], head: str = "") -> None:
    """Write how well the masks of each image fit before and after they were refined."""
    ending = f".{head}" if head else ""
    rows = [fit._asdict() for fit in found]
    write_csv(_made(job.path(folder, "refined", f"{ending}.csv")), rows, Fit._fields)


def keep_model(job: Job, folder: Path, model: Any) -> int | None:
    """Write the model if it is to be kept, and return the bytes of its file."""
    if "models" not in job.keep or not hasattr(model, "save"):
        return None
    path = _made(job.path(folder, "models", ".safetensors"))
    model.save(path)
    return path.stat().st_size


def write_samples(path: Path, samples: dict[str, np.ndarray]) -> None:
    """Write the metrics of resamples, float32."""
    plain = {name: values.astype(np.float32) for name, values in samples.items()}
    file = io.BytesIO()
    np.savez(file, **plain)  # type: ignore[arg-type]
    write_atomically(path, file.getvalue())


def _made(path: Path) -> Path:
    make_folder(path.parent)
    return path


def _write_scores(path: Path, predictions: Predictions) -> None:
    rows = []
    for entry, score in zip(predictions.images.entries, predictions.scores, strict=True):
        values = (entry.name, entry.category, entry.kind, float(score))
        rows.append(dict(zip(_COLUMNS, values, strict=True)))
    write_csv(path, rows, _COLUMNS)


def _write_maps(folder: Path, maps: Iterable[np.ndarray]) -> None:
    """Write each map as float16, numbered as the rows of the scores."""
    make_folder(folder)
    for number, scores in enumerate(maps):
        file = io.BytesIO()
        np.save(file, np.asarray(scores, np.float16))
        write_atomically(folder / f"{number:05d}.npy", file.getvalue())


def _draw(folder: Path, predictions: Predictions) -> None:
    """Draw the curves that `evaluate` draws."""
    from synthgen.torch.evaluation import measure, plot_curves

    make_folder(folder)
    plot_curves(predictions, measure(predictions), folder)
