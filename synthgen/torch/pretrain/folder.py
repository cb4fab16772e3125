"""The folder of a pre-training: what it is for, who may write there, what is ours in it."""

import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

import msgspec

from synthgen.errors import FormatError, UsageError
from synthgen.run.lock import part_lock
from synthgen.shards.files import RawFile, make_folder, remove_temporaries, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.torch.backbones import SUFFIX, check_digest, read_card
from synthgen.torch.pretrain.checkpoint import CHECKPOINT

RUN = "pretrain.json"
LAST = f"last{SUFFIX}"
VERSION = 1
_MAX_RECORD = 2**20
_OURS = re.compile(
    r"(pretrain\.json|checkpoint\.safetensors|log\.(csv|png)|filters\.png|(best|last|epoch-\d{5,})\.(safetensors|json))"
)


class Best(msgspec.Struct):
    """The best epoch, 1-based, and its measures."""

    epoch: int
    val_accuracy: float
    val_loss: float


class Finished(msgspec.Struct):
    """What the card of a finished training says of its results."""

    epoch: int
    best: Best


@contextmanager
def owned_folder(folder: Path, identity: dict, overwrite: bool, ranks, what: str = "pre-training"):
    """Hold a folder for one training while the block runs; the first rank does so for all.

    Parameters
    ----------
    folder : Path
    identity : dict
        All that the weights depend on: flat and JSON-able. It is written down, and compared with what is there.
    overwrite : bool
        Remove another training first: its files only.
    ranks : TrainingGroup
    what : str
        What messages call the training.

    Raises
    ------
    UsageError
        If the folder holds another training, with what differs, or something else.
    LockedError
        If another process trains there.
    """
    if ranks.rank:
        ranks.wait()
        yield
        return
    replaces = overwrite and (folder / RUN).is_file()
    if not replaces:
        check_folder(folder, identity, what)
    make_folder(folder)
    with part_lock(folder, (1, 1)):
        if replaces:
            remove_training(folder)
        else:
            check_folder(folder, identity, what)  # another process may have begun meanwhile
        remove_temporaries(folder, _our_temporaries(folder))
        if not (folder / RUN).exists():
            write_atomically(folder / RUN, encode_json({"version": VERSION, **identity}))
        ranks.wait()
        yield


def check_folder(folder: Path, identity: dict, what: str = "pre-training") -> None:
    """Raise `UsageError` unless the folder is empty, absent, or of this training."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: must be a folder")
    path = folder / RUN
    if not os.path.lexists(path):
        _check_empty(folder, what)
        return

    present = _read_identity(path)
    text = json.dumps({"version": VERSION, **identity})
    differing = _differing(present, json.loads(text))
    if differing:
        found = "; ".join(differing)
        raise UsageError(f"{folder}: holds another {what}: {found}; --overwrite replaces it")


def _differing(present: dict, wanted: dict) -> list[str]:
    """Return what differs, each with the value that is there and the one that is wanted."""
    differing = []
    more = present.keys() - wanted
    for name in [*wanted, *more]:
        found = present.get(name)
        expected = wanted.get(name)
        if found != expected:
            differing.append(f"{name} is {_shown(found)}, not {_shown(expected)}")
    return differing


def _check_empty(folder: Path, what: str) -> None:
    names = os.listdir(folder) if folder.exists() else []
    strangers = [name for name in names if not name.startswith(".")]
    if strangers:
        first = min(strangers)
        raise UsageError(f"{folder}: must be empty or of a {what}, it holds {first}")


def remove_training(folder: Path) -> None:
    """Remove the files of a training, and no others; what makes it one goes last."""
    ours = [path for path in folder.iterdir() if _is_ours(path.name) and path.is_file()]
    ours.sort(key=lambda path: path.name == RUN)
    for path in ours:
        path.unlink()


def finished_results(folder: Path) -> Finished | None:
    """Return the results of a finished training, or None.

    Raises
    ------
    FormatError
        If the last weights or their card are damaged.
    """
    path = folder / LAST
    if os.path.lexists(folder / CHECKPOINT) or not path.is_file():
        return None
    card = read_card(path)
    if not card:
        return None

    check_digest(path, card)
    return results_on(card, path.with_suffix(".json"))


def results_on(card: dict, place) -> Finished:
    """Return what a card says of the results of a training."""
    try:
        return msgspec.convert(card, Finished)
    except msgspec.ValidationError as error:
        raise FormatError(f"{place}: is damaged: {error}; --overwrite begins the training anew") from None


def _read_identity(path: Path) -> dict:
    file = RawFile(path)
    try:
        if file.size > _MAX_RECORD:
            raise FormatError(f"{path}: is damaged: must be smaller than {_MAX_RECORD} bytes, got {file.size}")
        present = json.loads(file.read(0, file.size))
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: is damaged: {error}") from None
    finally:
        file.close()
    if not isinstance(present, dict):
        raise FormatError(f"{path}: is damaged: must be a mapping")
    return present


def _our_temporaries(folder: Path) -> list[str]:
    """Return the names of our files of which a killed process left temporaries."""
    names = set()
    for path in folder.glob(".*.tmp"):
        hidden, _, _ = path.name.rsplit(".", 2)
        names.add(hidden.removeprefix("."))
    return [name for name in names if _is_ours(name)]


def _is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None


def _shown(value) -> str:
    if isinstance(value, str):
        return value[:12]
    return json.dumps(value)
