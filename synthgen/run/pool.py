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

from synthgen import errors
from synthgen.errors import SynthgenError, WorkerError
from synthgen.run.plan import Plan
from synthgen.run.progress import Progress

_TRIES = 2
# Workers find the package that runs here, installed or not.
_HOME = str(Path(__file__).parents[2])


class _Worker:
    """One worker process, and what it is doing."""

    def __init__(self, plan: Plan, folder: Path):
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _HOME)))
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the workers.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "synthgen.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self.shard: int | None = None
        self.counted = 0
        self._rest = b""
        self._send({
            "recipe": plan.recipe.to_dict(),
            "folder": str(folder.absolute()),
            "fingerprint": plan.run.fingerprints.data,
        })  # fmt: skip

    def start(self, shard: int) -> None:
        self.shard, self.counted = shard, 0
        self._send({"shard": shard})

    def _send(self, message: dict) -> None:
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; the end of its stdout says so

    def receive(self) -> list[dict] | None:
        """Return the reports that have come in, or None if the worker is dead."""
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines] if data else None

    def end(self) -> int:
        """Kill the process and return how it ended."""
        self.process.kill()
        with suppress(BrokenPipeError):  # an order that it did not take
            self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


def run_pool(plan: Plan, folder: Path, shards: list[int], workers: int, progress: Progress) -> None:
    """Write `shards` with `workers` processes.

    A worker that dies is named by its shard, and the shard is given to a new worker, once.

    Raises
    ------
    WorkerError
        If workers died twice on the same shard.
    SynthgenError
        What a worker reported, for example a full disk.
    """
    waiting = list(reversed(shards))
    tries = dict.fromkeys(shards, 0)
    crew: set[_Worker] = set()
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or any(w.shard is not None for w in crew):
                while waiting and len(crew) < workers:
                    worker = _Worker(plan, folder)
                    crew.add(worker)
                    selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
                    _give(worker, waiting, tries)
                for key, _ in selector.select():
                    worker = key.data
                    reports = worker.receive()
                    if reports is None:
                        selector.unregister(worker.process.stdout)
                        crew.remove(worker)
                        _bury(worker, waiting, tries, progress)
                        continue
                    for report in reports:
                        _take(worker, report, progress)
                    if worker.shard is None and waiting:
                        _give(worker, waiting, tries)
        finally:
            for worker in crew:
                worker.end()


def _give(worker: _Worker, waiting: list[int], tries: dict[int, int]) -> None:
    shard = waiting.pop()
    tries[shard] += 1
    worker.start(shard)


def _take(worker: _Worker, report: dict, progress: Progress) -> None:
    """Act on one report of a worker."""
    if "error" in report:
        kind = getattr(errors, report["kind"], SynthgenError)
        raise kind(report["error"])
    if "done" in report:
        worker.shard = None
    else:
        worker.counted += report["progress"]
        progress.advance(report["progress"])


def _bury(worker: _Worker, waiting: list[int], tries: dict[int, int], progress: Progress) -> None:
    """Put the shard of a dead worker back, or give up on it."""
    code, shard = worker.end(), worker.shard
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if shard is None:
        return
    progress.advance(-worker.counted)
    if tries[shard] >= _TRIES:
        raise WorkerError(f"workers died {_TRIES} times on shard {shard} ({how}); all finished shards are kept")
    progress.note(f"a worker died on shard {shard} ({how}); trying it once more")
    waiting.append(shard)
