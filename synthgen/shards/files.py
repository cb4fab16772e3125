"""Files that are whole or absent: atomic writing, reading at an offset, errors in words."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import threading
import weakref
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from synthgen.errors import FormatError, StorageError, SynthgenError, UsageError

# How a system says that it, or this file system, cannot do what was asked for.
UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
FULL = (errno.ENOSPC, errno.EDQUOT)
# What a missing or misplaced file is reported as. All other errors of reading say nothing of the file.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO})
_BLOCK = 2**20
# A scheme has two letters or more: "C:/data" is a folder of Windows. A `Path` makes one slash of two.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
# Windows has no such flags; there, files are opened as text unless told otherwise.
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_remote(path) -> bool:
    """Return whether a path is an address such as ``s3://bucket/x``.

    Examples
    --------
    >>> [is_remote(path) for path in ("s3://bucket/x", "hf:/datasets/x", "C:/data", "data/x")]
    [True, True, False, False]
    """
    return _REMOTE.match(os.fspath(path)) is not None


def refuse_remote(path, name: str = "out") -> None:
    """Raise `UsageError` for an address: only data sets can be written there.

    `name` is the argument that the message begins with.
    """
    if is_remote(path):
        raise UsageError(
            f"{name} must be a path on this machine, got {os.fspath(path)}: only data sets are drawn into a "
            "store; write into a folder and copy it there"
        )


def check_local(path) -> None:
    """Raise `UsageError` for an address, where what is read must lie on this machine."""
    if is_remote(path):
        raise UsageError(
            f"{os.fspath(path)}: must be a path on this machine: a store is not read here; copy what lies there "
            "into a folder, and name that"
        )


@contextmanager
def replacing(path: Path, replace: bool = True):
    """Yield a temporary path next to `path`; on success it is synced and takes the place of `path`.

    The temporary name starts with a dot and carries the process id. On any error it is removed. Without `replace`
    a file that is there already stays, also if another process makes it at the same moment. The new file has the
    mode that the umask gives, whoever wrote it.

    Raises
    ------
    UsageError
        If `path` is an address or the name of something else than a file.
    StorageError
        If the disk is full or the folder may not be written.
    """
    refuse_remote(path, "path")
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    # What is still a link leads to itself.
    if not path.name or path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageError(f"{path}: must be the name of a plain file")

    # The token keeps processes of equal number in two containers apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with storage_errors(path):
            mode = _created(temporary)
            yield temporary
            _finish(temporary, mode)
            _place(temporary, path, replace)
            _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _created(path: Path) -> int:
    """Make an empty file and return the mode that the umask gives it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _finish(path: Path, mode: int) -> None:
    """Bring a written file to the disk, with its mode."""
    # A link to somebody's file may not be opened for writing; Windows can only sync what is.
    with open(path, "rb+" if os.name == "nt" else "rb") as file:
        _sync(file.fileno())

    status = path.stat()
    # A hard link to an older file keeps the mode of that file.
    if stat.S_IMODE(status.st_mode) != mode and status.st_nlink == 1:
        path.chmod(mode)


def _place(temporary: Path, path: Path, replace: bool) -> None:
    """Give a finished file its name."""
    if replace:
        os.replace(temporary, path)
        return

    with suppress(FileExistsError):
        _claim(temporary, path)
    temporary.unlink(missing_ok=True)


