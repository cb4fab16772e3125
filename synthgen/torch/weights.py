"""Weights of others: a checkpoint of torch becomes a safetensors file with a card, as `pretrain` writes them."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import msgspec
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.shards.files import refuse_remote, sha256_of
from synthgen.torch.backbones import (
    SUFFIX,
    check_architecture,
    check_weights,
    classes_of,
    config_of,
    create_skeleton,
)
from synthgen.torch.pretrain.report import library_versions, write_backbone

# Old checkpoints lack them; they count batches and change no result.
_COUNTER = "num_batches_tracked"
# How deep in a checkpoint its weights may lie: {"state": {"model": {..}}}.
_DEPTH = 3


class ImportReport(msgspec.Struct, frozen=True):
    """What was taken from a checkpoint.

    Attributes
    ----------
    path : str
        The file that was written; its card lies beside it.
    arch : str
    classes : int
        Classes of its classifier, 0 without one.
    tensors : int
    prefix : str
        Beginning of the names in the checkpoint that was taken away, such as ``module.``.
    left_out : list of str
        Names of tensors that are no part of the architecture.
    """

    path: str
    arch: str
    classes: int
    tensors: int
    prefix: str
    left_out: list[str]


def import_weights(
    path, out, arch: str, mean=None, std=None, classifier: bool = True, overwrite: bool = False
) -> ImportReport:
    """Write the weights of a checkpoint as a safetensors file with a card.

    Parameters
    ----------
    path : str or Path
        A checkpoint of torch (``.pth``, ``.pth.tar``, ``.pt``); nothing in it is executed.
    out : str or Path
        The safetensors file to write.
    arch : str
        timm name of the architecture.
    mean, std : sequence of float, optional
        One number or three, of images in [0, 1] as the weights expect them; by default those that timm knows.
    classifier : bool
        Keep the classifier, if there is one.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    ImportReport

    Raises
    ------
    UsageError
        If the weights are not those of the architecture; missing, unexpected and misshapen ones are named.
    FormatError
        If the file is no checkpoint, or holds code.
    """
    refuse_remote(out)
    path = Path(path)
    out = Path(out)
    _check_place(out, overwrite)
    check_architecture(arch)

    published = create_skeleton(arch)
    config = config_of(published)
    card = _card(arch, _three("mean", mean, config), _three("std", std, config))

    stored = _read(path)
    prefix, found = _best_match(stored, published.state_dict())
    if not classifier:
        found = _without_head(found, config)
    classes = classes_of(arch, found)
    model = create_skeleton(arch, num_classes=classes)
    expected = model.state_dict()

    left_out = _strangers(found, expected)
    for name in left_out:
        del found[name]
    weights = _with_counters(found, expected)
    check_weights(str(path), arch, weights, expected)

    card["classes"] = classes
    card["imported"] = {"file": path.name, "sha256": sha256_of(path)}
    model.load_state_dict(weights, assign=True)
    write_backbone(out, model, card)
    return ImportReport(str(out), arch, classes, len(weights), prefix, left_out)


def _card(arch: str, mean: list[float], std: list[float]) -> dict:
    """Return what is known of weights before they are read."""
    return {"arch": arch, "mean": mean, "std": std, "size": None, "versions": library_versions()}


def _check_place(out: Path, overwrite: bool) -> None:
    if out.suffix != SUFFIX or not out.parent.is_dir():
        raise UsageError(f"out must be a {SUFFIX} file in a folder that is there, got {out}")
    if out.exists() and not overwrite:
        raise UsageError(f"{out}: is there already; --overwrite replaces it")


def _three(name: str, values, config: dict) -> list[float]:
    """Return one number or three as three; those of timm's configuration where none is given."""
    numbers = list(config[name] if values is None else values)
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise UsageError(f"{name} must be one number or three, got {numbers}")
    if name == "std" and min(numbers) <= 0:
        raise UsageError(f"std must be > 0, got {numbers}")
    return [float(number) for number in numbers]


def _read(path: Path):
    """Return what a checkpoint holds; nothing in it is executed."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.suffix == SUFFIX:
        raise UsageError(f"{path}: must be a checkpoint of torch; a safetensors file needs no import")

    try:
        with warnings.catch_warnings(action="ignore"):  # of pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
    if code:
        raise FormatError(f"{path}: holds more than weights: {code[1]}, which is not executed")
    raise FormatError(f"{path}: is no whole checkpoint of torch")


def _tables(value, depth: int = _DEPTH) -> list[dict]:
    """Return all tables of tensors in a checkpoint, at most so deep."""
    if not isinstance(value, Mapping) or depth == 0:
        return []

    tensors = {}
    tables = []
    for name, part in value.items():
        if isinstance(part, torch.Tensor):
            tensors[str(name)] = part
        tables += _tables(part, depth - 1)
    return [tensors, *tables]


def _best_match(stored, expected: dict) -> tuple[str, dict[str, torch.Tensor]]:
    """Return the tensors of a checkpoint that fit the most names, and the prefix they had.

    All tensors of one table come back, without the prefix where they have it.
    """
    most = 0
    best = ""
    found: dict[str, torch.Tensor] = {}
    for table in _tables(stored):
        votes: Counter[str] = Counter()
        for name in table:
            votes.update(_prefixes(name, expected))

        for prefix, count in votes.most_common(1):
            if count > most:
                most = count
                best = prefix
                found = table

    stripped = {}
    for name, tensor in found.items():
        stripped[name.removeprefix(best)] = tensor
    return best, stripped


def _prefixes(name: str, expected: dict) -> list[str]:
    """Return what may stand before an expected name in the name of a tensor."""
    found = []
    start = 0
    while True:
        if name[start:] in expected:
            found.append(name[:start])
        dot = name.find(".", start)
        if dot < 0:
            return found
        start = dot + 1


def _without_head(weights: dict, config: dict) -> dict[str, torch.Tensor]:
    """Return weights without those of the classifier."""
    heads = config.get("classifier") or ()
    if isinstance(heads, str):
        heads = (heads,)

    beginnings = tuple(f"{head}." for head in heads)
    kept = {}
    for name, tensor in weights.items():
        if not name.startswith(beginnings):
            kept[name] = tensor
    return kept


def _strangers(found: dict, expected: dict) -> list[str]:
    """Return the names that belong to no part of an architecture, such as the neck of another network."""
    parts = {name.partition(".")[0] for name in expected}
    return [name for name in found if name.partition(".")[0] not in parts]


def _with_counters(weights: dict, expected: dict) -> dict[str, torch.Tensor]:
    """Return weights as they are stored, with zero for counters of batches that are missing."""
    whole = {name: tensor.contiguous() for name, tensor in weights.items()}
    for name, wanted in expected.items():
        if name.endswith(_COUNTER):
            whole.setdefault(name, torch.zeros((), dtype=wanted.dtype))
    return whole
