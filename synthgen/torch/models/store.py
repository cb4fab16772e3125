"""One file for a fitted model: safetensors, with a JSON header under the metadata key ``synthgen-model``.

The header has `format` (1), `version` of synthgen, `kind`, `options`, `image_size`, `notes` and `backbone`: its
`arch` and `form` in timm, `mean` and `std`, `fingerprint`. Tensors are the model's own, by name, and the
backbone's, as ``backbone.KEY``.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.extras import needed_for
from synthgen.shards.files import replacing
from synthgen.version import __version__

FORMAT = 1
# Options that files of older versions lack, with the values that their models were fitted with.
OLDER = {"pool_padding": "none"}
_KEY = "synthgen-model"
_BACKBONE = "backbone."
_Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class _Backbone(msgspec.Struct):
    """What a header says of the backbone."""

    arch: str | None
    form: Literal["features", "classifier"]
    levels: tuple[int, ...]
    classes: int | None
    mean: tuple[float, ...]
    std: tuple[Annotated[float, msgspec.Meta(gt=0)], ...]
    fingerprint: str


class _Header(msgspec.Struct):
    """The header of a file, beside `format` and `version`."""

    kind: str
    options: dict
    image_size: tuple[_Side, _Side]
    notes: dict
    backbone: _Backbone


def fingerprint(net: torch.nn.Module) -> str:
    """Return the sha256 of the names, types, shapes and bytes of a module's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_model(model, path) -> None:
    """Write a fitted model to `path`.

    Raises
    ------
    UsageError
        If the notes are no JSON values, or `path` is no plain file's name.
    StorageError
        If it cannot be written.
    """
    with needed_for("saving a model"):
        from safetensors.torch import save_file

    net, config = model.features.net, model.features.config
    header = {
        "format": FORMAT,
        "version": __version__,
        "kind": model.kind,
        "options": model.options(),
        "image_size": list(model.image_size),
        "notes": model.notes,
        "backbone": {
            "arch": config.get("architecture"),
            "form": "features" if hasattr(net.feature_info, "out_indices") else "classifier",
            "levels": list(getattr(net.feature_info, "out_indices", ())),
            "classes": getattr(net, "num_classes", None),
            "mean": list(config["mean"]),
            "std": list(config["std"]),
            "fingerprint": fingerprint(net),
        },
    }
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"notes: must be JSON values: {error}") from error
    # safetensors refuses tensors that share their memory
    tensors = {name: getattr(model, name).cpu().contiguous().clone() for name in model.state}
    tensors |= {_BACKBONE + name: value.cpu().contiguous().clone() for name, value in net.state_dict().items()}
    with replacing(Path(path)) as temporary:
        save_file(tensors, temporary, {_KEY: text})


def load_model(path, backbone: torch.nn.Module | None = None, memory: int | None = None, device=None):
    """Read a model that was saved; it predicts as it did, on machines of a kind to the last bit.

    Parameters
    ----------
    path : str or Path
    backbone : torch.nn.Module, optional
        For a model whose backbone timm cannot build by its name: the module, with the same weights.
    memory, device
        As for the model's constructor.

    Returns
    -------
    PatchCore, SequentialPatchCore or PaDiM

    Raises
    ------
    FormatError
        If the file is damaged, not ours, or of an unknown version.
    UsageError
        If there is no such file, or the backbone is another one.
    """
    path = Path(path)
    header, tensors = _read(path)
    try:
        made = header.backbone
        weights = {k.removeprefix(_BACKBONE): v for k, v in tensors.items() if k.startswith(_BACKBONE)}
        if backbone is None:
            backbone = _built(path, header, weights)
        if fingerprint(backbone) != made.fingerprint:
            raise UsageError(
                f"{path}: backbone must have the weights of {made.arch} that the model was fitted with"
            )
        options = {**OLDER, **header.options}
        model = _classes()[header.kind].from_options(backbone, options, memory=memory, device=device)
        model.image_size, model.notes = header.image_size, header.notes
        features = model.features.shape(model.image_size)
        for name, (shape, dtype) in model.state_forms(features).items():
            _check_form(path, name, tensors[name], shape, dtype, features[0])
            setattr(model, name, tensors[name].to(model.device))
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: is a damaged model, {type(error).__name__} {error}") from error
    if "pool_padding" not in header.options and model.features.pool > 1:
        warnings.warn(
            f"{path}: an older synthgen fitted this model with pool_padding none; fit it again for zeros",
            stacklevel=2,
        )
    return model


def _check_form(path: Path, name: str, tensor: torch.Tensor, shape: tuple, dtype, channels: int) -> None:
    """Refuse a tensor of another shape or type; None in `shape` is any length but 0. Integers number channels."""
    fits = tensor.ndim == len(shape) and all(
        n == m or (m is None and n) for n, m in zip(tensor.shape, shape, strict=True)
    )
    if not fits or tensor.dtype != dtype:
        wanted = ["any" if n is None else n for n in shape]
        raise FormatError(
            f"{path}: is a damaged model: {name} must be {dtype} {wanted}, got {tensor.dtype} {list(tensor.shape)}"
        )
    if dtype == torch.int64 and not ((tensor >= 0) & (tensor < channels)).all():
        raise FormatError(f"{path}: is a damaged model: {name} must number channels below {channels}")


def _classes() -> dict:
    from synthgen.torch.models.padim import PaDiM
    from synthgen.torch.models.patchcore import PatchCore
    from synthgen.torch.models.sequential import SequentialPatchCore

    return {model.kind: model for model in (PatchCore, SequentialPatchCore, PaDiM)}


def _read(path: Path) -> tuple[_Header, dict[str, torch.Tensor]]:
    """Return header and tensors of a file of a known version."""
    with needed_for(str(path)):
        from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
            if not isinstance(header, dict):
                raise FormatError(f"{path}: must be a model that synthgen saved, has no {_KEY} in its header")
            if header.get("format") != FORMAT:
                raise FormatError(
                    f"{path}: format must be {FORMAT}, got {header.get('format')}; a newer synthgen reads it"
                )
            header = msgspec.convert(header, _Header)
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FormatError(f"{path}: is no whole safetensors file: {str(error).splitlines()[0]}") from error
    except (json.JSONDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise FormatError(f"{path}: is a damaged model: {error}") from error


def _built(path: Path, header: _Header, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Build the backbone by timm and give it its weights."""
    from synthgen.torch.backbones import check_architecture, check_weights, import_timm, size_options

    made, arch = header.backbone, header.backbone.arch
    if arch is None:
        raise UsageError(f"{path}: backbone must be given, timm has no name for it")
    check_architecture(arch)  # timm would look up others on the network
    options = size_options(arch, header.image_size)
    if made.form == "features":
        options |= {"features_only": True, "out_indices": made.levels}
    else:
        options |= {"num_classes": made.classes}
    try:
        net = import_timm().create_model(arch, pretrained=False, **options)
    except (RuntimeError, IndexError) as error:
        raise FormatError(f"{path}: timm cannot build {arch}: {str(error).splitlines()[0]}") from error
    check_weights(str(path), arch, weights, net.state_dict())
    net.load_state_dict(weights)
    net.pretrained_cfg = {**net.pretrained_cfg, "mean": made.mean, "std": made.std}
    return net
