"""A process that writes batches of an export: it takes their numbers on stdin and answers on stdout, one line each.

Its standard input is its lifeline: when the parent dies, however it dies, the pipe closes and the process ends.
"""

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import msgspec

from synthgen import errors
from synthgen.errors import SynthgenError, WorkerError, one_line
from synthgen.layouts.export.batches import Batches, Job
from synthgen.layouts.export.tree import Tree

# Processes find the package that runs here, installed or not.
_HOME = str(Path(__file__).parents[3])
_START = f"from {__name__} import main; main()"
_DONE = b"done\n"


class Worker:
    """A process that writes batches, as its parent sees it.

    Parameters
    ----------
    job : Job
    work : Path
        The folder of the export in the making.
    """

    def __init__(self, job: Job, work: Path):
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _HOME)))
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the process.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._orders = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        self._send(msgspec.json.encode(job))

    def write(self, number: int) -> None:
        """Have a batch written; raise what the process raised."""
        self._send(b"%d" % number)
        line = self._answers.readline()
        if line == _DONE:
            return
        if not line.endswith(b"\n"):
            raise WorkerError(f"a process that wrote the export died: {self.end()}; run the same command again")
        kind, message = msgspec.json.decode(line)
        raise getattr(errors, kind)(message)

    def _send(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # it died; the end of its stdout says so
            self._orders.write(line + b"\n")
            self._orders.flush()

    def end(self) -> str:
        """Kill the process and return how it ended."""
        if self._process.poll() is None:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._orders.close()
        self._answers.close()
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def main() -> None:
    """Serve until stdin closes."""
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    orders: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()

    job = msgspec.json.decode(orders.get(), type=Job)
    tree = Tree(Path(sys.argv[1]))
    batches = None
    while True:
        number = int(orders.get())
        try:
            if batches is None:
                batches = Batches(job)
            batches.write(number, tree)
            line = _DONE
        except SynthgenError as error:
            line = msgspec.json.encode((type(error).__name__, one_line(error, 2000))) + b"\n"
        answers.write(line)
        answers.flush()


def _listen(orders: queue.SimpleQueue) -> None:
    """Pass the orders on; end the process when the parent is gone, whatever it is doing."""
    for line in sys.stdin.buffer:
        orders.put(line)
    os._exit(0)
