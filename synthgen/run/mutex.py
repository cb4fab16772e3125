"""A lock in the form of a file: held by one process, named after its holder, given back when the holder dies."""

import errno
import json
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthgen.shards.files import UNSUPPORTED, storage_errors

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_BUSY = (errno.EWOULDBLOCK, errno.EACCES)
_NO_LOCKS = (*UNSUPPORTED, errno.ENOLCK)
_CLOSED_ON_EXEC = getattr(os, "O_CLOEXEC", 0)


class FileLock:
    """A lock that this process holds; `try_lock` makes it. Child processes that run a program do not inherit it."""

    def __init__(self, path: Path, descriptor: int | None):
        self.path = path
        # Without a descriptor a second file is the lock: see `_claimed`.
        self._descriptor = descriptor
        self._held = True

    def release(self) -> None:
        """Give the lock back and remove its file; a second call does nothing."""
        if not self._held:
            return
        self._held = False

        # A file that cannot be removed now is a leftover, which others find to be free.
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
        else:
            with suppress(OSError):
                claim_path(self.path).unlink(missing_ok=True)


def try_lock(path: Path) -> FileLock | None:
    """Take a lock and write down who holds it; return None if another process holds it.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    with storage_errors(path):
        try:
            return _flocked(path)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return _claimed(path)


def holder(path: Path) -> str:
    """Return who holds a lock, in words, and what to do where nobody can tell whether the holder still lives."""
    claim = claim_path(path)
    if claim.exists():
        name = _read(claim) or "another process"
        return f"{name}; this file system has no locks: if that process is dead, remove {claim}"
    return _read(path) or "another process"


def claim_path(path: Path) -> Path:
    """Return the second file of a lock, where the file system has no locks."""
    return path.with_suffix(".held")


def _flocked(path: Path) -> FileLock | None:
    """Take a lock of the kernel, which drops it with the process, however that ends."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _CLOSED_ON_EXEC, 0o666)
        try:
            _flock(descriptor)
            if _lies_at(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, _own_name())
                return FileLock(path, descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _BUSY:
                return None
            raise
        os.close(descriptor)


def _flock(descriptor: int) -> None:
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lies_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file still has its name: its last holder removed it as it left, perhaps just now."""
    try:
        return os.stat(path).st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _claimed(path: Path) -> FileLock | None:
    """Take a lock where the file system has none: of all processes one can make the second file."""
    claim = claim_path(path)
    while True:
        try:
            descriptor = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            if _is_dead(_read(claim)):
                _discard(claim)
                continue
            return None

        with os.fdopen(descriptor, "wb") as file:
            file.write(_own_name())
        return FileLock(path, None)


def _discard(claim: Path) -> None:
    """Remove the claim of a dead process, but not one that another process made in its place just now."""
    aside = claim.with_name(f"{claim.name}.{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        os.replace(claim, aside)
        if _is_dead(_read(aside)):
            aside.unlink()
        else:
            os.replace(aside, claim)


def _is_dead(name: str) -> bool:
    """Return whether a holder is known to be dead: nothing is known of those on other machines."""
    try:
        found = json.loads(name)
        host, pid = found["host"], int(found["pid"])
    except (ValueError, KeyError, TypeError):
        return False
    return host == socket.gethostname() and not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine may be alive; where the system cannot say it is taken to be."""
    if os.name == "nt" or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def _own_name() -> bytes:
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(200).decode("utf-8", "replace")
    except OSError:
        return ""
