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
from synthgen.shards.spans import Span

SUFFIX = "tar"
_BLOCK = 512
_END = 2 * _BLOCK
# Parts of a ustar header.
_NAME = slice(0, 100)
_MODE_AND_IDS = slice(100, 124)
_SIZE = slice(124, 136)
_TIME = slice(136, 148)
_SUM = slice(148, 156)
_KIND = slice(156, 157)
_LINK = slice(157, 257)
_MAGIC = slice(257, 263)
_MAGIC_AND_VERSION = slice(257, 265)
_USER = slice(265, 297)
_PREFIX = slice(345, 500)
_NO_LINK = bytes(100)
_NO_PREFIX = bytes(155)
# The checksum of a member stands where tar has the name of its owner, which no reader needs.
_CHECKSUM = re.compile(rb"crc32-([0-9a-f]{8})\0*")


def members(fields: dict) -> dict[str, str]:
    """Return the ending of the member that holds each field, in the order of the file."""
    endings = {name: suffix(entry.codec) for name, entry in fields.items()}
    image = endings.pop("image")
    others = {name: f"{name}.{ending}" for name, ending in endings.items()}
    return {"image": image, "label": "cls", **others, "params": "json"}


class Writer:
    """Writes one tar shard; arguments as for the HDF5 writer."""

    def __init__(self, path: Path, fields: dict, version: int):
        self._endings = members(fields)
        self._file = open(path, "wb", buffering=2**20)  # noqa: SIM115 - closed by `close`

    def add(self, label: int, index: int, columns: dict[str, bytes], params: bytes) -> None:
        """Append one sample: the encoded bytes of its fields, and its parameters as JSON."""
        key = format_key(label, index)
        key_bytes = key.encode()
        label_bytes = str(label).encode()
        parts = {**columns, "label": label_bytes, "params": params}

        for name, ending in self._endings.items():
            data = parts[name]
            check = checksum(key_bytes, name, data)
            header = _header(f"{key}.{ending}", len(data), check)
            padding = bytes(-len(data) % _BLOCK)
            self._file.write(header)
            self._file.write(data)
            self._file.write(padding)

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
    head[_MODE_AND_IDS] = b"0000644\0" + b"0000000\0" + b"0000000\0"
    head[_SIZE] = b"%011o\0" % size
    head[_TIME] = b"00000000000\0"
    head[_SUM] = b" " * 8
    head[_KIND] = b"0"
    head[_MAGIC_AND_VERSION] = b"ustar\x0000"
    name_of_owner = b"crc32-%08x" % check
    head[_USER] = name_of_owner.ljust(_USER.stop - _USER.start, b"\0")
    head[_SUM] = b"%06o\0 " % sum(head)
    return bytes(head)


def _sum_of(head: bytes) -> int:
    """Return the sum of the bytes of a header, with spaces in place of the stored sum.

    The lower half of Adler-32 is 1 plus that sum, modulo 65521, which no header of ours reaches: 10 times faster
    than `sum`.
    """
    before = head[: _SUM.start]
    after = head[_SUM.stop :]
    lower = zlib.adler32(before + b" " * 8 + after) & 0xFFFF
    return lower - 1


def _as_table(numbers: array, columns: int) -> np.ndarray:
    """Return numbers as int64 (rows, columns)."""
    flat = np.frombuffer(numbers, np.int64)
    return flat.reshape(-1, columns)


def _is_plain(head: bytes) -> bool:
    """Return whether a header is that of a plain file of our kind: no link, and its whole name in one place."""
    has_kind = head[_MAGIC] == b"ustar\0" and head[_KIND] == b"0"
    is_alone = head[_LINK] == _NO_LINK and head[_PREFIX] == _NO_PREFIX
    return has_kind and is_alone


