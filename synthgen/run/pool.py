"""A pool of worker processes that write shards: a shard whose worker died is tried once more."""

import os
import subprocess
import sys
from typing import IO, cast

from synthgen.errors import WorkerError, error_of
from synthgen.machine import available_cpus
from synthgen.run.crew import HOME, Crew, Worker, start_of
from synthgen.run.orders import order_of
from synthgen.run.plan import Plan
from synthgen.run.progress import Progress
from synthgen.run.target import Target

_TRIES = 2
# What the kernel sends to a process when memory runs out: SIGKILL.
_KILL = 9
_START = start_of("synthgen.run.worker")


class _Worker(Worker):
    """A process that writes shards; its task is a shard."""

    def __init__(self, plan: Plan, target: Target):
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), HOME)))
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the workers.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._output = cast(IO[bytes], process.stdout)
        super().__init__(process, self._output.fileno())
        self.counted = 0
        self._threads = 1
        self.send(order_of(plan, target).to_dict())

    def start(self, shard: int) -> None:
        self.task = shard
        self.counted = 0
        self.send({"shard": shard})

    def let(self, threads: int) -> None:
        """Let it draw each picture by so many threads."""
        if threads != self._threads:
            self._threads = threads
            self.send({"threads": threads})

    def end(self) -> str:
        """Kill the process, and return in words how it ended."""
        self.process.kill()
        self.dismiss()
        self._output.close()
        return _way_of_dying(self.process.wait())


def run_pool(plan: Plan, target: Target, shards: list[int], workers: int, progress: Progress) -> None:
    """Write `shards` with `workers` processes.

    A worker that dies is named by its shard, and the shard is given to a new worker, once. Where fewer shards than
    workers are left, the cores of those that idle are threads of those that draw.

    Raises
    ------
    WorkerError
        If workers died twice on the same shard.
    SynthgenError
        What a worker reported, for example a full disk.
    """
    cores = min(workers, available_cpus())
    pool = _Pool(plan, target, shards, progress, cores)
    try:
        pool.run(workers)
    finally:
        pool.end()


class _Pool(Crew):
    """The workers of a run, and the shards that wait for them."""

    def __init__(self, plan: Plan, target: Target, shards: list[int], progress: Progress, cores: int):
        super().__init__(list(reversed(shards)))
        self._plan = plan
        self._target = target
        self._progress = progress
        self._cores = cores
        self._tries = dict.fromkeys(shards, 0)

    def _new(self) -> _Worker:
        return _Worker(self._plan, self._target)

    def _give(self, worker: _Worker) -> None:
        shard = self._waiting.pop()
        self._tries[shard] += 1
        worker.start(shard)
        self._share_cores()

    def _share_cores(self) -> None:
        """Let each busy worker use its share of the cores, of which it has one as long as shards wait."""
        busy = [worker for worker in self._crew if worker.task is not None]
        for worker in busy:
            share = 1 if self._waiting else self._cores // len(busy)
            worker.let(max(1, share))

    def _take(self, worker: _Worker, report: dict) -> None:
        """Act on one report of a worker."""
        if "error" in report:
            raise error_of(report["kind"], report["error"])
        if "done" in report:
            worker.task = None
            self._share_cores()
        else:
            worker.counted += report["progress"]
            self._progress.advance(report["progress"])

    def _bury(self, worker: _Worker) -> None:
        """Put the shard of a dead worker back, or give up on it."""
        how = worker.end()
        shard = worker.task
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
