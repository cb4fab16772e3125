"""The gate: every file of a data set is opened and read through here.

A file must be a plain one, and its size is compared with what it may be before memory is taken. A pipe, a device
or a socket in place of a file is refused and never waited for. Errors of the system name the file and say that it
cannot be read: they are no damage.
"""

import io
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from synthgen.errors import FormatError
from synthgen.shards.files import RawFile, read_error

# The longest line of a class table.
_MOST_LINE = 2**20
_BLOCK = 2**18


def exists(path: Path) -> bool:
    """Return whether there is anything at `path`; raise `StorageError` if the system cannot say."""
    try:
        os.stat(path)
    except OSError as error:
        failure = read_error(error, path)
        if isinstance(failure, FormatError):
            return False
        raise failure from None
    return True


def read_whole(path: Path, most: int) -> bytes:
    """Return the bytes of a small file.

    Parameters
    ----------
    path : Path
    most : int
        The size that the file may have.

    Raises
    ------
    FormatError
        If the file is missing, larger, or not a plain file.
    StorageError
        If the system cannot read it.
    """
    with closing(RawFile(path)) as file:
        file.check_size(most)
        return file.read(0, file.size)


def check_digest(place, found: str, expected: str) -> None:
    """Raise `FormatError` unless the SHA-256 that was found of a file is the one that is expected.

    `place` is the path, or the address, that the message begins with.
    """
    if found != expected:
        raise FormatError(f"{place}: SHA-256 must be {expected[:16]}..., got {found[:16]}...")


def read_lines(path: Path, most: int) -> Iterator[bytes]:
    """Yield the lines of a file, without their ends; errors as for `read_whole`.

    Parameters
    ----------
    path : Path
    most : int
        The number of lines that the file may have. A line may have 2**20 bytes.
    """
    with closing(RawFile(path)) as file:
        for number, line in enumerate(_lines(file)):
            if number >= most:
                raise FormatError(f"{path}: must have at most {most:,} lines")
            yield line


def _lines(file: RawFile) -> Iterator[bytes]:
    rest = b""
    for offset in range(0, file.size, _BLOCK):
        left = file.size - offset
        block = file.read(offset, min(_BLOCK, left))
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > _MOST_LINE:
            raise FormatError(f"{file.path}: a line must have at most {_MOST_LINE:,} bytes")

    if rest:
        yield rest


class Stream(io.RawIOBase):
    """A `RawFile` as a stream, for libraries that read from one. Closing it leaves the file open."""

    def __init__(self, file: RawFile):
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        """Return that the stream can be read."""
        return True

    def seekable(self) -> bool:
        """Return that the stream has positions."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer) -> int:
        """Fill a buffer as far as the file goes; return the number of bytes."""
        left = max(0, self._file.size - self._at)
        size = min(len(buffer), left)
        buffer[:size] = self._file.read(self._at, size) if size else b""
        self._at += size
        return size
