"""Files that are whole or absent: atomic writing, reading at an offset, errors in words."""

import errno
import hashlib
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

from synthgen.errors import FormatError, StorageError, UsageError


@contextmanager
def replacing(path: Path, replace: bool = True):
    """Yield a temporary path next to `path`; on success it is synced and takes the place of `path`.

    The temporary name starts with a dot and carries the process id. On any error it is removed. Without `replace`
    a file that is there already stays, also if another process makes it at the same moment.

    Raises
    ------
    StorageError
        If the disk is full or the folder may not be written.
    """
    if path.is_symlink():
        path = path.resolve()
    if not path.name or (path.exists() and not path.is_file()):
        raise UsageError(f"{path}: must be the name of a plain file")
    # The token keeps processes of equal number in two containers apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            if replace:
                os.replace(temporary, path)
            else:
                with suppress(FileExistsError):
                    os.link(temporary, path)
                temporary.unlink()
            _sync_folder(path.parent)
        except OSError as error:
            raise storage_error(error, path) from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes, replace: bool = True) -> None:
    """Write a whole file or nothing; without `replace` nothing if there is one."""
    with replacing(path, replace) as temporary:
        temporary.write_bytes(data)


def storage_error(error: OSError, path) -> StorageError:
    """Return the error of a failed write as a sentence."""
    # HDF5 reports a full disk as text only
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    if full:
        return StorageError(f"{path}: the disk is full; free some space and run the same command again to resume")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(f"{path}: cannot be written: {reason}")


def make_folder(path: Path, place=None) -> None:
    """Make a folder and those above it, where they are not there; errors name `place`, by default the folder."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path if place is None else place) from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_temporaries(folder: Path, names) -> None:
    """Remove what killed writers of the files `names` left behind."""
    wanted = set(names)
    for path in folder.glob(".*.tmp"):
        if path.name[1:].rsplit(".", 2)[0] in wanted:
            path.unlink(missing_ok=True)


class RawFile:
    """A file that is read at offsets: no position is shared, so that forked processes may read it together."""

    def __init__(self, path: Path):
        self.path = path
        try:
            # not blocking: a pipe in place of a file would be waited for, for ever
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise FormatError(f"{path}: cannot be read: {os.strerror(error.errno)}") from None
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FormatError(f"{path}: must be a plain file")
        self.size = status.st_size

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes; raise `FormatError` if the file does not have them."""
        if not (offset >= 0 and size >= 0 and offset + size <= self.size):
            raise FormatError(
                f"{self.path}: bytes {offset}..{offset + size} lie outside the file ({self.size} bytes)"
            )
        data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            raise FormatError(f"{self.path}: file was cut off while it was read")
        return data

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self):
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()
