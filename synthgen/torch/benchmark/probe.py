"""What a benchmark would take: its jobs, time and memory, from a short probe of each model; and what is missing.

The probe fits each model to a few images and predicts a few. Reading, predicting and measuring grow with the number
of images. Fitting grows with it, and where a coreset is chosen with its square; or it takes a number of steps,
however many images there are: two probes tell these apart. Of a training only the first epochs or steps are tried.
Memory grows by what the model itself says that it needs.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from synthgen.machine import human_bytes, human_time
from synthgen.torch.benchmark.config import Benchmark, DataSet, check_trust, recipe_of
from synthgen.torch.benchmark.jobs import Job, chosen, make_plan
from synthgen.torch.benchmark.record import read_record
from synthgen.torch.benchmark.sources import DRAWN, draw_missing
from synthgen.torch.benchmark.variants import Variant

_IMAGES = 8  # of each kind of a probe, at most
_TRIED = {"epochs": 2, "steps": 20}  # of a training, at most


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What the jobs of a model are expected to take.

    Parameters
    ----------
    model : str
    jobs : int
        Those that are left.
    seconds : float or None
        Of all of them, one after the other; None where the model cannot be tried.
    bytes : int or None
        Most memory of one.
    reason : str or None
        Why it cannot be tried.
    """

    model: str
    jobs: int
    seconds: float | None = None
    bytes: int | None = None
    reason: str | None = None


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark would take.

    Parameters
    ----------
    benchmark : str
    jobs, done : int
    missing, notes : list of str
    models : list of Expected
    workers : int
    seconds : float or None
        With so many workers, the start of each among them.
    bytes : int or None
        Most memory with so many workers, beyond what a worker without a job takes.
    """

    benchmark: str
    jobs: int
    done: int
    missing: list[str]
    notes: list[str]
    models: list[Expected]
    workers: int
    seconds: float | None
    bytes: int | None


class _Counts(NamedTuple):
    """The images of a category: for fitting, held out, and for testing."""

    fitted: int
    held: int
    tested: int


def forecast(
    benchmark: Benchmark, folder: Path, workers: int = 1, only: Sequence[str] = (), trust: bool = False
) -> Forecast:
    """Return what the jobs of a benchmark would take that have no record in a folder yet.

    Nothing is written into the folder: what is to be drawn is drawn elsewhere, a few images of each.
    """
    plan = make_plan(benchmark, folder)
    jobs = chosen(plan.jobs, only) if plan.jobs else []
    left = [job for job in jobs if read_record(job.path(folder)) is None]
    by_model: dict[str, list[Job]] = {}
    for job in left:
        by_model.setdefault(job.model.name, []).append(job)

    if plan.missing:
        models = [Expected(model=name, jobs=len(of_model)) for name, of_model in by_model.items()]
        start = 0.0
    else:
        begin = time.perf_counter()
        models = _tried(benchmark, by_model, plan.skipped, trust)
        start = _start_seconds(begin)

    return Forecast(
        benchmark=benchmark.benchmark,
        jobs=len(jobs),
        done=len(jobs) - len(left),
        missing=plan.missing,
        notes=plan.notes,
        models=models,
        workers=workers,
        seconds=_all_seconds(models, workers, start),
        bytes=_all_bytes(models, workers),
    )


_loaded: list[float] = []


def _start_seconds(begin: float) -> float:
    """Return the seconds that a worker takes before its first job: those of loading torch here, since `begin`.

    0 where this process had loaded it before: then they are not known.
    """
    return max(0.0, _loaded[0] - begin) if _loaded else 0.0


def _all_seconds(models: list[Expected], workers: int, start: float) -> float | None:
    known = [model.seconds for model in models if model.seconds is not None]
    if not known:
        return None
    return start + sum(known) / max(1, workers)


def _all_bytes(models: list[Expected], workers: int) -> int | None:
    known = sorted((model.bytes for model in models if model.bytes is not None), reverse=True)
    if not known:
        return None
    return known[0] * max(1, workers)


def _tried(
    benchmark: Benchmark, by_model: dict[str, list[Job]], skipped: dict[str, str], trust: bool
) -> list[Expected]:
    """Return what the jobs of each model take, by a probe of the first of them."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        samples = _Samples(benchmark, Path(place))
        for name, jobs in by_model.items():
            if name in skipped:
                found.append(Expected(model=name, jobs=len(jobs), reason=skipped[name]))
                continue
            try:
                check_trust(jobs[0].model.kind, name, trust)
                found.append(_of_model(name, jobs, samples, trust))
            except Exception as error:  # noqa: BLE001 - a model may fail in any way; the plan says so
                reason = f"{type(error).__name__}: {error}"
                found.append(Expected(model=name, jobs=len(jobs), reason=reason))
    return found


