"""Backbones: timm models whose every weight is known to have found its place.

A backbone is named in one of three ways: a timm name (with timm's published weights), ``random:NAME`` (random
weights from a seed), or the path of a safetensors file. The files that ``synthgen pretrain`` writes have a card
beside them, JSON of the same name, that says which architecture they are of and how its input is normalised.
"""

import copy
import difflib
import json
import logging
import math
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from synthgen.errors import FormatError, SynthgenError, UsageError
from synthgen.extras import needed_for
from synthgen.shards.files import sha256_of

BEST = "best.safetensors"
RANDOM = "random:"
SUFFIX = ".safetensors"
_MAX_CARD = 2**20


def load_backbone(
    name_or_path,
    pretrained: bool = True,
    seed: int = 0,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    arch: str | None = None,
) -> torch.nn.Module:
    """Return a timm model in evaluation mode, whose weights have all found their places.

    Parameters
    ----------
    name_or_path : str or Path
        A timm name such as ``resnet18`` or ``resnet18.a1_in1k``, ``random:NAME``, a safetensors file of a timm
        `state_dict`, or a folder of ``synthgen pretrain``, of which the best weights are taken.
    pretrained : bool
        Take timm's published weights for a timm name; if not, they are random. Files are not touched by it.
    seed : int
        Of random weights; they are the same on any machine, with and without `features_only`.
    features_only : bool
        Return timm's feature extractor: its output is a list of maps (N, C, H, W).
    out_indices : sequence of int, optional
        Which maps, counted from 0; by default all.
    arch : str, optional
        timm name of a file that has no card.

    Returns
    -------
    torch.nn.Module
        ``model.pretrained_cfg`` has the ``mean`` and ``std``, per channel of images in [0, 1], that it expects.
        Its classifier has as many classes as the one in the file; without one there, the model has none.

    Raises
    ------
    UsageError
        If there is no such model or layer, or the weights are of another architecture; missing, unexpected and
        misshapen weights are named.
    FormatError
        If a file is damaged or no safetensors file.
    SynthgenError
        If weights could not be downloaded.
    """
    timm = import_timm()
    name, path = str(name_or_path), _weights_path(name_or_path)
    if path is not None:
        card = read_card(path)
        check_digest(path, card)
        weights, arch = _read_weights(path), _architecture(path, card, arch)
        found = {key: tuple(card[key]) for key in ("mean", "std") if key in card}
        options = size_options(arch, card.get("size"))
    else:
        pretrained, arch = pretrained and not name.startswith(RANDOM), name.removeprefix(RANDOM)
        check_architecture(arch)
        full = _published(timm, arch) if pretrained else create_model(arch, seed=seed)
        weights, found, options = full.state_dict(), full.pretrained_cfg, {}
    place = str(path or arch)
    model = create_model(arch, 0, num_classes=_classes_of(timm, arch, weights), **options)
    check_weights(place, arch, weights, model.state_dict())
    if features_only:
        model = _features(place, arch, weights, out_indices, options)
    else:
        model.load_state_dict(weights)
    model.pretrained_cfg = {**model.pretrained_cfg, **found}
    return model.eval()


def create_model(arch: str, seed: int, **options) -> torch.nn.Module:
    """Return a timm model with random weights from `seed`; torch's own state of chance stays as it was."""
    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(arch, **options)


def size_options(arch: str, size: int | tuple[int, int] | None) -> dict:
    """Return what timm must be told of the image size: nothing, but for models that are made for one size only."""
    fixed = import_timm().models.get_pretrained_cfg(arch, allow_unregistered=True).fixed_input_size
    return {"img_size": size} if fixed and size else {}


def calibrate_batch_norm(model: torch.nn.Module, loader: Iterable) -> torch.nn.Module:
    """Return a copy of a model whose batch-norm statistics are those of the given images.

    Mean and variance of each layer become the averages over the batches, each normalised by its own statistics on
    the way. Nothing else changes: with random weights this tells what is learned from what is merely rescaled.

    Parameters
    ----------
    model : torch.nn.Module
    loader : iterable
        Gives batches (N, C, H, W) as the model takes them, or sequences that begin with such a batch.

    Raises
    ------
    UsageError
        If the model has no batch norm, or the loader is empty.
    """
    model = copy.deepcopy(model)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if not any(layer.track_running_stats for layer in layers):
        raise UsageError("model: must have batch-norm layers to calibrate, got none")
    was_training, momenta = model.training, [layer.momentum for layer in layers]
    device = next(model.parameters()).device
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for a plain average
        layer.train()
    batches = 0
    with torch.no_grad():
        for batches, batch in enumerate(loader, 1):  # noqa: B007
            model((batch if isinstance(batch, torch.Tensor) else batch[0]).to(device))
    if not batches:
        raise UsageError("loader: must give images to calibrate batch norm with, got none")
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return model.train(was_training)


def import_timm():
    """Return timm, or say how to install it."""
    with needed_for("backbones"):
        import timm
    return timm


def check_architecture(arch: str) -> None:
    """Raise `UsageError` if timm has no model of this name; suggest one that is close."""
    timm = import_timm()
    if timm.is_model(arch):
        name, _, tag = arch.partition(".")
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
        if not tag or tag in tags:
            return
        raise UsageError(f"{arch}: timm's weights of {name} must be among {', '.join(tags) or 'none'}, got {tag!r}")
    close = difflib.get_close_matches(arch, timm.list_models(), 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"backbone must be a timm name, random:NAME or a safetensors file, got {arch!r}{hint}")


