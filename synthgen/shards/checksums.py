"""A checksum for each stored field of each sample."""

from pathlib import Path

import deflate

from synthgen.errors import FormatError


def checksum(key: bytes, name: str, data) -> int:
    """Return the CRC32 of the line ``KEY NAME`` and the stored bytes that follow it.

    Key and name are part of it, so that the bytes of another sample or field do not pass.

    Parameters
    ----------
    key : bytes
        Of the sample, in ASCII.
    name : str
        Of the field, ``label`` or ``params``.
    data : bytes-like
        As stored.

    Examples
    --------
    >>> f"{checksum(b'c000012-i00000034', 'label', b'12'):08x}"
    '02865325'
    """
    line = b"%s %s\n" % (key, name.encode())
    start = deflate.crc32(line)
    return deflate.crc32(data, start)


def check_bytes(path: Path, key: bytes, name: str, data, expected: int) -> None:
    """Raise `FormatError` unless the stored bytes have the checksum that the shard says."""
    if checksum(key, name, data) == expected:
        return
    sample = key.decode("ascii", "replace")
    raise FormatError(f"{path}: {name} of {sample} is damaged: its checksum differs")
