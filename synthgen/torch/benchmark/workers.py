"""The worker processes of a run, and the jobs that wait for them.

A worker that the kernel kills is no end of the run: its job is recorded as failed, and another worker goes on.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, cast

import msgspec

from synthgen.errors import StorageError, WorkerError
from synthgen.machine import human_bytes
from synthgen.torch.benchmark.clocks import most_resident
from synthgen.torch.benchmark.jobs import Job, failure
from synthgen.torch.benchmark.record import write_record

# The parent answers the signals of a terminal and of a batch system, and ends the workers.
_START = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
from synthgen.torch.benchmark.worker import main
main()
"""
# Workers find the package that runs here, installed or not.
_HOME = str(Path(__file__).parents[3])
_CHUNK = 1 << 16

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


class _Worker:
    """One worker process, and the job that it does."""

    def __init__(self, trust: bool):
        here = os.getcwd() if trust else None  # where other people's modules may lie
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), here, _HOME)))
        reading, writing = os.pipe()
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the workers.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(writing)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        self.orders = cast(IO[bytes], self.process.stdin)
        self.reports = reading
        self.job: Job | None = None
        self._rest = b""

    def start(self, job: Job, folder: Path, trust: bool) -> None:
        self.job = job
        order = {"job": msgspec.to_builtins(job), "folder": str(folder), "trust": trust}
        try:
            self.orders.write(json.dumps(order).encode() + b"\n")
            self.orders.flush()
        except BrokenPipeError:
            pass  # it died; the end of its reports says so

    def receive(self) -> list[dict] | None:
        """Return the reports that have come in, or None if the worker is dead."""
        data = os.read(self.reports, _CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def end(self) -> str:
        """Kill the process, and return in words how it ended."""
        # not Popen.kill, which asks for the status of a process that is dead, and keeps what `wait4` would tell
        os.kill(self.process.pid, signal.SIGKILL)
        with suppress(BrokenPipeError):  # an order that it did not take
            self.orders.close()
        os.close(self.reports)
        _, status, usage = os.wait4(self.process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        return _way_of_dying(code, most_resident(usage))


class _Crew:
    """The workers of a run, and the jobs that wait for them."""

    def __init__(self, jobs: list[Job], folder: Path, trust: bool, told: Told, done: Done):
        self._waiting = list(reversed(jobs))
        self._folder = folder
        self._trust = trust
        self._told = told
        self._done = done
        self._crew: set[_Worker] = set()
        self._selector = selectors.DefaultSelector()

    def run(self, workers: int) -> None:
        """Hand out jobs until all are done."""
        while self._waiting or any(worker.job is not None for worker in self._crew):
            while self._waiting and len(self._crew) < workers:
                self._hire()
            for key, _ in self._selector.select():
                self._listen(key.data)

    def end(self) -> None:
        """Kill all workers that are left."""
        self._selector.close()
        for worker in self._crew:
            worker.end()

    def _hire(self) -> None:
        try:
            worker = _Worker(self._trust)
        except OSError as error:
            reason = error.strerror
            raise WorkerError(f"a worker process cannot be started: {reason}; fewer workers need less") from None
        self._crew.add(worker)
        self._selector.register(worker.reports, selectors.EVENT_READ, worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        job = self._waiting.pop()
        self._told(job, "begin")
        worker.start(job, self._folder, self._trust)

    def _listen(self, worker: _Worker) -> None:
        reports = worker.receive()
        if reports is None:
            self._selector.unregister(worker.reports)
            self._crew.remove(worker)
            self._bury(worker)
            return

        for report in reports:
            self._take(worker, report)
        if worker.job is None and self._waiting:
            self._give(worker)

    def _take(self, worker: _Worker, report: dict) -> None:
        """Act on one report of a worker."""
        job = worker.job
        if "broken" in report:
            raise StorageError(report["broken"])
        if job is None:
            return
        if "done" in report:
            worker.job = None
            self._done(job, report["error"])
        else:
            self._told(job, report["doing"])

    def _bury(self, worker: _Worker) -> None:
        """Record the job of a dead worker as failed."""
        reason = worker.end()
        job = worker.job
        if job is None:
            return
        write_record(job.path(self._folder), failure(job, reason))
        self._done(job, reason)


def _way_of_dying(code: int, most: int) -> str:
    """Return in words how a process ended, and the most memory that it took."""
    peak = f"peak {human_bytes(most)}"
    if code >= 0:
        return f"ended: exit code {code}, {peak}"
    if code == -signal.SIGKILL:
        return f"killed (signal 9), {peak}"
    return f"ended by signal {-code}, {peak}"