def check_weights(place: str, arch: str, weights: dict, expected: dict) -> None:
    """Raise `UsageError` that names weights which are missing, unexpected or of another shape."""
    shapes = [
        f"{key} {tuple(weights[key].shape)} in place of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape
    ]
    missing, unexpected = ([k for k in a if k not in b] for a, b in ((expected, weights), (weights, expected)))
    wrong = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    parts = [f"{len(names)} {what} ({_some(names)})" for what, names in wrong if names]
    if parts:
        raise UsageError(f"{place}: must be weights of {arch}, got {', '.join(parts)}")


def read_card(path: Path) -> dict:
    """Return the card beside a weights file; an empty one if there is none."""
    card = path.with_suffix(".json")
    if not card.is_file():
        return {}
    try:
        if card.stat().st_size > _MAX_CARD:
            raise FormatError(f"{card}: must be smaller than {_MAX_CARD} bytes, got {card.stat().st_size}")
        values = json.loads(card.read_bytes())
    except OSError as error:
        raise FormatError(f"{card}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{card}: is no JSON: {error}") from None
    if not isinstance(values, dict) or not isinstance(values.get("arch"), str):
        raise FormatError(f"{card}: must be the card of a backbone, with its arch")
    size = values.get("size")
    if size is not None and (type(size) is not int or not 1 <= size <= 16384):
        raise FormatError(f"{card}: size must be a whole number of pixels, got {size!r}")
    for key in ("mean", "std"):
        numbers = values.get(key, [0.5] * 3)
        good = isinstance(numbers, list) and len(numbers) == 3 and all(type(n) in (int, float) for n in numbers)
        if not good or not all(map(math.isfinite, numbers)) or (key == "std" and min(numbers) <= 0):
            raise FormatError(f"{card}: {key} must be three numbers, got {numbers!r}")
    return values


def check_digest(path: Path, card: dict) -> None:
    """Raise `FormatError` if a weights file is not the one that its card was written for."""
    digest = card.get("sha256")
    if digest is not None and sha256_of(path) != digest:
        raise FormatError(
            f"{path}: must have the SHA-256 that its card says; the file or the card is damaged, or of another run"
        )


def _weights_path(name_or_path) -> Path | None:
    """Return the file that is meant, or None for a timm name."""
    path = Path(name_or_path)
    if path.is_dir() and not import_timm().is_model(str(name_or_path)):
        path = path / BEST
        if not path.is_file():
            raise UsageError(f"{path.parent}: must be a folder of `synthgen pretrain`, it has no {BEST}")
    elif isinstance(name_or_path, str) and path.suffix != SUFFIX and not path.is_file():
        return None
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    return path


def _architecture(path: Path, card: dict, arch: str | None) -> str:
    name = card.get("arch", arch)
    if name is None:
        raise UsageError(
            f'{path}: must have a card {path.with_suffix(".json").name} beside it, such as {{"arch": "resnet18"}}, '
            "or arch=NAME be said"
        )
    if arch is not None and arch != name:
        raise UsageError(f"{path}: must be weights of {arch}, its card says {name}")
    check_architecture(name)
    return name


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    with needed_for(str(path)):
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        raise FormatError(f"{path}: is no whole safetensors file: {error}") from None


def _classes_of(timm, arch: str, weights: dict) -> int:
    """Return the classes of the classifier that the weights have, 0 without one."""
    heads, empty = timm.models.get_pretrained_cfg(arch, allow_unregistered=True).classifier, torch.tensor(0)
    for head in [heads] if isinstance(heads, str) else heads or ():
        if weights.get(f"{head}.weight", empty).ndim:
            return len(weights[f"{head}.weight"])
    return 0


def _features(place: str, arch: str, weights: dict, out_indices, options: dict) -> torch.nn.Module:
    """Return timm's feature extractor with these weights of the whole model."""
    if out_indices is not None:
        options = {**options, "out_indices": tuple(out_indices)}
    try:
        model = create_model(arch, 0, features_only=True, **options)
    except (IndexError, AssertionError):
        raise UsageError(f"{place}: {arch} has no layers {tuple(out_indices)}") from None
    except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
        raise UsageError(f"{place}: timm has no features of {arch}: {_one_line(error)}") from None
    # An extractor's names are those of the model, some with underscores in place of dots.
    known = {_flat(key): value for key, value in weights.items()}
    own = {key: known[_flat(key)] for key in model.state_dict() if _flat(key) in known}
    check_weights(place, f"the features of {arch}", own, model.state_dict())
    model.load_state_dict(own)
    return model


def _flat(key: str) -> str:
    return key.removeprefix("model.").replace(".", "_")


def _published(timm, arch: str) -> torch.nn.Module:
    """Return a model with timm's published weights, from its cache or the network."""
    if not timm.models.get_pretrained_cfg(arch, allow_unregistered=True).has_weights:
        raise UsageError(f"{arch}: timm has no published weights of it; {RANDOM}{arch} gives random ones")
    try:
        with _quiet("huggingface_hub"):
            return timm.create_model(arch, pretrained=True)
    except OSError as error:
        raise SynthgenError(
            f"{arch}: timm's weights cannot be downloaded from Hugging Face ({_one_line(error)}); offline, "
            f"give a safetensors file or {RANDOM}{arch}"
        ) from None


@contextmanager
def _quiet(name: str):
    """Keep a logger from telling of each retry."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", .." if len(names) > 3 else "")
