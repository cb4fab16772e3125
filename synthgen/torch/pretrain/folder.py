"""The folder of a pre-training: what it is for, who may write there, what is ours in it."""

import json
import re
from contextlib import contextmanager
from pathlib import Path

from synthgen.errors import FormatError, UsageError
from synthgen.run.lock import part_lock
from synthgen.shards.files import make_folder, remove_temporaries, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.torch.backbones import SUFFIX, read_card
from synthgen.torch.pretrain.checkpoint import CHECKPOINT

RUN, LAST = "pretrain.json", f"last{SUFFIX}"
VERSION = 1
_OURS = re.compile(
    r"(pretrain\.json|checkpoint\.safetensors|log\.(csv|png)|filters\.png|(best|last|epoch-\d{5,})\.(safetensors|json))"
)


@contextmanager
def owned_folder(folder: Path, identity: dict, overwrite: bool, ranks):
    """Hold a folder for one training while the block runs; the first rank does so for all.

    Parameters
    ----------
    folder : Path
    identity : dict
        Flat, JSON-able: all that the weights depend on. It is written down, and compared with what is there.
    overwrite : bool
        Remove another training first: its files only.

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
        check_folder(folder, identity)
    make_folder(folder)
    with part_lock(folder, (1, 1)):
        if replaces:
            remove_training(folder)
        else:
            check_folder(folder, identity)  # another process may have begun meanwhile
        remove_temporaries(folder, _our_temporaries(folder))
        if not (folder / RUN).exists():
            write_atomically(folder / RUN, encode_json({"version": VERSION, **identity}))
        ranks.wait()
        yield


def check_folder(folder: Path, identity: dict) -> None:
    """Raise `UsageError` unless the folder is empty, absent, or of this training."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: must be a folder")
    path = folder / RUN
    if not path.exists():
        strangers = [p.name for p in folder.iterdir() if p.name[0] != "."] if folder.exists() else []
        if strangers:
            raise UsageError(f"{folder}: must be empty or of a pre-training, it holds {sorted(strangers)[0]}")
        return
    present = _read_identity(path)
    wanted = json.loads(json.dumps({"version": VERSION, **identity}))
    differing = [k for k in [*wanted, *(present.keys() - wanted)] if present.get(k) != wanted.get(k)]
    if differing:
        parts = (f"{k} is {_shown(present.get(k))}, not {_shown(wanted.get(k))}" for k in differing)
        raise UsageError(f"{folder}: holds another pre-training: {'; '.join(parts)}; --overwrite replaces it")


def remove_training(folder: Path) -> None:
    """Remove the files of a training, and no others; what makes it one goes last."""
    ours = [p for p in folder.iterdir() if _OURS.fullmatch(p.name) and p.is_file()]
    for path in sorted(ours, key=lambda p: p.name == RUN):
        path.unlink()


def finished_card(folder: Path) -> dict | None:
    """Return the card of the last weights of a finished training, or None."""
    path = folder / LAST
    card = read_card(path) if path.is_file() and not (folder / CHECKPOINT).exists() else {}
    if card and not isinstance(card.get("best"), dict):
        raise FormatError(f"{path.with_suffix('.json')}: is damaged: it must name the best epoch")
    return card or None


def _read_identity(path: Path) -> dict:
    try:
        present = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is damaged: {error}") from None
    if not isinstance(present, dict):
        raise FormatError(f"{path}: is damaged: must be a mapping")
    return present


def _our_temporaries(folder: Path) -> list[str]:
    names = {path.name[1:].rsplit(".", 2)[0] for path in folder.glob(".*.tmp")}
    return [name for name in names if _OURS.fullmatch(name)]


def _shown(value) -> str:
    return value[:12] if isinstance(value, str) else json.dumps(value)
