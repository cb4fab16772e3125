"""The worker processes of a run, and the jobs that wait for them.

A worker that the kernel kills is no end of the run: its job is recorded as failed, and another worker goes on.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from synthgen.errors import StorageError
from synthgen.machine import human_bytes, human_time
from synthgen.run.crew import HOME, Crew, Worker, start_of
from synthgen.torch.benchmark.clocks import most_resident
from synthgen.torch.benchmark.jobs import Job, failure
from synthgen.torch.benchmark.record import write_record

_START = start_of("synthgen.torch.benchmark.worker")
_FIT = "fit"
_PREDICT = "predict"
_LOOK_S = 1.0
# What a fit may take beyond its time limit: the last step of a training, and what comes behind it.
_LEAST_GRACE_S = 30.0
_GRACE = 0.25

Told = Callable[[Job, str], None]
Done = Callable[[Job, str | None], None]


def run_jobs(jobs: list[Job], folder: Path, workers: int, trust: bool, told: Told, done: Done) -> None:
    """Do jobs with some worker processes.

    Parameters
    ----------
    jobs : list of Job
    folder : Path
        Of the benchmark.
    workers : int
        Processes; 0 does the jobs in this one.
    trust : bool
        Whether classes of other code may run.
    told : callable
        Given a job and a word on what is being done.
    done : callable
        Given a job, and the reason why it failed or None.

    Raises
    ------
    StorageError
        If a record cannot be written.
    WorkerError
        If a worker cannot be started.
    """
    if workers == 0:
        _alone(jobs, folder, trust, told, done)
        return

    crew = _Crew(jobs, folder, trust, told, done)
    try:
        crew.run(workers)
    finally:
        crew.end()


def _alone(jobs: list[Job], folder: Path, trust: bool, told: Told, done: Done) -> None:
    """Do jobs in this process."""
    from synthgen.torch.benchmark.job import run_job

    for job in jobs:
        record = run_job(job, folder, trust, partial(told, job))
        done(job, record.error)


class _Worker(Worker):
    """A process that does jobs; its task is a job."""

    def __init__(self, trust: bool):
        here = os.getcwd() if trust else None  # where other people's modules may lie
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), here, HOME)))
        # models print, so that standard output cannot carry the reports
        reading, writing = os.pipe()
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the workers.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        super().__init__(process, reading)
        self._fit_began: float | None = None

    def start(self, job: Job, folder: Path, trust: bool) -> None:
        self.task = job
        self._fit_began = None
        self.send({"job": msgspec.to_builtins(job), "folder": str(folder), "trust": trust})

    def note(self, word: str) -> None:
        """Note when the fit of the job begins and ends; members of an ensemble are fitted on one clock."""
        if word == _FIT and self._fit_began is None:
            self._fit_began = time.monotonic()
        elif word == _PREDICT:
            self._fit_began = None

    def is_overdue(self) -> bool:
        """Return whether the fit is far beyond the time limit, and does not end by itself."""
        if self.task is None or self._fit_began is None or self.task.time_limit is None:
            return False
        taken = time.monotonic() - self._fit_began
        return taken > _allowed(self.task.time_limit)

    def end(self) -> str:
        """Kill the process, and return in words how it ended."""
        self.kill()
        self.dismiss()
        os.close(self.reports)
        _, status, usage = os.wait4(self.process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        return _way_of_dying(code, most_resident(usage))


class _Crew(Crew):
    """The workers of a run, and the jobs that wait for them."""

    def __init__(self, jobs: list[Job], folder: Path, trust: bool, told: Told, done: Done):
        super().__init__(list(reversed(jobs)))
        self._folder = folder
        self._trust = trust
        self._is_limited = any(job.time_limit is not None for job in jobs)
        self._told = told
        self._done = done

    def _patience(self) -> float | None:
        """Return how often to look for fits beyond the time limit, of which some jobs have one."""
        return _LOOK_S if self._is_limited else None

    def _overdue(self) -> list[_Worker]:
        return [worker for worker in self._crew if worker.is_overdue()]

    def _new(self) -> _Worker:
        return _Worker(self._trust)

    def _give(self, worker: _Worker) -> None:
        job = self._waiting.pop()
        self._told(job, "begin")
        worker.start(job, self._folder, self._trust)

    def _take(self, worker: _Worker, report: dict) -> None:
        """Act on one report of a worker."""
        job = worker.task
        if "broken" in report:
            raise StorageError(report["broken"])
        if job is None:
            return
        if "done" in report:
            worker.task = None
            self._done(job, report["error"])
        else:
            worker.note(report["doing"])
            self._told(job, report["doing"])

    def _bury(self, worker: _Worker) -> None:
        """Record the job of a dead worker as failed."""
        is_late = worker.is_overdue()
        reason = worker.end()
        job = worker.task
        if job is None:
            return
        if is_late:
            reason = f"took longer than the time limit of {human_time(job.time_limit)}: {reason}"
        write_record(job.path(self._folder), failure(job, reason))
        self._done(job, reason)


def _allowed(limit: float) -> float:
    """Return the seconds after which a fit is stopped with its worker: a training ends by itself before."""
    return limit + max(_LEAST_GRACE_S, _GRACE * limit)


def _way_of_dying(code: int, most: int) -> str:
    """Return in words how a process ended, and the most memory that it took."""
    peak = f"peak {human_bytes(most)}"
    if code >= 0:
        return f"ended: exit code {code}, {peak}"
    if code == -signal.SIGKILL:
        return f"killed (signal 9), {peak}"
    return f"ended by signal {-code}, {peak}"
