"""A tree of files in the making: what is written is known by its SHA-256, and by the batch that wrote it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from synthgen.errors import FormatError
from synthgen.shards.files import storage_errors
from synthgen.shards.reading import read_whole

_MOST_BYTES = 2**30


class FileRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the record of an export says of a file.

    Attributes
    ----------
    path : str
        Below the root of the tree.
    bytes : int
    sha256 : str
    role : str
        ``image``, ``mask`` or ``text``.
    total : int or None
        The sum of the pixels of an image, the number of pixels of a mask.
    data_set, place : int or None
        The data set that it comes from, and its position there.
    """

    path: str
    bytes: int
    sha256: str
    role: str = "text"
    total: int | None = None
    data_set: int | None = None
    place: int | None = None


class Batch(msgspec.Struct, frozen=True):
    """What one batch of samples has become."""

    files: list[FileRow]
    rows: list[Any]


class Tree:
    """The folder in which an export is made, beside the place that it takes when it is whole.

    Parameters
    ----------
    work : Path
        It holds the tree itself in ``tree`` and a file for each batch of samples in ``batches``.
    """

    def __init__(self, work: Path):
        self.work = work
        self.root = work / "tree"
        self.texts: list[FileRow] = []
        self._batches = work / "batches"

    def begin(self) -> None:
        """Make the folders."""
        for folder in (self.root, self._batches):
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)

    def put(self, path: str, data: bytes) -> FileRow:
        """Write a file and return its row."""
        place = self.root / path
        with storage_errors(place):
            try:
                place.write_bytes(data)
            except FileNotFoundError:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
        return FileRow(path, len(data), hashlib.sha256(data).hexdigest())

    @contextmanager
    def writing(self, path: str):
        """Yield a function that appends text or bytes to a file; its row joins `texts` at the end."""
        place = self.root / path
        digest = hashlib.sha256()
        with storage_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "wb") as file:

                def write(text: str | bytes) -> None:
                    data = text.encode() if isinstance(text, str) else text
                    digest.update(data)
                    file.write(data)

                yield write
            size = place.stat().st_size
        self.texts.append(FileRow(path, size, digest.hexdigest()))

    def put_text(self, path: str, text: str) -> None:
        """Write a whole text file."""
        with self.writing(path) as write:
            write(text)

    def has(self, number: int) -> bool:
        """Return whether a batch is written."""
        return self._path(number).is_file()

    def record(self, number: int, batch: Batch) -> None:
        """Say that a batch is written."""
        path = self._path(number)
        unfinished = path.with_suffix(".part")
        with storage_errors(path):
            unfinished.write_bytes(msgspec.json.encode(batch))
            os.replace(unfinished, path)

    def batches(self) -> Iterator[Batch]:
        """Yield all batches in order."""
        for path in sorted(self._batches.glob("*.json")):
            raw = read_whole(path, _MOST_BYTES)
            try:
                yield msgspec.json.decode(raw, type=Batch)
            except msgspec.DecodeError as error:
                raise FormatError(f"{path}: is damaged: {error}; remove {self.work} and export again") from None

    def rows(self) -> Iterator[dict]:
        """Yield what the batches say of their samples."""
        for batch in self.batches():
            yield from batch.rows

    def _path(self, number: int) -> Path:
        return self._batches / f"{number:09d}.json"
