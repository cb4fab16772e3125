"""A worker process: takes jobs on stdin, does them, reports on a pipe of its own. One JSON object a line.

Started by `synthgen.torch.benchmark.workers`. Its standard input is its lifeline: when the parent dies, however it
dies, the pipe closes and the worker ends at once, in the middle of whatever it does.
"""

import json
import os
import queue
import sys
import threading
import warnings
from pathlib import Path


def main() -> None:
    """Serve until stdin closes; the first argument is the number of the pipe for reports."""
    reports = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    warnings.simplefilter("ignore")
    orders: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()

    def send(**message) -> None:
        try:
            reports.write(json.dumps(message) + "\n")
        except BrokenPipeError:
            os._exit(0)

    _serve(orders, send)


def _serve(orders: queue.SimpleQueue, send) -> None:
    """Do job after job, each of which leaves its record."""
    import msgspec

    from synthgen.errors import SynthgenError, one_line
    from synthgen.torch.benchmark.job import run_job
    from synthgen.torch.benchmark.jobs import Job

    while True:
        order = orders.get()
        job = msgspec.convert(order["job"], Job)

        def say(word: str) -> None:
            send(doing=word)

        try:
            record = run_job(job, Path(order["folder"]), order["trust"], say)
        except (SynthgenError, OSError) as error:  # the record cannot be written
            send(broken=one_line(error, 1000))
            continue
        send(done=job.name, error=record.error)


def _listen(orders: queue.SimpleQueue) -> None:
    for line in sys.stdin.buffer:
        orders.put(json.loads(line))
    os._exit(0)
