"""An export from start to end: a tree in the making, resumed where it was interrupted, renamed when it is whole."""

import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

import msgspec

from synthgen.errors import FormatError, LockedError, UsageError
from synthgen.exports import Options
from synthgen.layouts.export.batches import Batches, Job
from synthgen.layouts.export.record import Head, Record, head_of, read_record, record_path, write_record
from synthgen.layouts.export.tree import Tree
from synthgen.layouts.export.worker import Worker
from synthgen.machine import available_cpus
from synthgen.options import convert
from synthgen.run.progress import Progress
from synthgen.shards.files import make_folder, refuse_remote, storage_errors, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.shards.mutex import holder, try_lock
from synthgen.shards.reading import exists, read_whole

# Samples in a batch.
SIZE = 256
# Smaller exports are done before a process has started.
_LEAST_FOR_PROCESSES = 3000
_MOST_WORKERS = 4096
_MOST_HEAD = 2**20


class ExportReport(msgspec.Struct, frozen=True):
    """What an export has made.

    Attributes
    ----------
    path : str
        The tree.
    target : str
    images, masks, files, bytes : int
        What it holds.
    seconds : float
    was_finished : bool
        Whether it was there already.
    notes : list of str
        What was left out, or is not as a reader may expect.
    usage : str
        The code that loads it in its consumer.
    """

    path: str
    target: str
    images: int
    masks: int
    files: int
    bytes: int
    seconds: float
    was_finished: bool
    notes: list[str]
    usage: str


def export(
    target: str,
    datasets: str | PathLike | Sequence,
    out,
    workers: int | None = None,
    progress: bool | str = False,
    **options,
) -> ExportReport:
    """Write data sets in the layout that another program reads.

    Parameters
    ----------
    target : str
        One of `synthgen.layouts.export.TARGETS`.
    datasets : str, Path, or sequence of them
        Finished data sets.
    out : str or Path
        The tree. It is made under another name and renamed when it is whole; after an interruption the same call
        goes on. Its record, with the SHA-256 of every file, lies beside it as ``OUT.export.json``.
    workers : int, optional
        Processes; by default one for each CPU, and none for small data sets. The result does not depend on it.
    progress : bool or {'auto', 'plain', 'none'}
        How to tell on stderr how far the export is.
    **options
        See `synthgen.layouts.export.Options`.

    Returns
    -------
    ExportReport

    Raises
    ------
    UsageError
        If the data sets cannot fill the target, or `out` holds something else.
    LockedError
        If another process writes the same tree.
    StorageError
        If the disk is full or may not be written.
    """
    refuse_remote(out)
    start = time.monotonic()
    if workers is not None and not 0 <= workers <= _MOST_WORKERS:
        raise UsageError(f"workers must lie in 0..{_MOST_WORKERS}, got {workers}")

    job = job_of(target, datasets, options)
    batches = Batches(job)
    head = head_of(job, batches)
    out = Path(out)
    record = _finished(out, head)
    was_finished = record is not None
    if record is None:
        record = _made(out, job, head, batches, workers, progress)

    counts = msgspec.structs.asdict(record.counts)
    seconds = time.monotonic() - start
    usage = batches.writer.usage(out)
    return ExportReport(
        str(out), target, **counts, seconds=seconds, was_finished=was_finished, notes=record.notes, usage=usage
    )


def job_of(target: str, datasets, options: dict) -> Job:
    """Return a job of checked options."""
    given = [datasets] if isinstance(datasets, str | PathLike) else list(datasets)
    if not given:
        raise UsageError("datasets must name a data set, got none")
    paths = [str(path) for path in given]
    return Job(target, paths, convert(options, Options, ""), SIZE)


def _finished(out: Path, head: Head) -> Record | None:
    """Return the record of a tree that is there already; refuse a folder that holds anything else."""
    if not os.path.lexists(out):
        return None
    found = read_record(out)
    if found is not None and out.is_dir():
        record, _ = found
        if record.agrees(head):
            return record
        raise UsageError(f"{out}: holds another export, of {record.target}; choose another --out")

    if _renamed_only(out):
        return None
    if not out.is_dir() or any(out.iterdir()):
        raise UsageError(f"{out}: must be a new or an empty folder, got one that holds something else")
    return None


