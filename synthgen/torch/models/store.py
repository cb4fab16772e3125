"""The file of a fitted model: safetensors, with a JSON header under the metadata key ``synthgen-model``.

The header has `format` (2), `version` of synthgen, `kind`, `options`, `image_size`, `notes` and `backbone`: its
`arch` and `form` in timm, `mean` and `std`, and `fingerprint`, a digest of its weights. Tensors are the model's
own, by name, and the backbone's, as ``backbone.KEY``.

A second key, ``synthgen-digest``, has the SHA-256 of the header and the model's own tensors. With the fingerprint
in the header it covers every byte that a score depends on. Files of format 1 have no digest.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import torch

from synthgen.errors import FormatError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.shards.files import replacing
from synthgen.torch.backbones import add_to_digest, fingerprint, too_large
from synthgen.torch.features import FeatureExtractor
from synthgen.version import __version__

FORMAT = 2
FORMATS = (1, FORMAT)
BACKBONE = "backbone."
_HEADER = "synthgen-model"
_DIGEST = "synthgen-digest"
_Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class BackboneHeader(msgspec.Struct):
    """What a header says of the backbone."""

    arch: str | None
    form: Literal["features", "classifier"]
    levels: tuple[int, ...]
    classes: int | None
    mean: tuple[float, ...]
    std: tuple[Annotated[float, msgspec.Meta(gt=0)], ...]
    fingerprint: str


class Header(msgspec.Struct):
    """The header of a file."""

    format: int
    kind: str
    options: dict
    image_size: tuple[_Side, _Side]
    notes: dict
    backbone: BackboneHeader


class StoredModel(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    header : Header
    tensors : dict of Tensor
        The model's own.
    weights : dict of Tensor
        The backbone's.
    """

    header: Header
    tensors: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]


def save_model(model, path) -> None:
    """Write a fitted model to `path`.

    Raises
    ------
    UsageError
        If the notes are no JSON values, `path` is no plain file's name, or the features come from an extractor of
        the user's own.
    StorageError
        If it cannot be written.
    """
    with needed_for("saving a model"):
        from safetensors.torch import save_file

    if not isinstance(model.features, FeatureExtractor):
        name = type(model.features).__name__
        raise UsageError(f"{model.kind} cannot be saved with features of {name}, which no file can hold")

    try:
        text = json.dumps(_header_of(model), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"notes must be JSON values: {error}") from error

    own = {name: _alone(getattr(model, name)) for name in model.state}
    weights = {BACKBONE + name: _alone(value) for name, value in model.features.net.state_dict().items()}
    metadata = {_HEADER: text, _DIGEST: digest_of(text, own)}
    with replacing(Path(path)) as temporary:
        save_file({**own, **weights}, temporary, metadata)


def _header_of(model) -> dict:
    net = model.features.net
    config = model.features.config
    has_features_only = hasattr(net.feature_info, "out_indices")
    return {
        "format": FORMAT,
        "version": __version__,
        "kind": model.kind,
        "options": model.options(),
        "image_size": list(model.image_size),
        "notes": model.notes,
        "backbone": {
            "arch": config.get("architecture"),
            "form": "features" if has_features_only else "classifier",
            "levels": list(getattr(net.feature_info, "out_indices", ())),
            "classes": getattr(net, "num_classes", None),
            "mean": list(config["mean"]),
            "std": list(config["std"]),
            "fingerprint": fingerprint(net),
        },
    }


def _alone(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy on the CPU: safetensors refuses tensors that share their memory."""
    return tensor.detach().cpu().contiguous().clone()


def digest_of(text: str, tensors: dict[str, torch.Tensor]) -> str:
    """Return the SHA-256 of a header and a model's own tensors."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        add_to_digest(digest, name, tensors[name])
    return digest.hexdigest()


def read_model(path: Path) -> StoredModel:
    """Return what the file of a model holds; its digest is checked.

    Raises
    ------
    FormatError
        If the file is damaged, not ours, or of an unknown version.
    UsageError
        If there is no such file.
    """
    with needed_for(str(path)):
        from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UsageError(f"{path}: no such file")

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            header = _checked_header(path, metadata)
            everything = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FormatError(f"{path}: is not a whole safetensors file: {one_line(error)}") from error
    except MemoryError as error:
        raise too_large(path) from error
    except (json.JSONDecodeError, RecursionError, msgspec.ValidationError, TypeError, AttributeError) as error:
        raise damaged(path, one_line(error)) from error

    own = {}
    weights = {}
    for name, tensor in everything.items():
        if name.startswith(BACKBONE):
            weights[name.removeprefix(BACKBONE)] = tensor
        else:
            own[name] = tensor

    if header.format > 1 and digest_of(metadata[_HEADER], own) != metadata.get(_DIGEST):
        raise damaged(path, "its digest is another one")
    return StoredModel(header, own, weights)


def _checked_header(path: Path, metadata: dict) -> Header:
    """Return the header of a file of a known version."""
    values = json.loads(metadata.get(_HEADER, "null"))
    if not isinstance(values, dict):
        raise FormatError(f"{path}: must be a model that synthgen saved, has no {_HEADER} in its header")

    found = values.get("format")
    if found not in FORMATS:
        known = " or ".join(map(str, FORMATS))
        raise FormatError(f"{path}: format must be {known}, got {found}; a newer synthgen reads it")
    return msgspec.convert(values, Header)


def damaged(path: Path, reason: str) -> FormatError:
    """Return the error for a file that cannot be what was saved."""
    return FormatError(f"{path}: is a damaged model: {reason}")
