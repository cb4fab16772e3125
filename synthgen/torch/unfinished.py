"""The folder beside a file in which a training is kept until the file is written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from synthgen.torch.course import Kept
from synthgen.torch.pretrain.checkpoint import CHECKPOINT
from synthgen.torch.pretrain.folder import owned_folder, remove_training
from synthgen.torch.pretrain.ranks import TrainingGroup

ENDING = ".unfinished"


@contextmanager
def unfinished(out: Path, table: str, identity: dict, overwrite: bool, what: str, seconds: float) -> Iterator[Kept]:
    """Yield where the training of a file is kept while the block runs, which writes the file at its end.

    The folder goes with the end of the block. After an error or a kill it stays, if there is a checkpoint in it.

    Parameters
    ----------
    out : Path
        The file.
    table : str
        Ending of the name of the table of losses, which lies beside the file.
    identity : dict
        All that the training depends on, flat and JSON-able: what is there must be of the same.
    overwrite : bool
        Remove another training first.
    what : str
        What messages call the training.
    seconds : float
        Interval between checkpoints.

    Raises
    ------
    UsageError
        If the folder is that of another training, with what differs.
    LockedError
        If another process trains there.
    """
    folder = out.with_suffix(ENDING)
    alone = TrainingGroup(0, 1, torch.device("cpu"))
    is_done = False
    try:
        with owned_folder(folder, identity, overwrite, alone, what):
            yield Kept(folder, out.with_suffix(table), seconds)
            is_done = True
    finally:
        has_checkpoint = (folder / CHECKPOINT).exists()
        if is_done or not has_checkpoint:
            remove_training(folder)
            with suppress(OSError):
                folder.rmdir()
