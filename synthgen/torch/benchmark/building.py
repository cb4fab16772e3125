"""The model of a job: one of our kinds, one of another package, or a class of other people's code."""

import inspect
from contextlib import suppress
from importlib import import_module
from typing import Any

import msgspec
import torch

from synthgen.errors import SynthgenError, UsageError, one_line
from synthgen.layouts import ImageSet
from synthgen.layouts.framing import Framing
from synthgen.torch import models
from synthgen.torch.backbones import fingerprint
from synthgen.torch.benchmark.config import check_trust, is_plugin
from synthgen.torch.benchmark.jobs import Job
from synthgen.torch.evaluation import Batches
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models.base import AnomalyModel

_warm: set[tuple[str | None, str]] = set()


def built(job: Job, trust: bool = False) -> Any:
    """Return the model of a job, which is not fitted yet.

    Raises
    ------
    UsageError
        If it cannot be made; or if it is a class of other code and `trust` is False.
    """
    if is_plugin(job.model.kind):
        return _plugin(job, trust)

    made = models.load(job.model.kind).MODEL
    backbone = job.model.backbone
    if made.needs_backbone and backbone is None:
        rule = "must be a name of timm's or a file of weights, got none"
        raise UsageError(f"models.{job.model.name}.backbone {rule}")
    return made(backbone, device=job.device, seed=job.seed, **job.model.options)


def _plugin(job: Job, trust: bool) -> Any:
    """Return an object of a class of other code; `seed` and `backbone` are given to one that takes them."""
    kind = job.model.kind
    check_trust(kind, job.model.name, trust)
    made = class_of(kind, job.model.name)
    given = dict(job.model.options)
    accepted = inspect.signature(made).parameters
    for name, value in (("seed", job.seed), ("backbone", job.model.backbone)):
        if name in accepted and value is not None:
            given[name] = value

    try:
        return made(**given)
    except TypeError as error:
        raise UsageError(f"models.{job.model.name} must have the options of {kind}: {one_line(error)}") from error


def class_of(kind: str, name: str) -> Any:
    """Return the class that ``module:Class`` names."""
    module, _, attribute = kind.partition(":")
    try:
        made = getattr(import_module(module), attribute)
    except Exception as error:  # whatever a stranger's module raises
        raise UsageError(f"models.{name}.kind cannot be loaded, got {kind}: {one_line(error)}") from error

    lacking = [method for method in ("fit", "predict") if not callable(getattr(made, method, None))]
    if lacking:
        listed = " and ".join(lacking)
        raise UsageError(f"models.{name}.kind must be a class with fit and predict, got {kind} without {listed}")
    return made


def prepare(job: Job) -> None:
    """Set what torch's results depend on beside the model: threads, and seeds of other people's code."""
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    torch.use_deterministic_algorithms(is_plugin(job.model.kind), warn_only=True)


def warm_up(job: Job, images: ImageSet) -> None:
    """Fit a model of the kind to two images, once in this process: first calls compile, which no clock counts."""
    key = (job.model.backbone, job.model.kind)
    if key in _warm or is_plugin(job.model.kind):
        return
    _warm.add(key)
    few = images.chosen(range(min(2, len(images))))
    loader = Batches(few, job.model.batch, Framing(), job.model.size)
    with suppress(SynthgenError):  # the job itself says what is wrong
        model = built(job)
        model.settings = shortened(model.settings)
        model.fit(loader, progress="none")
        model.predict(next(iter(loader)))


def shortened(settings: Any) -> Any:
    """Return the options of a model with one step of training in place of all."""
    names = {"epochs", "steps"}.intersection(settings.__struct_fields__)
    changed = {name: min(1, getattr(settings, name)) for name in names}
    return msgspec.structs.replace(settings, **changed)


def parameters_of(model: Any) -> tuple[int | None, str | None]:
    """Return the number of parameters of a model's backbone, and the fingerprint of its weights."""
    features = getattr(model, "features", None)
    if not isinstance(features, FeatureExtractor):
        return None, None
    count = sum(weights.numel() for weights in features.net.parameters())
    return count, fingerprint(features.net)


def stored_bytes(model: Any) -> int | None:
    """Return the bytes of all tensors in the file of a model, None of one that has no file."""
    if not isinstance(model, AnomalyModel):
        return None
    total = sum(value.nbytes for value in model.tensors().values())
    if isinstance(model.features, FeatureExtractor):
        total += sum(value.nbytes for value in model.features.net.state_dict().values())
    return total
