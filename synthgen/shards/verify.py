"""Checking a data set, on all cores: its records, and shard by shard what `checking` looks at."""

import hashlib
import queue
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from synthgen.errors import FormatError, UsageError
from synthgen.machine import available_cpus
from synthgen.shards.checker import Checker
from synthgen.shards.checking import ShardCheck, attempt, check_shard
from synthgen.shards.dataset import Dataset, open_dataset
from synthgen.shards.files import sha256_of
from synthgen.shards.manifest import CLASSES, MAX_TABLE, RUN, growing_from, read_run
from synthgen.shards.reading import check_digest, read_lines

_MOST_WORKERS = 4096
# Smaller data sets are checked before a process has started.
_LEAST_BYTES = 64 * 10**6


class Verification(msgspec.Struct, frozen=True):
    """What a check found.

    Attributes
    ----------
    shards, samples : int
        How many the data set has.
    problems : list of (str, str)
        File name and reason of each fault; empty if all is well.
    unread : list of (str, str)
        File name and reason of each file that the system could not read: that says nothing of the file.
    digest : str or None
        The content digest, SHA-256 over the SHA-256 of each sample in stored order: equal for equal data in any
        format, lossless codec and shard size. Only with `pixels`, and only if all is well.
    """

    shards: int
    samples: int
    problems: list[tuple[str, str]]
    unread: list[tuple[str, str]] = []
    digest: str | None = None

    @property
    def ok(self) -> bool:
        """Whether everything was read and no fault was found."""
        return not self.problems and not self.unread


def verify(
    path,
    pixels: bool = False,
    progress: Callable[[int], None] = lambda samples: None,
    workers: int | None = None,
) -> Verification:
    """Check a finished data set.

    Parameters
    ----------
    path : str or Path
        The folder, or an address as for `open_dataset`; all of it is fetched anew, a few shards at a time.
    pixels : bool
        Decode every field of every sample, check its values, and compute the content digest.
    progress : callable
        Called with the number of samples just checked.
    workers : int, optional
        Processes; by default one for each CPU, and none for small data sets. 0 checks in this process. The result
        does not depend on it.

    Returns
    -------
    Verification

    Raises
    ------
    FormatError
        If there is no finished data set to check.
    StorageError
        If the system cannot read its manifest.
    UsageError
        If `workers` is out of range.
    """
    if workers is not None and not 0 <= workers <= _MOST_WORKERS:
        raise UsageError(f"workers must lie in 0..{_MOST_WORKERS}, got {workers}")
    with tempfile.TemporaryDirectory(prefix="synthgen-verify-") as cache:
        # Copies that were made before say nothing of what lies in a store now.
        return _verified(open_dataset(path, cache), pixels, progress, workers, Path(cache))


def _verified(dataset: Dataset, pixels: bool, progress, workers: int | None, cache: Path) -> Verification:
    """Return what a check of an open data set finds."""
    found = [
        attempt(CLASSES, lambda: _check_classes(dataset)),
        attempt(RUN, lambda: _check_run(dataset)),
    ]

    digest = hashlib.sha256()
    counts = [entry.count for entry in dataset.manifest.shard_list]
    for count, checked in zip(counts, _checks(dataset, pixels, workers, cache), strict=True):
        digest.update(checked.digests)
        found.append(ShardCheck(checked.problems, checked.unread))
        progress(count)

    problems = [problem for checked in found for problem in checked.problems]
    unread = [failure for checked in found for failure in checked.unread]
    whole = pixels and not problems and not unread
    return Verification(
        dataset.manifest.shards, len(dataset), problems, unread, digest.hexdigest() if whole else None
    )


def _check_classes(dataset: Dataset) -> None:
    _ = dataset.classes
    if dataset.mirror is not None:
        return

    growing = growing_from(dataset.path, dataset.manifest)
    path = dataset.path / CLASSES
    if growing is None:
        check_digest(path, sha256_of(path, MAX_TABLE), dataset.manifest.classes_sha256)
        return

    lines = sum(1 for _ in read_lines(path, growing.classes))
    if lines not in (dataset.manifest.classes, growing.classes):
        raise FormatError(f"{path}: must have {growing.classes:,} lines, got {lines:,}")


def _check_run(dataset: Dataset) -> None:
    if dataset.mirror is not None:
        dataset.mirror.fetch_run()
    path = dataset.path / RUN
    run = read_run(dataset.path)
    if run is None:
        raise FormatError(f"{path}: is missing")
    if run.grows_from(dataset.manifest):
        return
    for name in run.__struct_fields__:
        if getattr(run, name) != getattr(dataset.manifest, name):
            raise FormatError(f"{path}: {name} must be as in dataset.json")


def _checks(dataset: Dataset, pixels: bool, workers: int | None, cache: Path) -> Iterator[ShardCheck]:
    """Yield what is found in each shard, in order."""
    shards = range(dataset.manifest.shards)
    if workers is None:
        size = sum(entry.bytes for entry in dataset.manifest.shard_list)
        workers = available_cpus() if size >= _LEAST_BYTES else 0
    if dataset.mirror is not None and dataset.mirror.place.is_of_this_process:
        workers = 0
    workers = min(workers, len(shards))
    if workers == 0:
        yield from (check_shard(dataset, shard, pixels) for shard in shards)
        return

    source = str(dataset.path.absolute()) if dataset.mirror is None else dataset.source
    idle: queue.SimpleQueue = queue.SimpleQueue()
    checkers = []
    try:
        for _ in range(workers):
            checkers.append(Checker(source, pixels, cache))
            idle.put(checkers[-1])
        yield from _shared_out(dataset, idle, workers)
    finally:
        for checker in checkers:
            checker.end()


def _shared_out(dataset: Dataset, idle: queue.SimpleQueue, workers: int) -> Iterator[ShardCheck]:
    """Yield what idle checkers find in each shard, in order; a thread waits for each checker."""

    def check(shard: int) -> ShardCheck:
        checker = idle.get()
        try:
            return checker.check(shard, dataset.manifest.shard_list[shard].name)
        finally:
            idle.put(checker)

    threads = ThreadPoolExecutor(workers)
    try:
        yield from threads.map(check, range(dataset.manifest.shards))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
