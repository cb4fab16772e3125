"""A process that checks shards: it takes numbers on stdin and reports on stdout, one line each.

Run as ``python -m synthgen.shards.checker FOLDER bytes|pixels CACHE`` by `synthgen.shards.verify`. Its standard
input is its lifeline: when the parent dies, however it dies, the pipe closes and the process ends at once.
"""

import os
import queue
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import msgspec

from synthgen.shards.checking import ShardCheck, check_shard
from synthgen.shards.dataset import open_dataset

# Processes find the package that runs here, installed or not.
_HOME = str(Path(__file__).parents[2])


class Checker:
    """A process that checks shards, as its parent sees it.

    Parameters
    ----------
    source : str
        The folder, or the address, of the data set.
    pixels : bool
        Whether every pixel is checked.
    cache : Path
        Folder for the copies of a data set in a store.
    """

    def __init__(self, source: str, pixels: bool, cache: Path):
        kind = "pixels" if pixels else "bytes"
        self._command = [sys.executable, "-P", "-m", __name__, source, kind, str(cache)]
        self._begin()

    def _begin(self) -> None:
        """Start the process."""
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _HOME)))
        # A session of its own: Ctrl-C in the terminal reaches the parent alone, which then ends the process.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._orders = cast(IO[bytes], self._process.stdin)
        self._reports = cast(IO[bytes], self._process.stdout)

    def check(self, shard: int, name: str) -> ShardCheck:
        """Return what the process finds in a shard; one that dies over it counts as not read."""
        with suppress(BrokenPipeError):  # it died; the end of its stdout says so
            self._orders.write(b"%d\n" % shard)
            self._orders.flush()
        line = self._reports.readline()
        if line.endswith(b"\n"):
            return msgspec.json.decode(line, type=ShardCheck)

        code = self.end()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._begin()
        return ShardCheck(unread=[(name, f"the process that checked it died ({how})")])

    def end(self) -> int:
        """Kill the process and return how it ended."""
        if self._process.poll() is None:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._orders.close()
        self._reports.close()
        return self._process.wait()


def main() -> None:
    """Serve until stdin closes."""
    # What a library prints must not mix with the reports.
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    orders: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()

    source, kind, cache = sys.argv[1:]
    dataset = open_dataset(source, cache)
    pixels = kind == "pixels"
    while True:
        found = check_shard(dataset, orders.get(), pixels)
        try:
            reports.write(msgspec.json.encode(found) + b"\n")
            reports.flush()
        except BrokenPipeError:
            os._exit(0)


def _listen(orders: queue.SimpleQueue) -> None:
    for line in sys.stdin.buffer:
        orders.put(int(line))
    os._exit(0)


if __name__ == "__main__":
    main()
