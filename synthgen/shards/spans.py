"""Where the stored bytes of many samples lie in their files, and what those bytes must be."""

from typing import NamedTuple

import numpy as np

from synthgen.errors import FormatError
from synthgen.shards.checksums import check_bytes
from synthgen.shards.files import RawFile


class Stored(NamedTuple):
    """The places of one field of some samples. Compiled code takes it as it is.

    Attributes
    ----------
    descriptors : ndarray of int64, (n,)
        Of the open file that holds each sample.
    begins, sizes : ndarray of int64, (n,)
        Where in its file each sample begins, and how many bytes it has.
    keys : ndarray of uint8, (n, width)
        In ASCII, padded with NUL.
    checksums : ndarray of uint32, (n,)
    """

    descriptors: np.ndarray
    begins: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray
    checksums: np.ndarray


class Span(NamedTuple):
    """The places of one field of some samples, and what the bytes there must be.

    Attributes
    ----------
    files : list of RawFile, (n,)
        That which holds each sample.
    name : str
        Of the field.
    keys : ndarray of bytes, (n,)
    checksums : ndarray of int, (n,)
    begins, ends : ndarray of int64, (n,)
        Where in its file each sample lies.
    """

    files: list[RawFile]
    name: str
    keys: np.ndarray
    checksums: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def stored(self) -> Stored:
        """Return the places for compiled code, which may use them as long as this object lives."""
        numbers = [file.descriptor for file in self.files]
        descriptors = np.array(numbers, np.int64)
        sizes = self.ends - self.begins
        letters = self.keys.view(np.uint8).reshape(len(self.keys), -1)
        checksums = self.checksums.astype(np.uint32)
        return Stored(descriptors, self.begins, sizes, letters, checksums)

    def key(self, k: int) -> str:
        """Return the key of a sample."""
        key = self.keys.item(k)
        return key.decode("ascii", "replace")

    def read(self, k: int) -> bytes:
        """Return the bytes of a sample, not compared with anything; errors as for `RawFile.read`."""
        begin = self.begins.item(k)
        end = self.ends.item(k)
        return self.files[k].read(begin, end - begin)

    def check(self, k: int, data) -> None:
        """Raise `FormatError` unless the bytes of a sample have their checksum."""
        key = self.keys.item(k)
        expected = self.checksums.item(k)
        check_bytes(self.files[k].path, key, self.name, data, expected)

    def check_sizes(self, expected: int) -> None:
        """Raise `FormatError` unless each sample has as many bytes as it must have."""
        sizes = self.ends - self.begins
        wrong = sizes != expected
        if not wrong.any():
            return

        k = int(wrong.argmax())
        rule = f"{self.name} of {self.key(k)} must have {expected} bytes"
        raise FormatError(f"{self.files[k].path}: {rule}, got {sizes[k]}")


def joined(spans: list[Span]) -> Span:
    """Return the places of one field in several files as one."""
    first, *others = spans
    if not others:
        return first

    files: list[RawFile] = []
    for span in spans:
        files += span.files

    names = ("keys", "checksums", "begins", "ends")
    columns = {}
    for name in names:
        parts = [getattr(span, name) for span in spans]
        columns[name] = np.concatenate(parts)
    return Span(files, first.name, **columns)
