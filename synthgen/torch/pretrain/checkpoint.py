"""Checkpoints: a sealed safetensors file with weights, optimizer and where the training is. No pickle."""

import json
import os
from pathlib import Path

import torch

from synthgen.errors import FormatError, one_line
from synthgen.shards.files import RawFile
from synthgen.torch.sealed import read_sealed, write_sealed

CHECKPOINT = "checkpoint.safetensors"
VERSION = 1
_MODEL = "model/"
_OPTIMIZER = "optimizer/"
# What names, shapes and the history may take beside the tensors.
_MOST_TEXT = 64 * 2**20


def save_checkpoint(folder: Path, model, optimizer, state: dict, training: str = "") -> None:
    """Write where a training is.

    Parameters
    ----------
    folder : Path
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
    state : dict
        JSON-able.
    training : str
        Which training it is; `load_checkpoint` refuses the checkpoint of another one.
    """
    weights = model.state_dict()
    tensors = {_MODEL + name: value for name, value in weights.items()}
    tensors |= _optimizer_tensors(optimizer)

    metadata = {
        "version": str(VERSION),
        "training": training,
        "state": json.dumps(state),
    }
    write_sealed(folder / CHECKPOINT, tensors, metadata)


def load_checkpoint(folder: Path, model, optimizer, training: str = "") -> dict | None:
    """Bring model and optimizer to where they were; return the state, or None if there is no checkpoint.

    Raises
    ------
    FormatError
        If the file is damaged, of another version or of another training.
    """
    path = folder / CHECKPOINT
    if not os.path.lexists(path):
        return None

    file = RawFile(path)
    try:
        metadata, tensors = read_sealed(file, _most_bytes(model))
        _check_metadata(metadata, training)
        _refuse_strangers(tensors)
        _load_model(model, _under(_MODEL, tensors))
        _load_optimizer(optimizer, _under(_OPTIMIZER, tensors))
        return json.loads(metadata["state"])
    except (LookupError, ValueError, RuntimeError, RecursionError) as error:
        raise damaged(folder, one_line(error)) from None
    finally:
        file.close()


def damaged(folder: Path, reason: str) -> FormatError:
    """Return the error of a checkpoint that cannot be used: what is wrong, and what to do."""
    path = folder / CHECKPOINT
    advice = "--overwrite begins the training anew"
    return FormatError(f"{path}: is damaged: {reason}; {advice}")


def _check_metadata(metadata: dict[str, str], training: str) -> None:
    """Refuse a checkpoint of another version or of another training."""
    version = metadata["version"]
    if version != str(VERSION):
        raise FormatError(f"its version must be {VERSION}, got {version}")
    if metadata["training"] != training:
        raise FormatError("it is of another training")


def _refuse_strangers(tensors: dict[str, torch.Tensor]) -> None:
    for name in tensors:
        if not name.startswith((_MODEL, _OPTIMIZER)):
            raise FormatError(f"it must hold a model and an optimizer only, got {name}")


def _most_bytes(model) -> int:
    """Return what a checkpoint takes at most: the optimizers hold up to two numbers for each weight."""
    weights = model.state_dict().values()
    total = sum(value.nbytes for value in weights)
    return 4 * total + _MOST_TEXT


def _optimizer_tensors(optimizer) -> dict[str, torch.Tensor]:
    tensors = {}
    state = optimizer.state_dict()["state"]
    for number, slots in state.items():
        for name, value in slots.items():
            if value is not None:
                key = f"{_OPTIMIZER}{number}/{name}"
                tensors[key] = torch.as_tensor(value)
    return tensors


def _load_model(model, tensors: dict[str, torch.Tensor]) -> None:
    for name, value in model.state_dict().items():
        found = tensors[name]
        _check_type(_MODEL + name, found, value)
    model.load_state_dict(tensors)


def _load_optimizer(optimizer, tensors: dict[str, torch.Tensor]) -> None:
    weights: list[torch.Tensor] = []
    for group in optimizer.param_groups:
        weights += group["params"]

    state: dict[int, dict] = {}
    for key, value in tensors.items():
        text, _, name = key.partition("/")
        number = int(text)
        wanted = torch.zeros(()) if name == "step" else weights[number]
        _check_type(_OPTIMIZER + key, value, wanted)
        slots = state.setdefault(number, {})
        slots[name] = value

    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)


def _check_type(name: str, found: torch.Tensor, wanted: torch.Tensor) -> None:
    form = _form_of(found)
    rule = _form_of(wanted)
    if form != rule:
        raise FormatError(f"{name} must be {rule}, got {form}")


def _form_of(tensor: torch.Tensor) -> str:
    """Return type and shape of a tensor as text."""
    shape = tuple(tensor.shape)
    return f"{tensor.dtype} {shape}"


def _under(prefix: str, tensors: dict) -> dict:
    """Return the tensors whose names begin with a prefix, without it."""
    found = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            found[name.removeprefix(prefix)] = value
    return found
