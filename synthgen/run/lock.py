"""One writer for each part of a data set.

A part has a lock, and a folder has one more, the gate. Locks are taken, given back and looked at behind the gate
only: so nobody's look is taken for a writer, and what a dead writer left is removed by one process at a time.
"""

import os
import random
import re
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

from synthgen.errors import LockedError, SynthgenError
from synthgen.shards.files import storage_errors
from synthgen.shards.mutex import FileLock, holder, try_lock

GATE = ".gate.lock"
_PART = re.compile(r"\.part-([0-9]+)-of-([0-9]+)\.lock")
_LOCK = re.compile(r"\.(gate|part-[0-9]+-of-[0-9]+)\.(lock|held)(\.[0-9a-f]+)?")
_PATIENCE = 120.0


@contextmanager
def part_lock(folder: Path, part: tuple[int, int], alone: bool = False, last: Callable[[], None] | None = None):
    """Hold the lock of a part while the block runs. Its file names the holder.

    Parameters
    ----------
    folder : Path
    part : (int, int)
        K and N. Other parts of the same N may be drawn meanwhile; those of another N share shards with this one.
    alone : bool
        Refuse all other parts, also those of the same N.
    last : callable, optional
        Called at the end if no other part is being drawn; none can begin before it returns.

    Raises
    ------
    LockedError
        If another process draws this part, or one that must not be drawn meanwhile. The message says which.
    StorageError
        If the folder cannot be written.
    """
    with gate(folder):
        lock = _take(folder, part)
        try:
            _check_others(folder, part, alone)
        except BaseException:
            lock.release()
            raise
    try:
        yield
    finally:
        _leave(folder, part, lock, last)


@contextmanager
def gate(folder: Path):
    """Hold the gate of a folder while the block runs; waits for other holders, who take moments only."""
    path = folder / GATE
    end = time.monotonic() + _PATIENCE
    while (lock := try_lock(path)) is None:
        if time.monotonic() > end:
            raise LockedError(f"{path}: must be free within {_PATIENCE:.0f} s, is held by {holder(path)}")
        # Those who wait must not all look at the same moments.
        time.sleep(random.uniform(0.002, 0.02))
    try:
        yield
    finally:
        lock.release()


def check_alone(folder: Path, part: tuple[int, int]) -> None:
    """Raise `LockedError` if another part is being drawn in a folder. To be called behind the gate."""
    _check_others(folder, part, alone=True)


def is_lock(name: str) -> bool:
    """Return whether a file of this name belongs to a lock."""
    return _LOCK.fullmatch(name) is not None


def _path_of(folder: Path, part: tuple[int, int]) -> Path:
    return folder / f".part-{part[0]}-of-{part[1]}.lock"


def _take(folder: Path, part: tuple[int, int]) -> FileLock:
    path = _path_of(folder, part)
    lock = try_lock(path)
    if lock is None:
        raise LockedError(f"{folder}: part-{part[0]}-of-{part[1]} is being written by {holder(path)}")
    return lock


def _check_others(folder: Path, part: tuple[int, int], alone: bool) -> None:
    """Raise `LockedError` if a part is drawn that must not be drawn now; remove the locks of dead ones."""
    for other in _other_parts(folder, part):
        if alone or other[1] != part[1]:
            _take(folder, other).release()


def _leave(folder: Path, part: tuple[int, int], lock: FileLock, last: Callable[[], None] | None) -> None:
    """Give the lock of a part back. What cannot be cleared away now is cleared away by the next run."""
    try:
        with suppress(SynthgenError), gate(folder):
            lock.release()
            if not _any_live(folder, part) and last is not None:
                last()
    finally:
        lock.release()


def _any_live(folder: Path, part: tuple[int, int]) -> bool:
    """Return whether another part is being drawn; remove the locks of dead ones up to it."""
    for other in _other_parts(folder, part):
        lock = try_lock(_path_of(folder, other))
        if lock is None:
            return True
        lock.release()
    return False


def _other_parts(folder: Path, part: tuple[int, int]) -> list[tuple[int, int]]:
    with storage_errors(folder):
        names = os.listdir(folder)
    matches = filter(None, map(_PART.fullmatch, names))
    parts = [(int(match[1]), int(match[2])) for match in matches]
    return [other for other in parts if other != part]
