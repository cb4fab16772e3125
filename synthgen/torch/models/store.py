"""The file of a fitted model: safetensors, with a JSON header under the metadata key ``synthgen-model``.

The header has `format` and `version` of synthgen. In format 2, of models on one backbone, it also has `kind`,
`options`, `image_size`, `notes` and `backbone`: its `arch` and `form` in timm, `mean` and `std`, and `fingerprint`,
a digest of its weights. Tensors are the model's own, by name, and the backbone's, as ``backbone.KEY``.
`backbone` is null for a kind of model that has none.

In format 3, of ensembles, it has `backbones`, a list of such records, and `model`: `kind`, `options`, `image_size`,
`notes`, and either `backbone`, a place in the list, or `members`, a list of records like itself. A member of kind
``features`` is a backbone with options of its features. Tensors of the member K of a model are stored as
``member.K.NAME``, and of members of members as ``member.K.member.L.NAME``; those of the backbone K as
``backbone.K.KEY``. Members on one backbone share it.

A second key, ``sha256``, has the digest of the whole file, see `synthgen.torch.sealed`. Files of format 1 are as
those of format 2, and have no digest.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
import torch

from synthgen.errors import FormatError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.shards.files import RawFile
from synthgen.torch.backbones import fingerprint, unread
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models.options import FEATURE_OPTIONS
from synthgen.torch.sealed import check_seal, write_sealed
from synthgen.version import __version__

if TYPE_CHECKING:
    from synthgen.torch.models.base import AnomalyModel

FORMAT = 2
FORMAT_OF_ENSEMBLES = 3
FORMATS = (1, FORMAT, FORMAT_OF_ENSEMBLES)
BACKBONE = "backbone."
MEMBER = "member."
# The kind of a member that is a backbone alone.
FEATURES = "features"
# How deep ensembles may lie in each other.
_DEPTH = 4
_HEADER = "synthgen-model"
_Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]
_Size = tuple[_Side, _Side]


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


class PartHeader(msgspec.Struct):
    """What a header says of a model, or of a member of one."""

    kind: str
    options: dict
    image_size: _Size
    notes: dict = {}
    backbone: Annotated[int, msgspec.Meta(ge=0)] | None = None
    members: tuple["PartHeader", ...] = ()

    def depth(self) -> int:
        """Return how many models lie in each other."""
        return 1 + max([member.depth() for member in self.members], default=0)


class Header(msgspec.Struct):
    """The header of a file of any format.

    Attributes
    ----------
    format : int
    backbones : tuple of BackboneHeader
    model : PartHeader
    """

    format: int
    backbones: tuple[BackboneHeader, ...]
    model: PartHeader


class _OnOneBackbone(msgspec.Struct):
    """The header of a file of format 1 or 2."""

    format: int
    kind: str
    options: dict
    image_size: _Size
    notes: dict
    backbone: BackboneHeader | None

    def as_header(self) -> Header:
        backbones = () if self.backbone is None else (self.backbone,)
        place = 0 if backbones else None
        model = PartHeader(self.kind, self.options, self.image_size, self.notes, place)
        return Header(self.format, backbones, model)


class StoredModel(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    header : Header
    tensors : dict of Tensor
        Those of the model and its members.
    weights : list of dict of Tensor
        Those of each backbone.
    """

    header: Header
    tensors: dict[str, torch.Tensor]
    weights: list[dict[str, torch.Tensor]]


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
    book = _Book(model)
    part = book.part(model, "")
    if not model.is_ensemble:
        header = {**part, "backbone": book.backbones[0] if model.needs_backbone else None}
        number = FORMAT
    else:
        header = {"backbones": book.backbones, "model": part}
        number = FORMAT_OF_ENSEMBLES

    try:
        text = json.dumps({"format": number, "version": __version__, **header}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"notes must be JSON values: {error}") from error
    write_sealed(Path(path), {**book.tensors, **book.weights()}, {_HEADER: text})


