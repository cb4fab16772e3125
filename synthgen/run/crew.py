"""A crew of worker processes: each does one task at a time, and its death is told with the task that it did.

The standard library's pools do not serve here: their workers outlive a killed parent, and a worker's death takes
the whole pool down without a word on what it was doing. Orders and reports are lines of JSON.
"""

import abc
import json
import os
import selectors
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from synthgen.errors import WorkerError

# Workers find the package that runs here, installed or not.
HOME = str(Path(__file__).parents[2])
_CHUNK = 1 << 16
# A batch system ends a job by a signal to all of its processes. The parent answers it, and ends the workers: they
# must not die of it before, not even while they import.
_START = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
from {module} import main
main()
"""


def start_of(module: str) -> str:
    """Return the program of a worker: the function `main` of a module, deaf to the signals of a terminal."""
    return _START.format(module=module)


class Worker(abc.ABC):
    """One worker process, and the task that it does, or None.

    Parameters
    ----------
    process : subprocess.Popen
        With a pipe for its orders as standard input.
    reports : int
        The descriptor from which its reports are read.
    """

    def __init__(self, process: subprocess.Popen, reports: int):
        self.process = process
        self.orders = cast(IO[bytes], process.stdin)
        self.reports = reports
        self.task: Any = None
        self._rest = b""

    def send(self, message: dict) -> None:
        """Send an order; if the process is dead the end of its reports says so."""
        with suppress(BrokenPipeError):
            self.orders.write(json.dumps(message).encode() + b"\n")
            self.orders.flush()

    def receive(self) -> list[dict] | None:
        """Return the reports that have come in, or None if the worker is dead."""
        data = os.read(self.reports, _CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def dismiss(self) -> None:
        """Close the pipe of orders, whatever the process did not take."""
        with suppress(BrokenPipeError):
            self.orders.close()

    def kill(self) -> None:
        """Kill the process; the end of its reports is then read as any other death."""
        # not Popen.kill, which asks for the status of a process that is dead, and keeps what `wait4` would tell
        os.kill(self.process.pid, signal.SIGKILL)

    @abc.abstractmethod
    def end(self) -> str:
        """Kill the process, and return in words how it ended."""


class Crew(abc.ABC):
    """The workers of a run, and the tasks that wait for them, the last one first."""

    def __init__(self, waiting: list):
        self._waiting = waiting
        self._crew: set = set()
        self._selector = selectors.DefaultSelector()

    def run(self, workers: int) -> None:
        """Hand out tasks until all are done.

        Raises
        ------
        WorkerError
            If a worker cannot be started.
        """
        while self._waiting or any(worker.task is not None for worker in self._crew):
            while self._waiting and len(self._crew) < workers:
                self._hire()
            for key, _ in self._selector.select(self._patience()):
                self._listen(key.data)
            for worker in self._overdue():
                worker.kill()

    def _patience(self) -> float | None:
        """Return the seconds after which to look for tasks that take too long; None where none can."""
        return None

    def _overdue(self) -> list:
        """Return the workers whose tasks take too long; they are killed, and their tasks settled."""
        return []

    def end(self) -> None:
        """Kill all workers that are left."""
        self._selector.close()
        for worker in self._crew:
            worker.end()

    def _hire(self) -> None:
        try:
            worker = self._new()
        except OSError as error:
            reason = error.strerror
            raise WorkerError(f"a worker process cannot be started: {reason}; fewer workers need less") from None
        self._crew.add(worker)
        self._selector.register(worker.reports, selectors.EVENT_READ, worker)
        self._give(worker)

    def _listen(self, worker) -> None:
        reports = worker.receive()
        if reports is None:
            self._selector.unregister(worker.reports)
            self._crew.remove(worker)
            self._bury(worker)
            return

        for report in reports:
            self._take(worker, report)
        if worker.task is None and self._waiting:
            self._give(worker)

    @abc.abstractmethod
    def _new(self):
        """Start a worker."""

    @abc.abstractmethod
    def _give(self, worker) -> None:
        """Give a worker the next task."""

    @abc.abstractmethod
    def _take(self, worker, report: dict) -> None:
        """Act on one report of a worker."""

    @abc.abstractmethod
    def _bury(self, worker) -> None:
        """Settle the task of a dead worker."""
