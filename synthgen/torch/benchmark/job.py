"""One job: fit a model to the normal images of a category, predict its test images, measure, write the record."""

import platform
import socket
import time
import traceback
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
from synthgen.torch.benchmark.clocks import PeakMemory, TimedModel, latency_ms
from synthgen.torch.benchmark.fitting import Fitted, Say, fit_model
from synthgen.torch.benchmark.heads import heads_of
from synthgen.torch.benchmark.jobs import Job, failure
from synthgen.torch.benchmark.keeping import keep_answers, keep_fits, keep_model
from synthgen.torch.benchmark.measuring import Measured, as_record, measured
from synthgen.torch.benchmark.record import HeadRecord, Images, Memory, Record, Times, write_record
from synthgen.torch.benchmark.refining import Refined, keep_prior, refined
from synthgen.torch.evaluation import predict_set
from synthgen.torch.evaluation.inspection import as_batch
from synthgen.torch.evaluation.predictions import Predictions
from synthgen.version import __version__

_SINGLE = 50  # images for the latency
_COMPARED = 4  # of them are compared with the batches
_LINES = 20  # of a traceback
_FRAMING = Framing()


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


class Predicted(NamedTuple):
    """What a model says of the test images, and what that took."""

    predictions: Predictions
    read_s: float
    predict_s: float
    ms_image: float
    latency_ms: float | None


class Answer(NamedTuple):
    """What a model says of the test images, and what was measured of it."""

    found: Predicted
    result: Measured
    measure_s: float
    refined: Refined | None = None


def _done(job: Job, folder: Path, trust: bool, say: Say) -> Record:
    """Return the record of a job that is done now."""
    building.prepare(job)
    images = splits.opened(job)
    data = splits.contents(job, images, folder)
    building.warm_up(job, images.fitting)

    peak = PeakMemory(torch.device(job.device) if job.device else None)
    fitted = fit_model(job, images.fitting, images.held, trust, say)
    if job.model.refine is not None:
        keep_prior(job, fitted.model, images.fitting)
    answers = {}
    for head, model in heads_of(fitted.model, example_of(job, images.test)).items():
        answers[head] = _answer(job, model, images, trust, say)

    for head, answer in answers.items():
        keep_answers(job, folder, answer.found.predictions, answer.result, head)
        if answer.refined is not None:
            keep_fits(job, folder, answer.refined.fits, head)
    file = keep_model(job, folder, fitted.model)
    measured_of = {head: _head_record(job, answer) for head, answer in answers.items()}
    first = next(iter(measured_of.values()))
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
        rows=first.rows,
        thresholds=first.thresholds,
        images=first.images,
        heads={} if "" in measured_of else measured_of,
        warnings=fitted.warnings,
        times=_times(job, data, fitted, list(answers.values())),
        memory=Memory(
            peak=peak.bytes(),
            gpu_peak=peak.gpu_bytes(),
            predicted=_predicted_bytes(fitted.model, data["fitted"], job),
            file=building.stored_bytes(fitted.model) if file is None else file,
            parameters=parameters,
        ),
    )


def _answer(job: Job, model: Any, images: splits.Images, trust: bool, say: Say) -> Answer:
    """Return what a model, or one of its heads, says of the test images, measured."""
    found = predict_images(job, model, images.test, say)
    say("measure")
    start = time.perf_counter()
    timed = TimedModel(model, job.model.size)
    result = measured(job, timed, found.predictions, images.held, trust)
    measure_s = time.perf_counter() - start
    if job.model.refine is None:
        return Answer(found, result, measure_s)

    say("refine")
    also = refined(job, model, found.predictions, result)
    return Answer(found, also.result, measure_s, also)


def _head_record(job: Job, answer: Answer) -> HeadRecord:
    return HeadRecord(
        rows=as_record(answer.result.rows),
        thresholds=answer.result.thresholds,
        images=_images(job, answer.found.predictions),
    )


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


def example_of(job: Job, images: ImageSet) -> torch.Tensor:
    """Return the first image of a set as the model of a job sees it, uint8 (1, 3, H, W)."""
    return _shown(images, 0, job)


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


def _times(job: Job, data: dict, fitted: Fitted, answers: list[Answer]) -> Times:
    """Return the seconds of a job; of several answers those of predicting are the first one's."""
    limit = job.time_limit
    first = answers[0].found
    is_within = limit is None or fitted.read_s + fitted.fit_s <= limit
    return Times(
        read_s=fitted.read_s + first.read_s,
        fit_s=fitted.fit_s,
        predict_s=first.predict_s,
        measure_s=sum(answer.measure_s for answer in answers),
        fit_ms_image=1000 * fitted.fit_s / max(1, data["fitted"]),
        predict_ms_image=first.ms_image,
        latency_ms=first.latency_ms,
        refine_s=_refine_s(answers),
        limit_kept=is_within and not fitted.stopped,
        stopped=fitted.stopped,
    )


def _refine_s(answers: list[Answer]) -> float | None:
    """Return the seconds of refining, None of a job that does not."""
    seconds = [answer.refined.seconds for answer in answers if answer.refined is not None]
    return sum(seconds) if seconds else None


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
