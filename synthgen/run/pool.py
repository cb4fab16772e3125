"""A pool of worker processes that write shards.

The standard library's pools do not serve here: their workers outlive a killed parent, and a worker's death takes
the whole pool down without a word on what it was doing.
"""

import json
import os
import selectors
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from synthgen.errors import WorkerError, error_of
from synthgen.run.orders import order_of
from synthgen.run.plan import Plan
from synthgen.run.progress import Progress
from synthgen.run.target import Target

_TRIES = 2
# What the kernel sends to a process when memory runs out: SIGKILL.
_KILL = 9
# A batch system ends a job by a signal to all of its processes. The parent answers it, and ends the workers: they
# must not die of it before, not even while they import.
_START = """
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
from synthgen.run.worker import main
main()
"""
# Workers find the package that runs here, installed or not.
_HOME = str(Path(__file__).parents[2])


class _Worker:
    """One worker process, and what it is doing."""

    def __init__(self, plan: Plan, target: Target):
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _HOME)))
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the workers.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self.orders = cast(IO[bytes], self.process.stdin)
        self.reports = cast(IO[bytes], self.process.stdout)
        self.shard: int | None = None
        self.counted = 0
        self._rest = b""
        self._send(order_of(plan, target).to_dict())

    def start(self, shard: int) -> None:
        self.shard = shard
        self.counted = 0
        self._send({"shard": shard})

    def _send(self, message: dict) -> None:
        try:
            self.orders.write(json.dumps(message).encode() + b"\n")
            self.orders.flush()
        except BrokenPipeError:
            pass  # it died; the end of its stdout says so

    def receive(self) -> list[dict] | None:
        """Return the reports that have come in, or None if the worker is dead."""
        data = os.read(self.reports.fileno(), 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def end(self) -> int:
        """Kill the process and return how it ended."""
        self.process.kill()
        with suppress(BrokenPipeError):  # an order that it did not take
            self.orders.close()
        self.reports.close()
        return self.process.wait()


def run_pool(plan: Plan, target: Target, shards: list[int], workers: int, progress: Progress) -> None:
    """Write `shards` with `workers` processes.

    A worker that dies is named by its shard, and the shard is given to a new worker, once.

    Raises
    ------
    WorkerError
        If workers died twice on the same shard.
    SynthgenError
        What a worker reported, for example a full disk.
    """
    pool = _Pool(plan, target, shards, progress)
    try:
        pool.run(workers)
    finally:
        pool.end()


class _Pool:
    """The workers of a run, and the shards that wait for them."""

    def __init__(self, plan: Plan, target: Target, shards: list[int], progress: Progress):
        self._plan = plan
        self._target = target
        self._progress = progress
        self._waiting = list(reversed(shards))
        self._tries = dict.fromkeys(shards, 0)
        self._crew: set[_Worker] = set()
        self._selector = selectors.DefaultSelector()

    def run(self, workers: int) -> None:
        """Hand out shards until all are written."""
        while self._waiting or any(worker.shard is not None for worker in self._crew):
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
            worker = _Worker(self._plan, self._target)
        except OSError as error:
            raise WorkerError(
                f"a worker process cannot be started: {error.strerror}; fewer workers need less"
            ) from None
        self._crew.add(worker)
        self._selector.register(worker.reports, selectors.EVENT_READ, worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        shard = self._waiting.pop()
        self._tries[shard] += 1
        worker.start(shard)

    def _listen(self, worker: _Worker) -> None:
        reports = worker.receive()
        if reports is None:
            self._selector.unregister(worker.reports)
            self._crew.remove(worker)
            self._bury(worker)
            return
        for report in reports:
            self._take(worker, report)
        if worker.shard is None and self._waiting:
            self._give(worker)

    def _take(self, worker: _Worker, report: dict) -> None:
        """Act on one report of a worker."""
        if "error" in report:
            raise error_of(report["kind"], report["error"])
        if "done" in report:
            worker.shard = None
        else:
            worker.counted += report["progress"]
            self._progress.advance(report["progress"])

    def _bury(self, worker: _Worker) -> None:
        """Put the shard of a dead worker back, or give up on it."""
        how = _way_of_dying(worker.end())
        shard = worker.shard
        if shard is None:
            return
        self._progress.advance(-worker.counted)
        if self._tries[shard] >= _TRIES:
            raise WorkerError(f"workers died {_TRIES} times on shard {shard} ({how}); all finished shards are kept")
        self._progress.note(f"a worker died on shard {shard} ({how}); trying it once more")
        self._waiting.append(shard)


def _way_of_dying(code: int) -> str:
    """Return in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    if code == -_KILL:
        return f"signal {_KILL}: killed, most likely for memory; fewer workers or smaller images need less"
    return f"signal {-code}"
