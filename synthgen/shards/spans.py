"""Stored bytes of neighbors: read in one go, each sample with its checksum."""

from typing import NamedTuple

import numpy as np

from synthgen.errors import FormatError
from synthgen.shards.checksums import check_bytes
from synthgen.shards.files import RawFile

# Samples are read in one go unless that takes more than so many times their own bytes.
_SPARSE = 2


class Stored(NamedTuple):
    """The bytes of one field of some samples, not compared with anything yet. Compiled code takes it as it is.

    Attributes
    ----------
    data : ndarray of uint8
    begins, ends : ndarray of int64, (n,)
        Where in `data` each sample lies.
    keys : ndarray of uint8, (n, width)
        In ASCII, padded with NUL.
    checksums : ndarray of uint32, (n,)
    """

    data: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    keys: np.ndarray
    checksums: np.ndarray

    def piece(self, k: int) -> memoryview:
        """Return the bytes of a sample."""
        begin = self.begins[k]
        end = self.ends[k]
        return self.data.data[begin:end]


class Span(NamedTuple):
    """The place of one field of some samples in their file, and what those bytes must be.

    Attributes
    ----------
    file : RawFile
    name : str
        Of the field.
    keys : ndarray of bytes, (n,)
    checksums : ndarray of int, (n,)
    begins, ends : ndarray of int64, (n,)
        Where in the file each sample lies, in the order of the file.
    """

    file: RawFile
    name: str
    keys: np.ndarray
    checksums: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def read(self) -> Stored:
        """Return the bytes; errors as for `RawFile.read`."""
        sizes = self.ends - self.begins
        wanted = int(sizes.sum())
        span = int(self.ends[-1] - self.begins[0])
        is_sparse = span > _SPARSE * wanted

        if is_sparse:
            data = np.empty(wanted, np.uint8)
            ends = np.cumsum(sizes)
            begins = ends - sizes
            self._read_each(data.data, begins)
        else:
            data = np.empty(span, np.uint8)
            start = int(self.begins[0])
            begins = self.begins - start
            ends = self.ends - start
            self.file.read_into(start, data.data)

        keys = np.array(self.keys)
        letters = keys.view(np.uint8).reshape(len(keys), -1)
        checksums = self.checksums.astype(np.uint32)
        return Stored(data, begins, ends, letters, checksums)

    def _read_each(self, room: memoryview, begins: np.ndarray) -> None:
        """Read the bytes of each sample to where it begins in a buffer."""
        for start, end, begin in zip(self.begins, self.ends, begins, strict=True):
            size = end - start
            self.file.read_into(int(start), room[begin : begin + size])

    def check(self, k: int, data) -> None:
        """Raise `FormatError` unless the bytes of a sample have their checksum."""
        key = self.keys.item(k)
        expected = self.checksums.item(k)
        check_bytes(self.file.path, key, self.name, data, expected)

    def check_sizes(self, expected: int) -> None:
        """Raise `FormatError` unless each sample has as many bytes as it must have."""
        sizes = self.ends - self.begins
        wrong = sizes != expected
        if not wrong.any():
            return

        k = int(wrong.argmax())
        key = self.keys.item(k).decode("ascii", "replace")
        rule = f"{self.name} of {key} must have {expected} bytes"
        raise FormatError(f"{self.file.path}: {rule}, got {sizes[k]}")
