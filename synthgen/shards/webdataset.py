"""WebDataset shards: POSIX tar files that the ``webdataset`` package and plain ``tar`` read without synthgen.

Headers are written and read by hand: ``tarfile`` takes 30 to 60 us a member, more than a whole image takes to read.
"""

import os
import re
import zlib
from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.errors import FormatError
from synthgen.sample import KEY_PATTERN, format_key
from synthgen.shards.checksums import check_bytes, checksum
from synthgen.shards.codecs import suffix
from synthgen.shards.files import RawFile

SUFFIX = "tar"
_BLOCK = 512
_END = 2 * _BLOCK
# Parts of a ustar header.
_NAME = slice(0, 100)
_SIZE = slice(124, 136)
_SUM = slice(148, 156)
_KIND = slice(156, 157)
_LINK = slice(157, 257)
_MAGIC = slice(257, 263)
_USER = slice(265, 297)
_PREFIX = slice(345, 500)
_NO_LINK = bytes(100)
_NO_PREFIX = bytes(155)
# The checksum of a member stands where tar has the name of its owner, which no reader needs.
_CHECKSUM = re.compile(rb"crc32-([0-9a-f]{8})\0*")


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
            check = checksum(key.encode(), name, data)
            self._file.write(_header(f"{key}.{ending}", len(data), check))
            self._file.write(data)
            self._file.write(bytes(-len(data) % _BLOCK))

    def finish(self) -> None:
        """Write the end of the archive."""
        self._file.write(bytes(_END))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _header(name: str, size: int, check: int) -> bytes:
    """Return a ustar header: mode 0644, uid, gid and mtime 0, the checksum in place of the owner's name."""
    head = bytearray(_BLOCK)
    encoded = name.encode("ascii")
    head[: len(encoded)] = encoded
    head[100:124] = b"0000644\0" + b"0000000\0" + b"0000000\0"
    head[_SIZE] = b"%011o\0" % size
    head[136:148] = b"00000000000\0"
    head[_SUM] = b" " * 8
    head[_KIND] = b"0"
    head[257:265] = b"ustar\x0000"
    head[265:279] = b"crc32-%08x" % check
    head[_SUM] = b"%06o\0 " % sum(head)
    return bytes(head)


def _sum_of(head: bytes) -> int:
    """Return the sum of the bytes of a header, with spaces in place of the stored sum.

    The lower half of Adler-32 is 1 plus that sum, modulo 65521, which no header of ours reaches: 10 times faster
    than `sum`.
    """
    plain = head[: _SUM.start] + b" " * 8 + head[_SUM.stop :]
    return (zlib.adler32(plain) & 0xFFFF) - 1


class _Member(NamedTuple):
    """What the header of a member says."""

    name: str
    size: int
    checksum: int


class Reader:
    """Reads the samples of one tar shard; arguments and errors as for the HDF5 reader."""

    def __init__(self, path: Path, fields: dict, count: int, version: int):
        self._file = RawFile(path)
        self.count = count
        endings = members(fields)
        self._column = {name: k for k, name in enumerate(endings)}
        self._scan(list(endings.values()))

    def _scan(self, endings: list[str]) -> None:
        """Walk over the headers once; they must be exactly those that the manifest promises."""
        least = self.count * len(endings) * _BLOCK + _END
        if self._file.size < least:
            raise FormatError(f"{self._file.path}: must have {least} bytes or more, got {self._file.size}")

        # They grow with what is found: a manifest may promise more than the file has.
        starts = array("q")
        sizes = array("q")
        checksums = array("q")
        keys = []
        at = 0
        for _ in range(self.count):
            key = None
            for ending in endings:
                member = self._member(at)
                key = self._checked_key(member.name, ending, key, at)
                starts.append(at + _BLOCK)
                sizes.append(member.size)
                checksums.append(member.checksum)
                at += _BLOCK + member.size + -member.size % _BLOCK
            keys.append(key)

        if at + _END != self._file.size or any(self._file.read(at, _END)):
            raise FormatError(f"{self._file.path}: must end after {self.count} samples, at byte {at + _END}")
        table = (self.count, len(endings))
        self._starts = np.frombuffer(starts, np.int64).reshape(table)
        self._sizes = np.frombuffer(sizes, np.int64).reshape(table)
        self._checksums = np.frombuffer(checksums, np.int64).reshape(table)
        self._keys = np.array(keys, dtype="S")

    def _checked_key(self, name: str, ending: str, key: str | None, at: int) -> str:
        """Return the key in the name of a member, which must be `key` if that is known already."""
        stem, _, rest = name.partition(".")
        known = stem == key if key is not None else KEY_PATTERN.fullmatch(stem) is not None
        if rest != ending or not known:
            raise FormatError(f"{self._file.path}: member at byte {at} must be KEY.{ending}, got {name[:60]!r}")
        return stem

    def _member(self, at: int) -> _Member:
        head = self._file.read(at, _BLOCK)
        check = _CHECKSUM.fullmatch(head[_USER])
        try:
            size = int(head[_SIZE].rstrip(b"\0 "), 8)
            header_sum = int(head[_SUM].rstrip(b"\0 "), 8)
        except ValueError:
            raise FormatError(f"{self._file.path}: header at byte {at} is damaged") from None

        plain = head[_MAGIC] == b"ustar\0" and head[_KIND] == b"0"
        alone = head[_LINK] == _NO_LINK and head[_PREFIX] == _NO_PREFIX
        if not plain or not alone or header_sum != _sum_of(head) or size < 0:
            raise FormatError(f"{self._file.path}: header at byte {at} is damaged or not that of a plain file")
        if check is None:
            raise FormatError(
                f"{self._file.path}: header at byte {at} must have a checksum, crc32-xxxxxxxx, as owner"
            )
        return _Member(os.fsdecode(head[_NAME].rstrip(b"\0")), size, int(check[1], 16))

    def check_rows(self, first: int, keys: np.ndarray, labels: np.ndarray) -> None:
        """Compare the keys of the rows from `first` on with those of the plan; raise `FormatError`.

        A label is compared with its key when it is read.
        """
        found = self._keys[first : first + len(keys)]
        wrong = found != keys
        if wrong.any():
            row = int(wrong.argmax())
            raise FormatError(
                f"{self._file.path}: sample {first + row} must be {keys[row].decode()}, got {found[row].decode()}"
            )

    def read(self, i: int, name: str) -> bytes:
        """Return the stored bytes of a field (or ``params``) of sample `i`, compared with their checksum."""
        k = self._column[name]
        data = self._file.read(self._starts.item(i, k), self._sizes.item(i, k))
        check_bytes(self._file.path, self._keys.item(i), name, data, self._checksums.item(i, k))
        return data

    def label(self, i: int) -> int:
        """Return the class of sample `i`."""
        text = self.read(i, "label")
        label = int(self._keys.item(i)[1:].partition(b"-")[0])
        if text != b"%d" % label:
            raise FormatError(f"{self._file.path}: label of {self.key(i)} must be {label}, got {text[:20]!r}")
        return label

    def key(self, i: int) -> str:
        """Return the key of sample `i`."""
        return self._keys.item(i).decode()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