def _octal(text: bytes) -> int:
    return int(text.rstrip(b"\0 "), 8)


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
        headers = self.count * len(endings)
        least = headers * _BLOCK + _END
        size = self._file.size
        if size < least:
            raise FormatError(f"{self._file.path}: must have {least} bytes or more, got {size}")

        # They grow with what is found: a manifest may promise more than the file has.
        starts = array("q")
        sizes = array("q")
        checksums = array("q")
        keys: list[str | None] = []
        at = 0
        for _ in range(self.count):
            key = None
            for ending in endings:
                member = self._member(at)
                key = self._checked_key(member.name, ending, key, at)
                starts.append(at + _BLOCK)
                sizes.append(member.size)
                checksums.append(member.checksum)
                padding = -member.size % _BLOCK
                at += _BLOCK + member.size + padding
            keys.append(key)

        if at + _END != size or any(self._file.read(at, _END)):
            raise FormatError(f"{self._file.path}: must end after {self.count} samples, at byte {at + _END}")

        columns = len(endings)
        self._starts = _as_table(starts, columns)
        self._sizes = _as_table(sizes, columns)
        self._checksums = _as_table(checksums, columns)
        self._keys = np.array(keys, dtype="S")

    def _checked_key(self, name: str, ending: str, key: str | None, at: int) -> str:
        """Return the key in the name of a member, which must be `key` if that is known already."""
        stem, _, rest = name.partition(".")
        if key is None:
            is_right = KEY_PATTERN.fullmatch(stem) is not None
        else:
            is_right = stem == key
        if rest != ending or not is_right:
            raise FormatError(f"{self._file.path}: member at byte {at} must be KEY.{ending}, got {name[:60]!r}")
        return stem

    def _member(self, at: int) -> _Member:
        head = self._file.read(at, _BLOCK)
        where = f"{self._file.path}: header at byte {at}"
        try:
            size = _octal(head[_SIZE])
            header_sum = _octal(head[_SUM])
        except ValueError:
            raise FormatError(f"{where} is damaged") from None

        is_whole = header_sum == _sum_of(head) and size >= 0
        if not is_whole or not _is_plain(head):
            raise FormatError(f"{where} is damaged or not that of a plain file")

        check = _CHECKSUM.fullmatch(head[_USER])
        if check is None:
            raise FormatError(f"{where} must have a checksum, crc32-xxxxxxxx, as owner")
        name = head[_NAME].rstrip(b"\0")
        return _Member(os.fsdecode(name), size, int(check[1], 16))

    def check_rows(self, first: int, keys: np.ndarray, labels: np.ndarray) -> None:
        """Compare the keys of the rows from `first` on with those of the plan; raise `FormatError`.

        A label is compared with its key when it is read.
        """
        found = self._keys[first : first + len(keys)]
        wrong = found != keys
        if not wrong.any():
            return

        row = int(wrong.argmax())
        expected = keys[row].decode()
        other = found[row].decode()
        raise FormatError(f"{self._file.path}: sample {first + row} must be {expected}, got {other}")

    def read(self, i: int, name: str) -> bytes:
        """Return the stored bytes of a field (or ``params``) of sample `i`, compared with their checksum."""
        k = self._column[name]
        data = self._file.read(self._starts.item(i, k), self._sizes.item(i, k))
        self._check(i, name, data)
        return data

    def span(self, rows: np.ndarray, name: str) -> Span:
        """Return where a field of some samples is stored; `rows` as for the HDF5 reader."""
        k = self._column[name]
        files = [self._file] * len(rows)
        begins = self._starts[rows, k]
        ends = begins + self._sizes[rows, k]
        return Span(files, name, self._keys[rows], self._checksums[rows, k], begins, ends)

    def _check(self, i: int, name: str, data) -> None:
        key = self._keys.item(i)
        expected = self._checksums.item(i, self._column[name])
        check_bytes(self._file.path, key, name, data, expected)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Return the classes of some samples, int64."""
        found = [self.label(i) for i in rows.tolist()]
        return np.array(found, np.int64)

    def label(self, i: int) -> int:
        """Return the class of sample `i`."""
        text = self.read(i, "label")
        key = self._keys.item(i)
        digits, _, _ = key[1:].partition(b"-")
        label = int(digits)
        if text != b"%d" % label:
            raise FormatError(f"{self._file.path}: label of {self.key(i)} must be {label}, got {text[:20]!r}")
        return label

    def key(self, i: int) -> str:
        """Return the key of sample `i`."""
        return self._keys.item(i).decode()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