def _claim(temporary: Path, path: Path) -> None:
    """Give a finished file its name; raise `FileExistsError` if there is such a file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (*UNSUPPORTED, errno.EPERM):
            raise
        # No hard links here: an empty file takes the name, then the whole one takes its place.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(temporary, path)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Bring a file or folder to the disk, where the file system can: Samba and some shared folders cannot."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def write_atomically(path: Path, data: bytes, replace: bool = True) -> None:
    """Write a whole file or nothing; without `replace` nothing if there is one."""
    with replacing(path, replace) as temporary:
        temporary.write_bytes(data)


def reserve(file, size: int) -> None:
    """Make an open file `size` bytes long, on disk that is taken now: a full disk is an `OSError` here, not later.

    Where the system cannot reserve, the free space is compared with `size`.
    """
    file.flush()
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise

    folder = os.path.dirname(os.path.abspath(file.name))
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(file.fileno(), size)


@contextmanager
def storage_errors(path):
    """Turn an `OSError` of the block into a `StorageError` that names `path`; our own errors pass."""
    try:
        yield
    except SynthgenError:
        raise
    except OSError as error:
        raise storage_error(error, path) from error


@contextmanager
def system_errors(folder):
    """Turn an `OSError` that the block leaves into a `StorageError`, which names the file, or else the folder."""
    try:
        yield
    except SynthgenError:
        raise
    except OSError as error:
        place = error.filename or folder
        if error.errno in FULL:
            raise storage_error(error, place) from error
        raise _numbered(error, f"{place}: cannot be used: {_reason(error)}") from error


def storage_error(error: OSError, path) -> StorageError:
    """Return the error of a failed write as a sentence."""
    # HDF5 reports a full disk as text only
    if error.errno in FULL or "No space left" in str(error):
        return _numbered(
            error, f"{path}: the disk is full; free some space and run the same command again to resume"
        )
    return _numbered(error, f"{path}: cannot be written: {_reason(error)}")


def _numbered(error: OSError, message: str) -> StorageError:
    """Return a `StorageError` with the number of an error of the system."""
    failure = StorageError(message)
    failure.errno = error.errno
    return failure


def read_error(error: OSError, path) -> SynthgenError:
    """Return the error of a failed read as a sentence.

    It is a `FormatError` where the file is missing or no file. It is a `StorageError` where the system failed: that
    says nothing of the file, which may be whole.
    """
    message = f"{path}: cannot be read: {_reason(error)}"
    return FormatError(message) if error.errno in _ABSENT else _numbered(error, message)


def _reason(error: OSError) -> str:
    if error.errno:
        return os.strerror(error.errno)
    # HDF5 puts several lines into one error
    return str(error).partition("\n")[0] or type(error).__name__


def make_folder(path: Path, place=None) -> None:
    """Make a folder and those above it, where they are not there; errors name `place`, by default the folder."""
    refuse_remote(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path if place is None else place) from None


def sha256_of(path: Path, most: int | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal; errors as for `RawFile`.

    Parameters
    ----------
    path : Path
    most : int or None
        The bytes that the file may have: a terabyte of holes would be read for hours. None for any number.
    """
    digest = hashlib.sha256()
    with closing(RawFile(path)) as file:
        file.check_size(most)
        for offset in range(0, file.size, _BLOCK):
            left = file.size - offset
            digest.update(file.read(offset, min(_BLOCK, left)))
    return digest.hexdigest()


def temporaries(folder: Path):
    """Yield (path, name) of each unfinished file in a folder: where it lies, and the file that it was to become."""
    for path in folder.glob(".*.tmp"):
        name, _, writer = path.name[1:].removesuffix(".tmp").rpartition(".")
        if name and writer:
            yield path, name


def remove_temporaries(folder: Path, names) -> None:
    """Remove what killed writers of the files `names` left behind."""
    wanted = frozenset(names)
    for path, name in temporaries(folder):
        if name in wanted:
            with storage_errors(path):
                path.unlink(missing_ok=True)


class RawFile:
    """A file that is read at offsets: no position is shared, so that forked processes may read it together.

    Raises
    ------
    FormatError
        If there is no such file, or it is not a plain one.
    StorageError
        If the system cannot read it now.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock() if not hasattr(os, "pread") else None
        try:
            # not blocking: a pipe in place of a file would be waited for, for ever
            self._descriptor = os.open(path, _READ)
            # Not `__del__`: at the end of a program the names that it uses may be gone before the file is.
            self._close = weakref.finalize(self, os.close, self._descriptor)
            self._close.atexit = False
            status = os.fstat(self._descriptor)
        except OSError as error:
            raise read_error(error, path) from None
        if not stat.S_ISREG(status.st_mode):
            raise FormatError(f"{path}: must be a plain file")
        self.size = status.st_size

    def check_size(self, most: int | None) -> None:
        """Raise `FormatError` if the file has more bytes than it may have; None for any number."""
        if most is not None and self.size > most:
            raise FormatError(f"{self.path}: must have at most {most:,} bytes, got {self.size:,}")

    @property
    def descriptor(self) -> int:
        """The number by which the system knows the open file."""
        return self._descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes; raise `FormatError` if the file does not have them."""
        self._check_range(offset, size)
        try:
            data = self._read_at(offset, size)
        except OSError as error:
            raise read_error(error, self.path) from None
        if len(data) != size:
            raise FormatError(f"{self.path}: file was cut off while it was read")
        return data

    def _check_range(self, offset: int, size: int) -> None:
        if not (offset >= 0 and size >= 0 and offset + size <= self.size):
            raise FormatError(
                f"{self.path}: bytes {offset}..{offset + size} lie outside the file ({self.size} bytes)"
            )

    def _read_at(self, offset: int, size: int) -> bytes:
        if self._lock is None:
            return os.pread(self._descriptor, size, offset)
        # Windows reads at a position only: threads take turns.
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, size)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._descriptor = -1
        self._close()
