"""The model of a job: one of our kinds, one of another package, or a class of other people's code."""

import inspect
import warnings
from collections.abc import Sequence
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
from synthgen.torch.benchmark.variants import Variant
from synthgen.torch.deadline import within
from synthgen.torch.evaluation import Batches
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models.base import AnomalyModel

_WARM_S = 5.0  # that training may take before the clock
_warm: set[tuple[str | None, str]] = set()


def built(job: Job, trust: bool = False, variant: Variant | None = None, members: Sequence = ()) -> Any:
    """Return a model that is not fitted yet.

    Parameters
    ----------
    job : Job
    trust : bool
        Whether classes of other code may run.
    variant : Variant, optional
        A model that is fitted for that of the job; by default that of the job itself.
    members : sequence
        Of an ensemble.

    Raises
    ------
    UsageError
        If it cannot be made; or if it is a class of other code and `trust` is False.
    """
    chosen = variant or job.model
    if is_plugin(chosen.kind):
        return _plugin(job, trust)

    made = models.load(chosen.kind).MODEL
    given = {"device": job.device, **chosen.options}
    if "seed" in made.Options.__struct_fields__:
        given["seed"] = job.seed
    if members:
        return made(members, **given)
    if made.needs_backbone and chosen.backbone is None:
        rule = "must be a name of timm's or a file of weights, got none"
        raise UsageError(f"models.{chosen.name}.backbone {rule}")
    return made(chosen.backbone, **given)


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
    """Fit each kind of model of a job to two images, once in this process: first calls compile things."""
    for variant in job.model.models():
        key = (variant.backbone, variant.kind)
        if key in _warm or variant.members or is_plugin(variant.kind):
            continue
        _warm.add(key)
        few = images.chosen(range(min(2, len(images))))
        loader = Batches(few, variant.batch, Framing(), variant.size)
        # what is wrong is said by the job itself
        with suppress(SynthgenError), warnings.catch_warnings(), within(_WARM_S):
            warnings.simplefilter("ignore")
            model = built(job, variant=variant)
            model.settings = shortened(model.settings)
            model.fit(loader, progress="none")
            model.predict(next(iter(loader)))


def shortened(settings: Any) -> Any:
    """Return the options of a model with one step of training in place of all."""
    names = {"epochs", "steps"}.intersection(settings.__struct_fields__)
    changed = {name: min(1, getattr(settings, name)) for name in names}
    return msgspec.structs.replace(settings, **changed)


def parameters_of(model: Any) -> tuple[int | None, str | None]:
    """Return the number of parameters of a model's backbones, and the fingerprints of their weights."""
    nets = _nets(model)
    if not nets:
        return None, None
    count = 0
    for net in nets:
        count += sum(weights.numel() for weights in net.parameters())
    return count, "+".join(map(fingerprint, nets))


def stored_bytes(model: Any) -> int | None:
    """Return the bytes of all tensors in the file of a model, None of one that has no file."""
    if not isinstance(model, AnomalyModel):
        return None
    total = _learned_bytes(model)
    for net in _nets(model):
        total += sum(value.nbytes for value in net.state_dict().values())
    return total


def _learned_bytes(model: AnomalyModel) -> int:
    """Return the bytes of what a model learned, its parts and members among it."""
    own = sum(value.nbytes for value in model.tensors().values())
    others = [*model.inner().values(), *model.parts()]
    return own + sum(_learned_bytes(each) for each in others if isinstance(each, AnomalyModel))


def _nets(model: Any) -> list[torch.nn.Module]:
    """Return the backbones of a model or of the members of an ensemble, each once."""
    found: dict[int, torch.nn.Module] = {}
    parts = list(model.parts()) if isinstance(model, AnomalyModel) else []
    for part in parts:
        found |= {id(net): net for net in _nets(part)}

    features = getattr(model, "features", model)
    if isinstance(features, FeatureExtractor):
        found[id(features.net)] = features.net
    return list(found.values())
