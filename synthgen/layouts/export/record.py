"""The record of an export, ``OUT.export.json`` beside the tree: what it was made of, each file with its SHA-256.

It is one JSON object with a line for each file, so that it is written and read with little memory.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from synthgen.errors import FormatError
from synthgen.layouts.export.batches import Batches, Job
from synthgen.layouts.export.tree import FileRow, Tree
from synthgen.shards.files import storage_errors
from synthgen.shards.reading import exists, read_lines
from synthgen.version import __version__

VERSION = 1
_MOST_LINES = 10**8
_END = b"]}"


class DataSet(msgspec.Struct, frozen=True):
    """A data set that an export was made of."""

    path: str
    data: str
    storage: str


class Head(msgspec.Struct, frozen=True):
    """What an export is made of, before it is made."""

    export: int
    target: str
    synthgen: str
    options: dict
    data_sets: list[DataSet]

    def agrees(self, other: "Head") -> bool:
        """Return whether another export is of the same data in the same form; data sets may have moved."""
        return self._essence() == other._essence()

    def _essence(self):
        data = [(Path(each.path).name, each.data, each.storage) for each in self.data_sets]
        return self.export, self.target, self.synthgen, self.options, data


class Counts(msgspec.Struct, frozen=True):
    """How much an export holds."""

    images: int
    masks: int
    files: int
    bytes: int


class Record(Head, frozen=True, kw_only=True):
    """The record without its list of files."""

    counts: Counts
    notes: list[str] = []


def head_of(job: Job, batches: Batches) -> Head:
    """Return what an export is made of."""
    data_sets = []
    for source in batches.sources:
        prints = source.manifest.fingerprints
        path = str(source.path.absolute())
        data_sets.append(DataSet(path, prints.data, prints.storage))
    options = msgspec.json.decode(msgspec.json.encode(job.options))
    return Head(VERSION, job.target, __version__, options, data_sets)


def record_path(out: Path) -> Path:
    """Return where the record of a tree lies: beside it, where no reader of images looks."""
    return out.with_name(f"{out.name}.export.json")


def write_record(path: Path, head: Head, tree: Tree, images: int, notes: list[str]) -> Record:
    """Write the record of a tree that is whole and holds so many images, and return it."""
    counts = _counted(tree, images)
    record = Record(**msgspec.structs.asdict(head), counts=counts, notes=notes)
    text = msgspec.json.encode(record)

    with storage_errors(path), open(path, "wb") as file:
        file.write(text[:-1] + b',"files":[\n')
        between = b""
        for row in _file_rows(tree):
            file.write(between + msgspec.json.encode(row))
            between = b",\n"
        file.write(b"\n" + _END + b"\n")
    return record


def _file_rows(tree: Tree) -> Iterator[FileRow]:
    for batch in tree.batches():
        yield from batch.files
    yield from tree.texts


def _counted(tree: Tree, images: int) -> Counts:
    masks = 0
    files = 0
    size = 0
    for row in _file_rows(tree):
        masks += row.role == "mask"
        files += 1
        size += row.bytes
    return Counts(images, masks, files, size)


def read_record(out: Path) -> tuple[Record, Iterator[FileRow]] | None:
    """Return the record of a finished tree, and its files, read as they are asked for; None without one."""
    path = record_path(out)
    if not exists(path):
        return None
    lines = read_lines(path, _MOST_LINES)
    first = next(lines, b"")
    try:
        record = msgspec.json.decode(first.removesuffix(b',"files":[') + b"}", type=Record)
    except msgspec.DecodeError as error:
        raise FormatError(f"{path}: is damaged: {error}") from None
    if record.export != VERSION:
        raise FormatError(f"{path}: export must be {VERSION}, got {record.export}")
    return record, _rows_of(lines, path)


def _rows_of(lines: Iterator[bytes], path: Path) -> Iterator[FileRow]:
    for line in lines:
        if line == _END:
            return
        try:
            yield msgspec.json.decode(line.removesuffix(b","), type=FileRow)
        except msgspec.DecodeError as error:
            raise FormatError(f"{path}: is damaged: {error}") from None
    raise FormatError(f"{path}: is cut off")


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(data).hexdigest()
