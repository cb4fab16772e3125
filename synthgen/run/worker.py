"""A worker process: takes shard numbers on stdin, writes shards, reports on stdout. One JSON object a line.

Run as ``python -m synthgen.run.worker`` by `synthgen.run.pool`. Its standard input is its lifeline: when the parent
dies, however it dies, the pipe closes and the worker ends at once, in the middle of whatever it does.
"""

import json
import os
import queue
import sys
import threading
import time
import warnings
from pathlib import Path

_REPORT_SECONDS = 0.2


def main() -> None:
    """Serve until stdin closes."""
    # What a library prints must not mix with the reports.
    reports = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")  # the process that started this one has told them
    orders = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    send = _sender(reports)

    from synthgen.errors import SynthgenError, UsageError
    from synthgen.recipe import Recipe
    from synthgen.run.plan import make_plan
    from synthgen.run.shard import write_shard

    first = orders.get()
    try:
        plan, folder = make_plan(Recipe.from_dict(first["recipe"])), Path(first["folder"])
        if plan.run.fingerprints.data != first["fingerprint"]:
            raise UsageError("the files that samples are made of must stay as they are during a run; some changed")
    except SynthgenError as error:
        send({"error": str(error), "kind": type(error).__name__})
        return
    while True:
        shard = orders.get()["shard"]
        counter = _Counter(send)
        try:
            write_shard(plan, folder, shard, counter)
        except SynthgenError as error:
            send({"error": str(error), "kind": type(error).__name__})
            continue
        counter.report()
        send({"done": shard})


def _listen(orders: queue.SimpleQueue) -> None:
    for line in sys.stdin.buffer:
        orders.put(json.loads(line))
    os._exit(0)


def _sender(reports):
    def send(message: dict) -> None:
        try:
            reports.write(json.dumps(message) + "\n")
        except BrokenPipeError:
            os._exit(0)

    return send


class _Counter:
    """Counts samples and reports now and then."""

    def __init__(self, send):
        self._send, self._count, self._told = send, 0, time.monotonic()

    def __call__(self, samples: int) -> None:
        self._count += samples
        if time.monotonic() - self._told > _REPORT_SECONDS:
            self.report()

    def report(self) -> None:
        self._send({"progress": self._count})
        self._count, self._told = 0, time.monotonic()


if __name__ == "__main__":
    main()
