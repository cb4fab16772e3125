"""A worker process: takes shard numbers on stdin, writes shards, reports on stdout. One JSON object a line.

Started by `synthgen.run.pool`. Its standard input is its lifeline: when the parent dies, however it dies, the pipe
closes and the worker ends at once, in the middle of whatever it does.
"""

import json
import os
import queue
import sys
import threading
import time
import warnings
from functools import partial

from synthgen.threads import allow_threads

_REPORT_SECONDS = 0.2


def main() -> None:
    """Serve until stdin closes."""
    send = _sender(_taken_stdout())
    warnings.simplefilter("ignore")  # the process that started this one has told them
    orders: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()

    from synthgen.errors import SynthgenError

    write = _prepared(orders.get(), send)
    while write is not None:
        shard = orders.get()["shard"]
        counter = Counter(send)
        try:
            write(shard, counter)
        except SynthgenError as error:
            _report_error(send, error)
            continue
        counter.report()
        send({"done": shard})


def _taken_stdout():
    """Return stdout for the reports alone: what a library prints goes to stderr."""
    reports = os.fdopen(os.dup(1), "w", buffering=1)
    try:
        os.dup2(2, 1)
    except OSError:  # no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return reports


def _prepared(first: dict, send):
    """Return the function that writes a shard of the plan in the first order, or None if it cannot be made."""
    from synthgen.errors import SynthgenError
    from synthgen.run.orders import Order, prepared

    try:
        order = Order.from_dict(first)
        return partial(order.target.write, prepared(order))
    except SynthgenError as error:
        _report_error(send, error)
        return None


def _report_error(send, error: Exception) -> None:
    send({"error": str(error), "kind": type(error).__name__})


def _listen(orders: queue.SimpleQueue) -> None:
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if "threads" in order:
            # at once, also for the rest of the shard that is being drawn
            allow_threads(order["threads"])
        else:
            orders.put(order)
    os._exit(0)


def _sender(reports):
    def send(message: dict) -> None:
        try:
            reports.write(json.dumps(message) + "\n")
        except BrokenPipeError:
            os._exit(0)

    return send


class Counter:
    """Counts samples, and reports now and then how many more there are, as ``{"progress": samples}``."""

    def __init__(self, send):
        self._send = send
        self._count = 0
        self._told = time.monotonic()

    def __call__(self, samples: int) -> None:
        """Count further samples."""
        self._count += samples
        if time.monotonic() - self._told > _REPORT_SECONDS:
            self.report()

    def report(self) -> None:
        """Report what was counted since the last report."""
        self._send({"progress": self._count})
        self._count = 0
        self._told = time.monotonic()