class _Samples:
    """The images of probes: those of the data sets, or a few of each category that is to be drawn."""

    def __init__(self, benchmark: Benchmark, place: Path):
        self._benchmark = benchmark
        self._place = place
        self._counts: dict[str, _Counts] = {}

    def of_job(self, job: Job) -> Job:
        """Return a job whose images are there."""
        given = self._benchmark.sets[job.set]
        if given.draw is None:
            return job

        draw_missing(job.set, self._smaller(given, job), [job.category.name], self._place, "none")
        home = self._place / DRAWN / job.set
        normal = home / Path(job.category.normal).name
        test = home / Path(job.category.test).name
        category = msgspec.structs.replace(job.category, normal=str(normal), test=str(test))
        return msgspec.structs.replace(job, category=category)

    def _smaller(self, given: DataSet, job: Job) -> DataSet:
        """Return a data set with the category of a job alone, and a few images of each class."""
        drawn = (given.draw or {})[job.category.name]
        parts: dict[str, Any] = {}
        for part in ("normal", "test"):
            recipe = recipe_of(getattr(drawn, part), part)
            few = min(_IMAGES, recipe.per_class)
            parts[part] = {**recipe.to_dict(), "per_class": few}
        smaller = msgspec.structs.replace(drawn, **parts)
        return msgspec.structs.replace(given, draw={job.category.name: smaller}, classes=())

    def counts(self, job: Job) -> _Counts:
        """Return how many images a job has."""
        key = f"{job.set}/{job.category.name}"
        if key not in self._counts:
            self._counts[key] = self._counted(job)
        return self._counts[key]

    def _counted(self, job: Job) -> _Counts:
        from synthgen.torch.benchmark.splits import held_count, opened

        given = self._benchmark.sets[job.set]
        if given.draw is None:
            images = opened(job)
            held = 0 if images.held is None else len(images.held)
            return _Counts(len(images.fitting), held, len(images.test))

        drawn = given.draw[job.category.name]
        normal = recipe_of(drawn.normal, "normal").count
        held = 0 if job.thresholds == "test" else held_count(normal)
        return _Counts(normal - held, held, recipe_of(drawn.test, "test").count)


class _Cost(NamedTuple):
    """What a probe took: seconds of fitting to a few images and to half of them, and of all else for an image.

    `share` is that of its epochs or steps which a training was tried for.
    """

    few: int
    fit_s: float
    fit_half_s: float
    share: float
    read_s: float
    load_s: float
    test_s: float
    latency_s: float
    bytes: int
    model: Any


def _of_model(name: str, jobs: list[Job], samples: _Samples, trust: bool) -> Expected:
    cost = _probed(samples.of_job(jobs[0]), trust)
    seconds = 0.0
    most = 0
    for job in jobs:
        counts = samples.counts(job)
        seconds += _seconds(cost, counts, job.time_limit)
        most = max(most, _bytes(cost, counts, job))
    return Expected(model=name, jobs=len(jobs), seconds=seconds, bytes=most)


def _seconds(cost: _Cost, counts: _Counts, limit: float | None) -> float:
    """Return the seconds of a job, from those of a probe."""
    fit = _fit_seconds(cost, counts.fitted)
    if limit is not None:
        fit = min(fit, limit)
    singles = min(50, counts.tested) * cost.latency_s
    images = counts.tested + counts.held
    return cost.load_s + fit + cost.read_s * counts.fitted + cost.test_s * images + singles


