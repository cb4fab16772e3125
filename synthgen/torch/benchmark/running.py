"""A run from start to end: folder, lock, jobs, tables. Running it again goes on where it was."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from synthgen.errors import UsageError
from synthgen.machine import human_time
from synthgen.run.lock import part_lock
from synthgen.run.parts import Part, parse_part, record_parts
from synthgen.run.progress import Progress
from synthgen.shards.files import make_folder, refuse_remote, remove_temporaries, system_errors, temporaries
from synthgen.torch.benchmark.config import Benchmark, check_trust, load_benchmark
from synthgen.torch.benchmark.jobs import Job, Plan, chosen, differences, make_plan
from synthgen.torch.benchmark.record import DATA, OF_JOBS, Begun, Record, read_record, remember
from synthgen.torch.benchmark.sources import draw_missing
from synthgen.torch.benchmark.workers import run_jobs

_MOST_WORKERS = 4096
Log = Callable[[str], None]


class Report(msgspec.Struct, frozen=True):
    """What a run did.

    Parameters
    ----------
    path : str
    jobs : int
        Of the whole benchmark.
    done, resumed, failed : int
        Jobs of this part: done now, there already, and of both those that failed.
    left : int
        Jobs of the whole benchmark without a record.
    seconds : float
    """

    path: str
    jobs: int
    done: int
    resumed: int
    failed: int
    left: int
    seconds: float


class _Sorted(NamedTuple):
    """The jobs of a part: those to do, and the records of the others."""

    left: list[Job]
    there: list[Record]


def run_benchmark(
    config,
    out,
    workers: int = 1,
    part=None,
    only: Sequence[str] = (),
    retry_failed: bool = False,
    overwrite: bool = False,
    trust: bool = False,
    progress="auto",
    log: Log | None = None,
) -> Report:
    """Do the jobs of a benchmark, or those that are left.

    Parameters
    ----------
    config : Benchmark, str or Path
        As for `load_benchmark`.
    out : str or Path
        Folder of the results.
    workers : int
        Processes; 0 does the jobs in this one. The results do not depend on it.
    part : "K/N", "auto" or (int, int), optional
        Do only part K of N, 1-based. Parts may share a folder.
    only : sequence of str
        Jobs that begin so: ``patchcore/mvtec/bottle``.
    retry_failed : bool
        Do jobs that failed once more.
    overwrite : bool
        Replace records of other settings, of the jobs that are named by `only`, or of all.
    trust : bool
        Whether classes of other code may run.
    progress : bool or {'auto', 'plain', 'none'}
    log : callable, optional
        Given a line of text on what was left out, drawn or resumed.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If something is missing, or the folder holds results of other settings.
    LockedError
        If another process does the same part.
    StorageError
        If the folder cannot be written.
    """
    start = time.monotonic()
    benchmark = load_benchmark(config)
    refuse_remote(out)
    folder = Path(out)
    if not 0 <= workers <= _MOST_WORKERS:
        raise UsageError(f"workers must lie in 0..{_MOST_WORKERS}, got {workers}")

    chosen_part = parse_part(part, folder)
    plan = make_plan(benchmark, folder)
    check_plan(plan, trust)
    for line in plan.notes:
        _say(log, line)
    for model, lacking in plan.skipped.items():
        _say(log, f"models.{model} is skipped: {lacking}")

    with system_errors(folder):
        make_folder(folder)
        with part_lock(folder, (chosen_part.k, chosen_part.n), last=partial(_clear, folder)):
            if chosen_part.n > 1:
                record_parts(folder, chosen_part)
            jobs = _of_part(chosen(plan.jobs, only), chosen_part)
            jobs = [job for job in jobs if job.model.name not in plan.skipped]
            found = _sorted_out(jobs, folder, retry_failed, overwrite)
            remember(_begun(benchmark, plan), folder)
            failed = _run(benchmark, found, folder, workers, trust, progress, log)

    there = sum(job.path(folder).is_file() for job in plan.jobs)
    failed += sum(record.failed for record in found.there)
    return Report(
        path=str(folder),
        jobs=len(plan.jobs),
        done=len(found.left),
        resumed=len(found.there),
        failed=failed,
        left=len(plan.jobs) - there,
        seconds=time.monotonic() - start,
    )


def _begun(benchmark: Benchmark, plan: Plan) -> Begun:
    """Return what tables need to know of a run."""
    names = [job.name for job in plan.jobs]
    return Begun(benchmark.to_dict(), names, plan.skipped)


def _clear(folder: Path) -> None:
    """Remove what killed processes left unfinished; nobody else does jobs here now."""
    for kind in (DATA, *OF_JOBS):
        places = {path.parent for path in (folder / kind).rglob(".*.tmp")}
        for place in places:
            names = [name for _, name in temporaries(place)]
            remove_temporaries(place, names)


def check_plan(plan: Plan, trust: bool) -> None:
    """Refuse a plan of which something is missing, or that runs code that nobody trusts."""
    if plan.missing:
        first, *others = plan.missing
        more = f"; {len(others)} other things are missing, --dry-run lists them" if others else ""
        raise UsageError(first + more)
    for job in plan.jobs:
        check_trust(job.model.kind, job.model.name, trust)


def _of_part(jobs: list[Job], part: Part) -> list[Job]:
    """Return every n-th job: models differ more in their time than categories do."""
    return jobs[part.k - 1 :: part.n]


def _sorted_out(jobs: list[Job], folder: Path, retry_failed: bool, overwrite: bool) -> _Sorted:
    """Return the jobs that are left; refuse a folder with results of other settings."""
    left = []
    there = []
    for job in jobs:
        record = read_record(job.path(folder))
        if record is not None and record.fingerprint != job.fingerprint:
            if not overwrite:
                raise UsageError(_other_settings(folder, job, record))
            record = None
        if record is None or (record.failed and retry_failed):
            left.append(job)
        else:
            there.append(record)
    return _Sorted(left, there)


def _other_settings(folder: Path, job: Job, record: Record) -> str:
    """Return the message on a record of other settings: both fingerprints, and what differs."""
    found = differences(job.spec, record.spec)
    listed = "; ".join(found[:5])
    mine = job.fingerprint[:12]
    other = record.fingerprint[:12]
    return (
        f"{folder}: must hold results of this benchmark, fingerprint {mine}, got {other} for {job.name}: "
        f"{listed}; --overwrite replaces them"
    )


def _run(benchmark: Benchmark, found: _Sorted, folder: Path, workers: int, trust: bool, progress, log) -> int:
    """Draw what is missing, do the jobs that are left, and return how many failed."""
    if found.there and found.left:
        _say(log, f"{folder}: goes on after {len(found.there)} of {len(found.there) + len(found.left)} jobs")
    if not found.left:
        return 0

    for name, given in benchmark.sets.items():
        wanted = {job.category.name for job in found.left if job.set == name}
        draw_missing(name, given, wanted, folder, progress)

    total = len(found.there) + len(found.left)
    with Progress(progress, total, done=len(found.there), unit="jobs") as bar:
        board = _Board(bar, total, len(found.there), log)
        run_jobs(found.left, folder, min(workers, len(found.left)), trust, board.told, board.done)
    return board.failed


class _Board:
    """What is said while jobs are done."""

    def __init__(self, bar: Progress, total: int, done: int, log: Log | None):
        self._bar = bar
        self._total = total
        self._count = done
        self._log = log
        self._begun: dict[str, float] = {}
        self.failed = 0

    def told(self, job: Job, word: str) -> None:
        """Note when a job began."""
        self._begun.setdefault(job.name, time.monotonic())

    def done(self, job: Job, error: str | None) -> None:
        """Count a job, and say that it failed, if it did."""
        self._count += 1
        self._bar.advance(1)
        taken = time.monotonic() - self._begun.pop(job.name, time.monotonic())
        if error is None:
            self._bar.note(f"jobs {self._count}/{self._total}  {job.name}  done in {human_time(taken)}")
            return
        self.failed += 1
        _say(self._log, f"{job.name}: failed: {error}")


def _say(log: Log | None, line: str) -> None:
    if log is not None:
        log(line)