def work_folder(out: Path) -> Path:
    """Return the folder in which a tree is made."""
    return out.with_name(f".{out.name}.tmp-export")


def _renamed_only(out: Path) -> bool:
    """Return whether a process was killed between renaming the tree and its record."""
    work = work_folder(out)
    is_recorded = (work / "export.json").is_file()
    return is_recorded and out.is_dir() and not (work / "tree").exists()


def _made(out: Path, job: Job, head: Head, batches: Batches, workers, progress) -> Record:
    work = work_folder(out)
    make_folder(work, out)
    with _alone(work, out):
        if not _renamed_only(out):
            _begin(work, head)
            tree = Tree(work)
            tree.begin()
            batches.writer.facts = batches.writer.survey()
            job = msgspec.structs.replace(job, facts=batches.writer.facts)
            _write_all(job, batches, tree, workers, progress)
            batches.writer.finish(tree, tree.rows)
            notes = batches.writer.notes(tree.rows)
            write_record(work / "export.json", head, tree, batches.images, notes)
        _publish(work, out)

    with suppress(OSError):
        shutil.rmtree(work)
    found = read_record(out)
    if found is None:
        raise FormatError(f"{record_path(out)}: was removed while the export was made")
    return found[0]


@contextmanager
def _alone(work: Path, out: Path):
    """Hold the lock of an export while the block runs."""
    path = work / "lock"
    lock = try_lock(path)
    if lock is None:
        raise LockedError(f"{out}: is being written by {holder(path)}")
    try:
        yield
    finally:
        lock.release()


def _begin(work: Path, head: Head) -> None:
    """Write what the tree is made of; remove what an export of something else left behind."""
    path = work / "begun.json"
    if exists(path):
        raw = read_whole(path, _MOST_HEAD)
        with suppress(msgspec.DecodeError):
            if msgspec.json.decode(raw, type=Head).agrees(head):
                return
    for name in ("tree", "batches"):
        with storage_errors(work):
            shutil.rmtree(work / name, ignore_errors=True)
    write_atomically(path, encode_json(head))


def _write_all(job: Job, batches: Batches, tree: Tree, workers: int | None, progress) -> None:
    """Write the batches that are missing."""
    todo = [number for number in range(len(batches)) if not tree.has(number)]
    left = sum(map(batches.size, todo))
    if workers is None:
        workers = available_cpus() if left >= _LEAST_FOR_PROCESSES else 0
    workers = min(workers, len(todo))

    with Progress(progress, batches.images, batches.images - left) as bar:
        if workers < 2:
            for number in todo:
                batches.write(number, tree)
                bar.advance(batches.size(number))
        else:
            _write_in_processes(job, batches, tree, todo, workers, bar)


def _write_in_processes(job: Job, batches: Batches, tree: Tree, todo: list[int], workers: int, bar) -> None:
    """Write batches in processes; each is led by a thread."""
    numbers = iter(todo)
    processes = [Worker(job, tree.work) for _ in range(workers)]

    def lead(process: Worker) -> None:
        for number in numbers:  # taking the next of a list's iterator is one step of the interpreter
            process.write(number)
            bar.advance(batches.size(number))

    try:
        with ThreadPoolExecutor(workers) as threads:
            try:
                list(threads.map(lead, processes))
            except BaseException:
                for _ in numbers:  # the other threads find no more work
                    pass
                for process in processes:
                    process.end()
                raise
    finally:
        for process in processes:
            process.end()


def _publish(work: Path, out: Path) -> None:
    """Give a whole tree its name, and then its record."""
    with storage_errors(out):
        if (work / "tree").exists():
            if out.is_dir():
                out.rmdir()  # it is empty
            os.replace(work / "tree", out)
        os.replace(work / "export.json", record_path(out))
