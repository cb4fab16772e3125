"""A lock in the form of a file: held by one process, named after its holder, given back when the holder dies.

The kernel drops a lock with the last copy of its open file, and a forked process has copies: it closes them as it
begins, so that its parent's death frees the lock.

A file system without locks is given a second file, the claim, which one process can make. It says who holds it, and
its time is renewed while the holder lives: from another machine nothing else shows that a process is dead.
"""

import errno
import json
import os
import secrets
import socket
import threading
import warnings
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
_NO_LOCKS = (*UNSUPPORTED, errno.ENOLCK, errno.EPERM)
# How often a holder renews the time of its claim, and how old that of a dead one is.
_BEAT_SECONDS = 30.0
_SILENT_SECONDS = 600.0
_warned: set[Path] = set()
_CLOSED_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
# Open files of locks; nobody forks while one is taken.
_open: set[int] = set()
_forking = threading.RLock()


class FileLock:
    """A lock that this process holds; `try_lock` makes it. Child processes do not inherit it."""

    def __init__(self, path: Path, descriptor: int | None):
        self.path = path
        self._process = os.getpid()
        # Without a descriptor a second file is the lock: see `_claimed`.
        self._descriptor = descriptor
        self._held = True
        self._ended = threading.Event()
        if descriptor is None:
            beat = threading.Thread(target=_beat, args=(claim_path(path), self._ended), daemon=True)
            beat.start()

    def release(self) -> None:
        """Give the lock back and remove its file; a second call does nothing."""
        if not self._held or self._process != os.getpid():
            return
        self._held = False
        self._ended.set()

        # A file that cannot be removed now is a leftover, which others find to be free.
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        if self._descriptor is not None:
            _let_go(self._descriptor)
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
        lock = _claimed(path)
        _warn(path.parent)
        return lock


def holder(path: Path) -> str:
    """Return who holds a lock, in words, and what to do where nobody can tell whether the holder still lives."""
    claim = claim_path(path)
    if claim.exists():
        name = _read(claim) or "another process"
        wait = f"or wait for {_SILENT_SECONDS / 60:.0f} minutes"
        return f"{name}; this file system has no locks: if that process is dead, remove {claim}, {wait}"
    return _read(path) or "another process"


def is_gone(path: Path) -> bool:
    """Return whether a lock, or a claim, names a process of this machine that has ended."""
    try:
        found = json.loads(_read(path))
        host = found["host"]
        pid = int(found["pid"])
    except (ValueError, KeyError, TypeError):
        return False
    return host == socket.gethostname() and not is_alive(pid)


def claim_path(path: Path) -> Path:
    """Return the second file of a lock, where the file system has no locks."""
    return path.with_suffix(".held")


def _flocked(path: Path) -> FileLock | None:
    """Take a lock of the kernel, which drops it with the process, however that ends."""
    while True:
        descriptor = _opened(path)
        try:
            _flock(descriptor)
            if _lies_at(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, _own_name())
                return FileLock(path, descriptor)
        except OSError as error:
            _let_go(descriptor)
            if error.errno in _BUSY:
                return None
            raise
        _let_go(descriptor)


def _opened(path: Path) -> int:
    """Return the descriptor of a file that is to be locked, which no forked process keeps."""
    with _forking:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _CLOSED_ON_EXEC, 0o666)
        _open.add(descriptor)
    return descriptor


def _close_inherited() -> None:
    """Close the parent's locks in a process that was forked just now."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_forking.acquire,
        after_in_parent=_forking.release,
        after_in_child=_close_inherited,
    )


def _flock(descriptor: int) -> None:
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _let_go(descriptor: int) -> None:
    """Unlock and close a file: closing alone keeps the lock where code that is not Python's has forked."""
    with suppress(OSError):
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    with _forking:
        _open.discard(descriptor)
        os.close(descriptor)


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
            if not _is_dead(claim):
                return None
            _discard(claim)
            continue

        with os.fdopen(descriptor, "wb") as file:
            file.write(_own_name())
        return FileLock(path, None)


def _discard(claim: Path) -> None:
    """Remove the claim of a dead process, but not one that another process made in its place just now."""
    aside = claim.with_name(f"{claim.name}.{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        os.replace(claim, aside)
        if _is_dead(aside):
            aside.unlink()
        else:
            os.replace(aside, claim)


def _is_dead(claim: Path) -> bool:
    """Return whether the holder of a claim is dead: its process is gone, or it does not renew its claim.

    A process of the same number may be another one: in a container that starts again, numbers and host name recur.
    """
    return is_gone(claim) or _is_silent(claim)


def _is_silent(claim: Path) -> bool:
    """Return whether the time of a claim is old, by the clock of the file system."""
    probe = claim.with_name(f".clock.{secrets.token_hex(4)}.tmp")
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now - claim.stat().st_mtime > _SILENT_SECONDS
    except OSError:
        return False


def _beat(claim: Path, ended: threading.Event) -> None:
    """Renew the time of a claim until it is given back."""
    while not ended.wait(_BEAT_SECONDS):
        with suppress(OSError):
            os.utime(claim)


def _warn(folder: Path) -> None:
    """Say once of each folder that it has no locks."""
    if folder in _warned:
        return
    _warned.add(folder)
    warnings.warn(f"{folder}: has no locks; a file that names host and process holds each part", stacklevel=3)


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
