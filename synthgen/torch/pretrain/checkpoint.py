"""Checkpoints: a safetensors file with weights, optimiser and, in its header, where the training is. No pickle."""

import json
from pathlib import Path

import torch

from synthgen.errors import FormatError
from synthgen.extras import needed_for
from synthgen.shards.files import write_atomically

CHECKPOINT = "checkpoint.safetensors"
VERSION = 1


def write_weights(path: Path, tensors: dict, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors as safetensors: a whole file or none."""
    with needed_for("weights"):
        from safetensors.torch import save

    # Each on its own memory: layouts other than the plain one and tensors that share memory cannot be stored.
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    write_atomically(path, save(plain, metadata))


def save_checkpoint(folder: Path, model, optimizer, state: dict) -> None:
    """Write where the training is; `state` is JSON-able."""
    tensors = {f"model/{key}": value for key, value in model.state_dict().items()}
    for number, slots in optimizer.state_dict()["state"].items():
        for name, value in slots.items():
            if value is not None:
                tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(value)
    write_weights(folder / CHECKPOINT, tensors, {"version": str(VERSION), "state": json.dumps(state)})


def load_checkpoint(folder: Path, model, optimizer) -> dict | None:
    """Bring model and optimiser to where they were; return the state, or None if there is no checkpoint.

    Raises
    ------
    FormatError
        If the file is damaged, or of another version.
    """
    with needed_for("checkpoints"):
        from safetensors import SafetensorError, safe_open

    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.get("version") != str(VERSION):
            raise FormatError(f"{path}: version must be {VERSION}, got {metadata.get('version')}")
        model.load_state_dict(_under("model/", tensors))
        slots: dict[int, dict] = {}
        for key, value in _under("optimizer/", tensors).items():
            number, _, name = key.partition("/")
            slots.setdefault(int(number), {})[name] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
        return json.loads(metadata["state"])
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, FormatError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise FormatError(f"{path}: is damaged, --overwrite begins anew: {reason}") from None


def _under(prefix: str, tensors: dict) -> dict:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
