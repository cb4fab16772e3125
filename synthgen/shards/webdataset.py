"""WebDataset shards: POSIX tar files that the ``webdataset`` package and plain ``tar`` read without synthgen.

Headers are written and read by hand: ``tarfile`` takes 30 to 60 us a member, more than a whole image takes to read.
"""

import os
from pathlib import Path

import numpy as np

from synthgen.errors import FormatError
from synthgen.sample import KEY_PATTERN, format_key
from synthgen.shards.codecs import suffix
from synthgen.shards.files import RawFile

SUFFIX = "tar"
_BLOCK = 512
_END = 2 * _BLOCK


def members(fields: dict) -> dict[str, str]:
    """Return the ending of the member that holds each field, in the order of the file."""
    endings = {n: suffix(e.codec) if n == "image" else f"{n}.{suffix(e.codec)}" for n, e in fields.items()}
    image = endings.pop("image")
    return {"image": image, "label": "cls", **endings, "params": "json"}


class Writer:
    """Writes one tar shard; arguments as for the HDF5 writer."""

    def __init__(self, path: Path, fields: dict, version: int):
        self._endings = members(fields)
        self._file = open(path, "wb", buffering=2**20)  # noqa: SIM115 - closed by `close`

    def add(self, label: int, index: int, columns: dict[str, bytes], params: bytes) -> None:
        """Append one sample: the encoded bytes of its fields, and its parameters as JSON."""
        key = format_key(label, index)
        parts = {**columns, "label": str(label).encode(), "params": params}
        for name, ending in self._endings.items():
            data = parts[name]
            self._file.write(_header(f"{key}.{ending}", len(data)))
            self._file.write(data)
            self._file.write(bytes(-len(data) % _BLOCK))

    def finish(self) -> None:
        """Write the end of the archive."""
        self._file.write(bytes(_END))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _header(name: str, size: int) -> bytes:
    """Return a ustar header: mode 0644, uid, gid and mtime 0."""
    head = bytearray(_BLOCK)
    encoded = name.encode("ascii")
    head[: len(encoded)] = encoded
    head[100:108], head[108:116], head[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    head[124:136], head[136:148] = b"%011o\0" % size, b"00000000000\0"
    head[148:156] = b" " * 8
    head[156:157], head[257:265] = b"0", b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


class Reader:
    """Reads the samples of one tar shard; arguments and errors as for the HDF5 reader."""

    def __init__(self, path: Path, fields: dict, count: int, version: int):
        self._file = RawFile(path)
        self.count = count
        endings = members(fields)
        self._column = {name: k for k, name in enumerate(endings)}
        self._starts, self._sizes, self._ids = self._scan(list(endings.values()))

    def _scan(self, endings: list[str]):
        """Walk over the headers once; they must be exactly those that the manifest promises."""
        least = self.count * len(endings) * _BLOCK + _END
        if self._file.size < least:
            raise FormatError(f"{self._file.path}: must have {least} bytes or more, got {self._file.size}")
        starts = np.empty((self.count, len(endings)), dtype=np.int64)
        sizes = np.empty_like(starts)
        keys = []
        at = 0
        for i in range(self.count):
            key = None
            for k, ending in enumerate(endings):
                name, size = self._member(at)
                stem, _, rest = name.partition(".")
                key = key or stem
                if rest != ending or stem != key or KEY_PATTERN.fullmatch(stem) is None:
                    raise FormatError(
                        f"{self._file.path}: member at byte {at} must be KEY.{ending}, got {name[:60]!r}"
                    )
                starts[i, k], sizes[i, k] = at + _BLOCK, size
                at += _BLOCK + size + -size % _BLOCK
            keys.append(key)
        if at + _END != self._file.size or any(self._file.read(at, _END)):
            raise FormatError(f"{self._file.path}: must end after {self.count} samples, at byte {at + _END}")
        return starts, sizes, np.array(keys, dtype="S")

    def _member(self, at: int) -> tuple[str, int]:
        head = self._file.read(at, _BLOCK)
        try:
            size, checksum = int(head[124:136].rstrip(b"\0 "), 8), int(head[148:156].rstrip(b"\0 "), 8)
        except ValueError:
            raise FormatError(f"{self._file.path}: header at byte {at} is damaged") from None
        plain = head[257:263] == b"ustar\0" and not any(head[157:257]) and not any(head[345:500])
        if not plain or checksum != sum(head) - sum(head[148:156]) + 8 * 32 or head[156:157] != b"0" or size < 0:
            raise FormatError(f"{self._file.path}: header at byte {at} is damaged or not that of a plain file")
        return os.fsdecode(head[:100].rstrip(b"\0")), size

    def read(self, i: int, name: str) -> bytes:
        """Return the stored bytes of a field (or ``params``) of sample `i`."""
        k = self._column[name]
        return self._file.read(int(self._starts[i, k]), int(self._sizes[i, k]))

    def label(self, i: int) -> int:
        """Return the class of sample `i`."""
        text = self.read(i, "label")
        if not (text.isdigit() and len(text) < 12):
            raise FormatError(f"{self._file.path}: label of sample {i} must be a number, got {text[:20]!r}")
        return int(text)

    def key(self, i: int) -> str:
        """Return the key of sample `i`."""
        return self._ids[i].decode()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
