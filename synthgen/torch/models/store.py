"""The file of a fitted model: safetensors, with a JSON header under the metadata key ``synthgen-model``.

The header has `format` (2), `version` of synthgen, `kind`, `options`, `image_size`, `notes` and `backbone`: its
`arch` and `form` in timm, `mean` and `std`, and `fingerprint`, a digest of its weights. Tensors are the model's
own, by name, and the backbone's, as ``backbone.KEY``. `backbone` is null for a kind of model that has none.

A second key, ``sha256``, has the digest of the whole file, see `synthgen.torch.sealed`. Files of format 1 have no
digest.
"""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import torch

from synthgen.errors import FormatError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.shards.files import RawFile
from synthgen.torch.backbones import fingerprint, too_large
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.sealed import check_seal, write_sealed
from synthgen.version import __version__

FORMAT = 2
FORMATS = (1, FORMAT)
BACKBONE = "backbone."
_HEADER = "synthgen-model"
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

    def __post_init__(self):
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean and std must be of equal length, got {self.mean} and {self.std}")


class Header(msgspec.Struct):
    """The header of a file."""

    format: int
    kind: str
    options: dict
    image_size: tuple[_Side, _Side]
    notes: dict
    backbone: BackboneHeader | None


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
    if model.needs_backbone and not isinstance(model.features, FeatureExtractor):
        name = type(model.features).__name__
        raise UsageError(f"{model.kind} cannot be saved with features of {name}, which no file can hold")

    try:
        text = json.dumps(_header_of(model), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"notes must be JSON values: {error}") from error

    tensors = {name: getattr(model, name) for name in model.state}
    if model.needs_backbone:
        for name, value in model.features.net.state_dict().items():
            tensors[BACKBONE + name] = value
    write_sealed(Path(path), tensors, {_HEADER: text})


def _header_of(model) -> dict:
    return {
        "format": FORMAT,
        "version": __version__,
        "kind": model.kind,
        "options": model.options(),
        "image_size": list(model.image_size),
        "notes": model.notes,
        "backbone": _backbone_header(model.features) if model.needs_backbone else None,
    }


def _backbone_header(features: FeatureExtractor) -> dict:
    net = features.net
    config = features.config
    has_features_only = hasattr(net.feature_info, "out_indices")
    return {
        "arch": config.get("architecture"),
        "form": "features" if has_features_only else "classifier",
        "levels": list(getattr(net.feature_info, "out_indices", ())),
        "classes": getattr(net, "num_classes", None),
        "mean": list(config["mean"]),
        "std": list(config["std"]),
        "fingerprint": fingerprint(net),
    }


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
            header = _checked_header(path, file.metadata() or {})
            if header.format > 1:
                _check_seal(path)
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

    return StoredModel(header, own, weights)


def _check_seal(path: Path) -> None:
    """Refuse a file that is not as it was written."""
    with closing(RawFile(path)) as file:
        try:
            check_seal(file)
        except FormatError as error:
            raise damaged(path, str(error)) from None


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
