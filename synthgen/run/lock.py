"""One writer for each part of a data set."""

import errno
import fcntl
import json
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path

from synthgen.errors import LockedError
from synthgen.shards.files import storage_error


@contextmanager
def part_lock(folder: Path, part: tuple[int, int]):
    """Hold the lock of a part while the block runs.

    The kernel drops it with the process, however that ends; workers do not inherit it. The file names its holder.

    Raises
    ------
    LockedError
        If another process holds it; the message says which.
    """
    path = folder / f".part-{part[0]}-of-{part[1]}.lock"
    descriptor = _acquire(path)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def check_unlocked(folder: Path, part: tuple[int, int], same_split: bool) -> None:
    """Raise `LockedError` if a process draws another part of the folder.

    With `same_split` only parts of the same N may be drawn meanwhile: those of another N share shards with ours.
    """
    for path in folder.glob(".part-*-of-*.lock"):
        match = re.fullmatch(r"\.part-(\d+)-of-(\d+)\.lock", path.name, re.ASCII)
        other = (int(match[1]), int(match[2])) if match else part
        if other != part and not (same_split and other[1] == part[1]):
            with part_lock(folder, other):
                pass


def _acquire(path: Path) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_error(error, path) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace")
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise storage_error(error, path) from None
            raise LockedError(
                f"{path.parent}: {path.name[1:-5]} is being written by {holder or 'another process'}"
            ) from None
        # The holder removes the file as it leaves; a lock on a removed file protects nothing.
        try:
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
