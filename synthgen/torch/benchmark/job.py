"""One job: fit a model to the normal images of a category, predict its test images, measure, write the record."""

import inspect
import platform
import socket
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import timm
import torch

from synthgen.errors import one_line
from synthgen.layouts import ImageSet
from synthgen.layouts.framing import Framing, shown
from synthgen.torch.benchmark import building, splits
from synthgen.torch.benchmark.checks import check_alone, check_repeatable
from synthgen.torch.benchmark.clocks import PeakMemory, TimedLoader, TimedModel, latency_ms
from synthgen.torch.benchmark.jobs import Job, failure
from synthgen.torch.benchmark.keeping import keep_files
from synthgen.torch.benchmark.measuring import measured
from synthgen.torch.benchmark.record import Images, Memory, Record, Times, write_record
from synthgen.torch.calibrate import calibrate_model
from synthgen.torch.evaluation import Batches, predict_set
from synthgen.torch.evaluation.inspection import as_batch
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.version import __version__

_SINGLE = 50  # images for the latency
_COMPARED = 4  # of them are compared with the batches
_LINES = 20  # of a traceback
_FRAMING = Framing()
Say = Callable[[str], object]


def run_job(job: Job, folder: Path, trust: bool = False, say: Say | None = None) -> Record:
    """Do a job, and write its record into the folder of the benchmark, also where the job fails.

    Parameters
    ----------
    job : Job
    folder : Path
    trust : bool
        Whether classes of other code may run.
    say : callable, optional
        Given a word on what is being done.

    Returns
    -------
    Record
    """
    say = say or str
    now = datetime.now().astimezone()
    started = now.isoformat(timespec="seconds")
    try:
        record = _done(job, folder, trust, say)
    except Exception as error:  # noqa: BLE001 - a model may fail in any way, and the other jobs go on
        lines = traceback.format_exc().splitlines()
        reason = f"{type(error).__name__}: {one_line(error, 400)}"
        record = failure(job, reason, lines[-_LINES:])

    record = msgspec.structs.replace(record, started=started, versions=_versions(), machine=_machine(job))
    write_record(job.path(folder), record)
    return record


class Fitted(NamedTuple):
    """A fitted model, and the seconds of reading and of fitting."""

    model: Any
    read_s: float
    fit_s: float


class Predicted(NamedTuple):
    """What a model says of the test images, and what that took."""

    predictions: Predictions
    read_s: float
    predict_s: float
    ms_image: float
    latency_ms: float | None


def _done(job: Job, folder: Path, trust: bool, say: Say) -> Record:
    """Return the record of a job that is done now."""
    building.prepare(job)
    images = splits.opened(job)
    data = splits.contents(job, images, folder)
    building.warm_up(job, images.fitting)

    peak = PeakMemory(torch.device(job.device) if job.device else None)
    fitted = fit_model(job, images.fitting, trust, say)
    found = predict_images(job, fitted.model, images.test, say)

    say("measure")
    start = time.perf_counter()
    model = TimedModel(fitted.model, job.model.size)
    result = measured(job, model, found.predictions, images.held, trust)
    measure_s = time.perf_counter() - start

    file = keep_files(job, folder, fitted.model, found.predictions, result)
    parameters, fingerprint = building.parameters_of(fitted.model)
    return Record(
        model=job.model.name,
        set=job.set,
        category=job.category.name,
        seed=job.seed,
        fingerprint=job.fingerprint,
        spec=job.spec,
        data=data,
        backbone=fingerprint,
        rows=result.rows,
        thresholds=result.thresholds,
        images=_images(job, found.predictions),
        times=_times(job, data, fitted, found, measure_s),
        memory=Memory(
            peak=peak.bytes(),
            gpu_peak=peak.gpu_bytes(),
            predicted=_predicted_bytes(fitted.model, data["fitted"], job),
            file=building.stored_bytes(fitted.model) if file is None else file,
            parameters=parameters,
        ),
    )


