"""From the file of a model to the model, checked before memory is taken for it."""

import warnings
from pathlib import Path
from typing import Any

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
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models.base import AnomalyModel, choose_device
from synthgen.torch.models.options import FEATURE_OPTIONS, make_options
from synthgen.torch.models.store import (
    FEATURES,
    MEMBER,
    BackboneHeader,
    PartHeader,
    StoredModel,
    damaged,
    read_model,
)

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
    if backbone is not None:
        _check_given(path, stored, backbone)
    return _Builder(path, stored, backbone, memory, device).model(stored.header.model, "")


def _check_given(path: Path, stored: StoredModel, backbone: torch.nn.Module) -> None:
    """Refuse a backbone that is not the one that the file is of."""
    if len(stored.header.backbones) != 1:
        raise UsageError(f"{path}: backbone must be left out for a model of several")
    known = stored.header.backbones[0]
    if fingerprint(backbone) != known.fingerprint:
        raise UsageError(f"{path}: backbone must have the weights of {known.arch} that the model was fitted with")


class _Builder:
    """Makes the model of a file, and its members; members on one backbone share it.

    Parameters
    ----------
    path : Path
    stored : StoredModel
    backbone, memory, device
        As for `load_model`.
    """

    def __init__(self, path: Path, stored: StoredModel, backbone, memory, device):
        self._path = path
        self._stored = stored
        self._backbone = backbone
        self._memory = memory
        self._device = device
        self._built: dict[int, torch.nn.Module] = {}

    def model(self, part: PartHeader, prefix: str) -> AnomalyModel:
        """Return the model of a record, whose tensors have this beginning."""
        made = self._class_of(part)
        options = self._options_of(part, made)
        given: Any
        if part.members:
            given = [self._member(each, f"{prefix}{MEMBER}{k}.") for k, each in enumerate(part.members)]
        else:
            given = self._net_of(made, part)

        try:
            model = made(given, memory=self._memory, device=self._device, **options)
        except UsageError as error:
            if part.members:
                raise damaged(self._path, str(error)) from None
            raise
        self._fill(model, part, prefix)
        return model

    def _member(self, part: PartHeader, prefix: str) -> AnomalyModel | FeatureExtractor:
        """Return a member of an ensemble."""
        if part.kind != FEATURES:
            return self.model(part, prefix)

        options: dict[str, Any] = {name: part.options.get(name) for name in FEATURE_OPTIONS}
        net = self._net(part)
        try:
            return FeatureExtractor(net, device=choose_device(self._device), **options)
        except (UsageError, TypeError) as error:
            raise damaged(self._path, one_line(error)) from None

    def _net_of(self, made: type[AnomalyModel], part: PartHeader) -> torch.nn.Module | None:
        """Return the backbone of a model, None of a kind that has none."""
        has_one = part.backbone is not None
        if made.needs_backbone != has_one:
            raise damaged(self._path, f"a {made.kind} has {'a' if made.needs_backbone else 'no'} backbone")
        return self._net(part) if has_one else None

    def _net(self, part: PartHeader) -> torch.nn.Module:
        """Return the backbone of a model or an extractor."""
        if self._backbone is not None:
            return self._backbone

        number = part.backbone
        if number is None or number >= len(self._stored.header.backbones):
            raise damaged(self._path, f"backbone must be one of its backbones, got {number}")
        if number not in self._built:
            self._built[number] = _built(self._path, self._stored, number, part.image_size)
        return self._built[number]

    def _class_of(self, part: PartHeader) -> type[AnomalyModel]:
        """Return the class of a model."""
        if part.kind not in models.kinds():
            raise FormatError(f"{self._path}: unknown kind {part.kind}; a newer synthgen reads it")
        made = models.load(part.kind).MODEL
        if bool(part.members) != made.is_ensemble:
            raise damaged(self._path, f"{part.kind} with {len(part.members)} members")
        return made

    def _options_of(self, part: PartHeader, made: type[AnomalyModel]) -> dict:
        """Return the options of a model, checked."""
        options = dict(part.options)
        is_older = self._stored.header.format == 1
        if is_older:
            options = {**OLDER, **options}
        try:
            settings = make_options(made.Options, options)
        except UsageError as error:
            raise damaged(self._path, str(error)) from error

        if is_older and made.needs_backbone and settings.pool > 1:
            padding = f"pool_padding {settings.pool_padding}"
            warnings.warn(
                f"{self._path}: an older synthgen fitted this model with {padding}; fit it again",
                stacklevel=4,
            )
        return options

    def _fill(self, model: AnomalyModel, part: PartHeader, prefix: str) -> None:
        """Give a model the tensors of the file, if they have the right forms."""
        model.image_size = part.image_size
        model.notes = part.notes
        self._fill_tensors(model, prefix)
        for beginning, inner in model.inner().items():
            inner.image_size = part.image_size
            self._fill_tensors(inner, prefix + beginning)

    def _fill_tensors(self, model: AnomalyModel, prefix: str) -> None:
        size = model._need_fit()
        try:
            shape = model.features.shape(size)
        except UsageError as error:
            raise damaged(self._path, str(error)) from None

        taken = {}
        for name, form in model.state_forms(shape).items():
            tensor = self._stored.tensors.get(prefix + name)
            if tensor is None:
                raise damaged(self._path, f"it has no {prefix}{name}")
            _check_form(self._path, prefix + name, tensor, form)
            _check_values(self._path, prefix + name, tensor, shape[0] if model.counts_channels else None)
            taken[name] = tensor.to(model.state_device)
        model.take(taken)


def _built(path: Path, stored: StoredModel, number: int, size: tuple[int, int]) -> torch.nn.Module:
    """Return a backbone as timm builds it, with its weights."""
    made = stored.header.backbones[number]
    weights = stored.weights[number]
    arch = made.arch
    if arch is None:
        raise UsageError(f"{path}: backbone must be given, timm has no name for it")
    check_architecture(arch)  # timm would look up others on the network

    arguments = _arguments_of(arch, made, weights, size)
    try:
        skeleton = create_skeleton(arch, **arguments)
        check_weights(str(path), arch, weights, skeleton.state_dict())
        net = create_model(arch, 0, **arguments)
    except (RuntimeError, ValueError, LookupError, AssertionError, TypeError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        raise FormatError(f"{path}: timm cannot build {arch}: {one_line(error)}") from error

    net.load_state_dict(weights)
    set_config(net, mean=made.mean, std=made.std)
    if fingerprint(net) != made.fingerprint:
        raise damaged(path, "the weights of its backbone are others")
    return net


def _arguments_of(arch: str, made: BackboneHeader, weights: dict, size: tuple[int, int]) -> dict:
    """Return what timm is given to build the backbone."""
    arguments = size_options(arch, size) | any_size_options(arch, weights)
    if made.form == "features":
        return {**arguments, "features_only": True, "out_indices": made.levels}
    return {**arguments, "num_classes": made.classes}


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


def _check_values(path: Path, name: str, tensor: torch.Tensor, channels: int | None) -> None:
    """Refuse numbers that are not finite, and integers that number none of so many channels; None: any integers."""
    if tensor.is_floating_point():
        finite = torch.isfinite(tensor)
        if not finite.all():
            raise damaged(path, f"{name} must be finite")
        return
    if channels is None:
        return

    inside = (tensor >= 0) & (tensor < channels)
    if not inside.all():
        raise damaged(path, f"{name} must number channels below {channels}")
