"""The batches of an export: which samples each has, and how one is written."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.exports import TARGETS, Options
from synthgen.layouts.export.sources import Picked, Source, picked
from synthgen.layouts.export.tree import Batch, FileRow, Tree
from synthgen.layouts.export.writer import File, Writer
from synthgen.shards.files import check_local


class Job(msgspec.Struct, frozen=True):
    """All that the batches of an export depend on; `size` samples are a batch."""

    target: str
    paths: Sequence[str]
    options: Options
    size: int
    facts: dict = {}


class Batches:
    """The batches of an export.

    Parameters
    ----------
    job : Job

    Raises
    ------
    UsageError
        If the target or an option is unknown, or the data sets cannot fill the target.
    """

    def __init__(self, job: Job):
        if job.target not in TARGETS:
            hint = did_you_mean(job.target, TARGETS)
            raise UsageError(f"target must be one of {', '.join(TARGETS)}, got {job.target}{hint}")
        self.sources = []
        for number, path in enumerate(job.paths):
            check_local(path)
            source = Source(Path(path), number, job.options)
            self.sources.append(source)

        name, _ = TARGETS[job.target]
        module = import_module(f"synthgen.layouts.{name}")
        _check_square(module.Writer, job)
        self.writer: Writer = module.Writer(self.sources, job.options)
        self.writer.facts = job.facts

        self._size = job.size
        self._spans: list[tuple[Source, int]] = []
        for source in self.sources:
            if not self.writer.copies_shards:
                starts = range(0, source.count, job.size)
                self._spans += [(source, start) for start in starts]

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def images(self) -> int:
        """How many samples are exported."""
        return sum(source.count for source in self.sources)

    def size(self, number: int) -> int:
        """Return how many samples a batch has."""
        source, start = self._spans[number]
        return min(self._size, source.count - start)

    def write(self, number: int, tree: Tree) -> None:
        """Write the files of a batch."""
        source, start = self._spans[number]
        files = []
        rows = []
        for sample in picked(source, start, start + self._size, self.writer.splits):
            written = self.writer.put(sample)
            for file in written.files:
                row = _put(tree, file, sample)
                files.append(row)
            if written.row is not None:
                rows.append(written.row)
        tree.record(number, Batch(files, rows))


def _check_square(writer: type[Writer], job: Job) -> None:
    """Refuse squares of a target that would not make squares of all that it writes."""
    if job.options.square != "off" and not writer.SQUARES:
        raise UsageError(f"square must be left out for {job.target}, got {job.options.square}")


def _put(tree: Tree, file: File, sample: Picked) -> FileRow:
    row = tree.put(file.path, file.data)
    return FileRow(row.path, row.bytes, row.sha256, file.role, file.total, sample.source.number, sample.place)