def fit_model(job: Job, images: ImageSet, trust: bool, say: Say = str) -> Fitted:
    """Return the model of a job, fitted."""
    say("load")
    model = building.built(job, trust)
    loader = TimedLoader(Batches(images, job.model.batch, _FRAMING, job.model.size))

    say("fit")
    start = time.perf_counter()
    if job.model.calibrate:
        calibrate_model(model, loader, job.model.calibrate)
    _fit(model, loader, job, start)
    seconds = time.perf_counter() - start
    return Fitted(model, loader.seconds, seconds - loader.seconds)


def _fit(model: Any, loader: TimedLoader, job: Job, start: float) -> None:
    """Fit a model; one that learns in epochs is given a function that says when its time is over."""
    accepted = inspect.signature(model.fit).parameters
    given: dict[str, Any] = {}
    if "progress" in accepted:
        given["progress"] = "none"
    if "stop" in accepted and job.time_limit is not None:
        limit = job.time_limit
        given["stop"] = lambda *epoch: time.perf_counter() - start >= limit
    model.fit(loader, **given)


def predict_images(job: Job, model: Any, images: ImageSet, say: Say = str) -> Predicted:
    """Return what a model says of the test images; refuse one whose answers cannot be believed."""
    say("predict")
    timed = TimedModel(model, job.model.size)
    start = time.perf_counter()
    predictions = predict_set(timed, images, job.model.batch, framing=_FRAMING)
    seconds = time.perf_counter() - start
    predict_s = timed.seconds
    ms_image = timed.ms_image

    singles = [_shown(images, place, job) for place in range(min(_SINGLE, len(images)))]
    latency, answers = latency_ms(model.predict, singles)
    _check(timed.kind, model, singles, answers, predictions)
    return Predicted(predictions, seconds - predict_s, predict_s, ms_image, latency)


def _shown(images: ImageSet, place: int, job: Job) -> torch.Tensor:
    """Return an image as the model sees it, uint8 (1, 3, H, W)."""
    image = images[place].image
    (part,) = _FRAMING.parts(image.shape[:2], job.model.size)
    return as_batch([shown(image, part, job.model.size)])


def _check(kind: str, model: Any, singles: list, answers: list, predictions: Predictions) -> None:
    """Compare answers on single images with each other, and with those of the batches."""
    check_repeatable(kind, answers[0], model.predict(singles[0]))
    for place, answer in enumerate(answers[:_COMPARED]):
        scores = predictions.scores[place : place + 1]
        maps = None if predictions.maps is None else np.asarray(predictions.maps[place])[None]
        check_alone(kind, answer, (scores, maps))


def _images(job: Job, predictions: Predictions) -> Images:
    """Return what the record keeps of the test images; files are named from the category's folder on."""
    entries = list(predictions.images.entries)
    home = Path(job.category.test)
    names = []
    for entry in entries:
        path = Path(entry.name)
        is_inside = path.is_relative_to(home)
        names.append(path.relative_to(home).as_posix() if is_inside else entry.name)
    return Images(
        names=names,
        kinds=[entry.kind for entry in entries],
        labels=[entry.label for entry in entries],
        scores=[float(score) for score in predictions.scores],
    )


def _times(job: Job, data: dict, fitted: Fitted, found: Predicted, measure_s: float) -> Times:
    limit = job.time_limit
    return Times(
        read_s=fitted.read_s + found.read_s,
        fit_s=fitted.fit_s,
        predict_s=found.predict_s,
        measure_s=measure_s,
        fit_ms_image=1000 * fitted.fit_s / max(1, data["fitted"]),
        predict_ms_image=found.ms_image,
        latency_ms=found.latency_ms,
        limit_kept=limit is None or fitted.fit_s <= limit,
    )


def _predicted_bytes(model: Any, images: int, job: Job) -> int | None:
    """Return what a model says that it learns, in bytes; None of one that does not say."""
    if not hasattr(model, "predicted_bytes"):
        return None
    return model.predicted_bytes(images, job.model.size)


def _versions() -> dict[str, str]:
    return {
        "synthgen": __version__,
        "torch": str(torch.__version__),
        "timm": timm.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _machine(job: Job) -> dict[str, Any]:
    device = job.device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return {
        "host": socket.gethostname(),
        "device": device,
        "name": name,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
