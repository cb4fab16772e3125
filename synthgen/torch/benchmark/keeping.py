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
from synthgen.torch.evaluation.predictions import Predictions

SAMPLES = "samples"
_COLUMNS = ("image", "category", "kind", "score")


def keep_files(job: Job, folder: Path, model: Any, predictions: Predictions, result: Measured) -> int | None:
    """Write what is kept of a job; return the bytes of the model's file if that is kept."""
    write_samples(_made(job.path(folder, SAMPLES, ".npz")), result.samples)
    if "scores" in job.keep:
        _write_scores(_made(job.path(folder, "scores", ".csv")), predictions)
    if "maps" in job.keep and predictions.maps is not None:
        _write_maps(job.path(folder, "maps", ""), predictions.maps)
    if "pictures" in job.keep:
        _draw(job.path(folder, "pictures", ""), predictions)

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