def _fit_seconds(cost: _Cost, images: int) -> float:
    """Return the seconds of fitting to some images, which grow with them in a line or with their square."""
    half = max(1, cost.few // 2)
    beyond = cost.fit_s - cost.fit_half_s * cost.few / half
    squares = cost.few**2 - cost.few * half
    if beyond > 0 and squares:
        quadratic = beyond / squares
        linear = max(0.0, cost.fit_s - quadratic * cost.few**2) / cost.few
        return (linear * images + quadratic * images**2) / cost.share

    # a line that begins above 0
    slope = max(0.0, cost.fit_s - cost.fit_half_s) / max(1, cost.few - half)
    return (cost.fit_s + slope * (images - cost.few)) / cost.share


def _bytes(cost: _Cost, counts: _Counts, job: Job) -> int:
    """Return the memory of a job: that of a probe, and what the model needs for the other images."""
    needed = getattr(cost.model, "needed_bytes", None)
    if needed is None:
        return cost.bytes
    more = needed(counts.fitted, job.model.size) - needed(cost.few, job.model.size)
    return cost.bytes + max(0, more)


def _probed(job: Job, trust: bool) -> _Cost:
    """Fit the model of a job to a few images, and measure it on a few."""
    from synthgen.torch.benchmark import building
    from synthgen.torch.benchmark.clocks import PeakMemory
    from synthgen.torch.benchmark.fitting import fit_model
    from synthgen.torch.benchmark.heads import heads_of
    from synthgen.torch.benchmark.job import example_of, predict_images
    from synthgen.torch.benchmark.measuring import measured
    from synthgen.torch.benchmark.refining import keep_prior, refined
    from synthgen.torch.benchmark.splits import opened

    if not _loaded:
        _loaded.append(time.perf_counter())
    building.prepare(job)
    images = opened(job)
    few = min(_IMAGES, len(images.fitting))
    some = images.fitting.chosen(range(few))
    test = images.test.chosen(_mixed(images.test.labels))

    building.warm_up(job, some)

    peak = PeakMemory(None)
    start = time.perf_counter()
    short, share = _shortened(job)
    fitted = fit_model(short, some, some, trust)
    load_s = time.perf_counter() - start - fitted.fit_s - fitted.read_s
    less = some.chosen(range(max(1, few // 2)))
    half = fit_model(short, less, less, trust)

    is_refined = job.model.refine is not None
    held = (images.held or some) if is_refined else None
    start = time.perf_counter()
    if is_refined:
        keep_prior(job, fitted.model, some)
    for model in heads_of(fitted.model, example_of(job, test)).values():
        found = predict_images(job, model, test)
        result = measured(job, model, found.predictions, held, trust)
        if is_refined:
            refined(job, model, found.predictions, result)
    latency = (found.latency_ms or 0) / 1000
    test_s = (time.perf_counter() - start - (len(test) + 1) * latency) / len(test)
    return _Cost(
        few=few,
        fit_s=fitted.fit_s,
        fit_half_s=half.fit_s,
        share=share,
        read_s=fitted.read_s / few,
        load_s=load_s,
        test_s=max(0.0, test_s),
        latency_s=latency,
        bytes=peak.bytes() or 0,
        model=fitted.model,
    )


def _shortened(job: Job) -> tuple[Job, float]:
    """Return a job with fewer epochs and steps of training, and their share of those that were asked for."""
    model, share = _shorter(job.model)
    return msgspec.structs.replace(job, model=model), share


def _shorter(variant: Variant) -> tuple[Variant, float]:
    """Return a model and its members with fewer epochs and steps, and the least share that is left of any."""
    members = []
    share = 1.0
    for member in variant.members:
        if isinstance(member, Variant):
            member, of_member = _shorter(member)
            share = min(share, of_member)
        members.append(member)

    options = dict(variant.options)
    resolved = variant.resolved()
    for name, most in _TRIED.items():
        wanted = resolved.get(name)
        if isinstance(wanted, int) and wanted > most:
            options[name] = most
            share = min(share, most / wanted)
    return msgspec.structs.replace(variant, options=options, members=tuple(members)), share


def _mixed(labels) -> list[int]:
    """Return the places of a few normal and a few anomalous images."""
    normal = [place for place, label in enumerate(labels) if not label]
    anomalous = [place for place, label in enumerate(labels) if label]
    half = _IMAGES // 2
    step = math.ceil(len(anomalous) / half)
    return sorted(normal[:half] + anomalous[::step])


def format_forecast(found: Forecast) -> str:
    """Return a forecast for people."""
    models = len(found.models)
    done = f", {found.done} of them done" if found.done else ""
    lines = [f"{found.benchmark}: {found.jobs} jobs{done}, {models} models with jobs left"]
    width = max((len(model.model) for model in found.models), default=5)
    for model in found.models:
        lines.append(f"  {model.model:{width}}  {model.jobs:5d} jobs  {_cost_text(model)}")

    if found.seconds is not None:
        memory = "" if found.bytes is None else f", up to {human_bytes(found.bytes)} beyond torch itself"
        workers = "1 worker" if found.workers == 1 else f"{found.workers} workers"
        lines.append(f"  together about {human_time(found.seconds)} with {workers}{memory}")
    lines += [f"missing: {line}" for line in found.missing]
    return "\n".join([*lines, *found.notes])


def _cost_text(model: Expected) -> str:
    if model.reason is not None:
        return f"cannot be tried: {model.reason}"
    if model.seconds is None:
        return "not tried"
    memory = "" if model.bytes is None else human_bytes(model.bytes)
    return f"{human_time(model.seconds):>12}  {memory:>9}"
