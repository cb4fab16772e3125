"""From the file of a model to the model, checked before memory is taken for it."""

import warnings
from pathlib import Path

import torch

from synthgen.errors import FormatError, UsageError, one_line
from synthgen.torch import models
from synthgen.torch.backbones import (
    any_size_options,
    check_architecture,
    check_weights,
    create_model,
    create_skeleton,
    fingerprint,
    set_config,
    size_options,
)
from synthgen.torch.models.base import AnomalyModel
from synthgen.torch.models.options import make_options
from synthgen.torch.models.store import BackboneHeader, StoredModel, damaged, read_model

# Options that files of format 1 lack, with the values that their models were fitted with.
OLDER = {"pool_padding": "none", "alignment": "bilinear", "interpolation": "bilinear"}


def load_model(path, backbone: torch.nn.Module | None = None, memory: int | None = None, device=None):
    """Return the model in a file; it predicts as it did, on machines of a kind to the last bit.

    Parameters
    ----------
    path : str or Path
    backbone : torch.nn.Module, optional
        For a model whose backbone timm cannot build by its name: the module, with the same weights.
    memory, device
        As for the model's constructor.

    Returns
    -------
    AnomalyModel
        Such as `PatchCore`.

    Raises
    ------
    FormatError
        If the file is damaged, not ours, or of an unknown version or kind.
    UsageError
        If there is no such file, or the backbone is another one.

    Notes
    -----
    A small file costs little memory, whatever it says: architecture, size of the images and shapes of the tensors
    are compared on torch's meta device before anything is built.
    """
    path = Path(path)
    stored = read_model(path)
    made = _class_of(path, stored)
    options = _options_of(path, stored, made)

    own = stored.header.backbone
    if made.needs_backbone != (own is not None):
        raise damaged(path, f"a {made.kind} has {'a' if made.needs_backbone else 'no'} backbone")
    if own is not None:
        if backbone is None:
            backbone = _built(path, own, stored)
        elif fingerprint(backbone) != own.fingerprint:
            raise UsageError(f"{path}: backbone must have the weights of {own.arch} that the model was fitted with")

    model = made(backbone, memory=memory, device=device, **options)
    _fill(path, model, stored)
    return model


def _class_of(path: Path, stored: StoredModel) -> type[AnomalyModel]:
    """Return the class of the model in a file."""
    kind = stored.header.kind
    if kind not in models.kinds():
        raise FormatError(f"{path}: unknown kind {kind}; a newer synthgen reads it")
    return models.load(kind).MODEL


def _options_of(path: Path, stored: StoredModel, made: type[AnomalyModel]) -> dict:
    """Return the options of the model in a file, checked."""
    options = dict(stored.header.options)
    if stored.header.format == 1:
        options = {**OLDER, **options}
    try:
        settings = make_options(made.Options, options)
    except UsageError as error:
        raise damaged(path, str(error)) from error

    if stored.header.format == 1 and made.needs_backbone and settings.pool > 1:
        padding = f"pool_padding {settings.pool_padding}"
        warnings.warn(
            f"{path}: an older synthgen fitted this model with {padding}; fit it again",
            stacklevel=3,
        )
    return options


def _built(path: Path, made: BackboneHeader, stored: StoredModel) -> torch.nn.Module:
    """Return the backbone as timm builds it, with its weights."""
    arch = made.arch
    if arch is None:
        raise UsageError(f"{path}: backbone must be given, timm has no name for it")
    check_architecture(arch)  # timm would look up others on the network

    arguments = _arguments_of(arch, made, stored)
    try:
        skeleton = create_skeleton(arch, **arguments)
        check_weights(str(path), arch, stored.weights, skeleton.state_dict())
        net = create_model(arch, 0, **arguments)
    except (RuntimeError, ValueError, LookupError, AssertionError, TypeError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise FormatError(f"{path}: timm cannot build {arch}: {one_line(error)}") from error

    net.load_state_dict(stored.weights)
    set_config(net, mean=made.mean, std=made.std)
    if fingerprint(net) != made.fingerprint:
        raise damaged(path, "the weights of its backbone are others")
    return net


def _arguments_of(arch: str, made: BackboneHeader, stored: StoredModel) -> dict:
    """Return what timm is given to build the backbone."""
    arguments = size_options(arch, stored.header.image_size) | any_size_options(arch, stored.weights)
    if made.form == "features":
        return {**arguments, "features_only": True, "out_indices": made.levels}
    return {**arguments, "num_classes": made.classes}


def _fill(path: Path, model, stored: StoredModel) -> None:
    """Give a model the tensors of a file, if they have the right forms."""
    size = stored.header.image_size
    model.image_size = size
    model.notes = stored.header.notes

    try:
        shape = model.features.shape(size)
    except UsageError as error:
        raise damaged(path, str(error)) from None

    for name, form in model.state_forms(shape).items():
        tensor = stored.tensors.get(name)
        if tensor is None:
            raise damaged(path, f"it has no {name}")
        _check_form(path, name, tensor, form)
        _check_values(path, name, tensor, shape[0])
        setattr(model, name, tensor.to(model.device))


def _check_form(path: Path, name: str, tensor: torch.Tensor, form: tuple) -> None:
    """Refuse a tensor of another shape or type; None in a shape is any length but 0."""
    shape, dtype = form
    found = list(tensor.shape)
    wanted = list(shape)
    for axis, length in enumerate(found[: len(wanted)]):
        if wanted[axis] is None and length > 0:
            wanted[axis] = length

    if tensor.dtype != dtype or found != wanted:
        rule = ["any" if length is None else length for length in shape]
        raise damaged(path, f"{name} must be {dtype} {rule}, got {tensor.dtype} {found}")


def _check_values(path: Path, name: str, tensor: torch.Tensor, channels: int) -> None:
    """Refuse numbers that are not finite, and integers that number no channel."""
    if tensor.is_floating_point():
        finite = torch.isfinite(tensor)
        if not finite.all():
            raise damaged(path, f"{name} must be finite")
        return

    inside = (tensor >= 0) & (tensor < channels)
    if not inside.all():
        raise damaged(path, f"{name} must number channels below {channels}")