class _Book:
    """The backbones and tensors of a model that is saved, gathered part by part.

    Attributes
    ----------
    backbones : list of dict
        Their records; equal ones are there once.
    tensors : dict of Tensor
    """

    def __init__(self, model: "AnomalyModel"):
        self.backbones: list[dict] = []
        self.tensors: dict[str, torch.Tensor] = {}
        self._nets: list[torch.nn.Module] = []
        self._model = model

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights of all backbones, by the names that they are stored under."""
        weights = {}
        for number, net in enumerate(self._nets):
            prefix = f"{BACKBONE}{number}." if self._model.is_ensemble else BACKBONE
            for name, value in net.state_dict().items():
                weights[prefix + name] = value
        return weights

    def part(self, part, prefix: str) -> dict:
        """Return the record of a model or an extractor, whose tensors have this beginning."""
        if not hasattr(part, "state_forms"):
            options = {name: getattr(part, name, None) for name in FEATURE_OPTIONS}
            size = list(self._model.image_size or ())
            return {"kind": FEATURES, "options": options, "image_size": size, "backbone": self._number_of(part)}

        self._gather(part, prefix)
        record = {
            "kind": part.kind,
            "options": part.options(),
            "image_size": list(part._need_fit()),
            "notes": part.notes,
        }
        if part.is_ensemble:
            return {**record, "members": self._members(part.parts(), prefix)}
        if not part.needs_backbone:
            return record
        return {**record, "backbone": self._number_of(part.features)}

    def _members(self, members: Sequence, prefix: str) -> list[dict]:
        records = []
        for number, member in enumerate(members):
            whole = getattr(member, "model", member)  # of one that is cut open
            records.append(self.part(whole, f"{prefix}{MEMBER}{number}."))
        return records

    def _gather(self, model: "AnomalyModel", prefix: str) -> None:
        """Take the tensors of a model and of those in it."""
        for name, value in model.tensors().items():
            self.tensors[prefix + name] = value
        for beginning, inner in model.inner().items():
            self._gather(inner, prefix + beginning)

    def _number_of(self, features) -> int:
        """Return the place of a backbone in the list, which it is added to if it is not there."""
        if not isinstance(features, FeatureExtractor):
            name = type(features).__name__
            raise UsageError(f"{self._model.kind} cannot be saved with features of {name}, which no file can hold")

        record = _record_of(features)
        if record not in self.backbones:
            self.backbones.append(record)
            self._nets.append(features.net)
        return self.backbones.index(record)


def _record_of(features: FeatureExtractor) -> dict:
    """Return what a header says of a backbone."""
    net: Any = features.net
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


def is_model(path: Path) -> bool:
    """Return whether a file says that it is a fitted model; it may be damaged."""
    with needed_for(str(path)):
        from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return _HEADER in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


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
    except SafetensorError as error:
        raise FormatError(f"{path}: is not a whole safetensors file: {one_line(error)}") from error
    except (MemoryError, OSError) as error:
        raise unread(path, error) from error
    except (json.JSONDecodeError, RecursionError, msgspec.ValidationError, TypeError, AttributeError) as error:
        raise damaged(path, one_line(error)) from error

    return _sorted(header, everything)


def _sorted(header: Header, everything: dict[str, torch.Tensor]) -> StoredModel:
    """Return what a file holds, the weights of each backbone apart."""
    several = header.format >= FORMAT_OF_ENSEMBLES
    prefixes = [f"{BACKBONE}{number}." if several else BACKBONE for number in range(len(header.backbones))]
    weights: list[dict[str, torch.Tensor]] = [{} for _ in prefixes]
    own = {}

    for name, tensor in everything.items():
        numbers = [number for number, prefix in enumerate(prefixes) if name.startswith(prefix)]
        if numbers:
            number = numbers[0]
            weights[number][name.removeprefix(prefixes[number])] = tensor
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
        known = ", ".join(map(str, FORMATS[:-1]))
        raise FormatError(
            f"{path}: format must be {known} or {FORMATS[-1]}, got {found}; a newer synthgen reads it"
        )
    if found < FORMAT_OF_ENSEMBLES:
        return msgspec.convert(values, _OnOneBackbone).as_header()

    header = msgspec.convert(values, Header)
    if header.model.depth() > _DEPTH:
        raise damaged(path, f"ensembles may lie in each other {_DEPTH} deep")
    return header


def damaged(path: Path, reason: str) -> FormatError:
    """Return the error for a file that cannot be what was saved."""
    return FormatError(f"{path}: is a damaged model: {reason}")
