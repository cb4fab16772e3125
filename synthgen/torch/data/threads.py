"""Threads that share out work among themselves, also in processes that were forked or spawned."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 256


class Threads:
    """Some threads of this process. A process that is forked or spawned from it starts its own.

    Parameters
    ----------
    count : int
        With 1 all work is done where it is asked for.
    """

    def __init__(self, count: int):
        self.count = count
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def __getstate__(self):
        return {**self.__dict__, "_pool": None}

    def each(self, work: Callable, parts: list) -> None:
        """Call `work` with each part; raise the error of the first part that has one."""
        if self.count == 1 or len(parts) == 1:
            for part in parts:
                work(part)
            return

        for _ in self._started().map(work, parts):
            pass

    def _started(self) -> ThreadPoolExecutor:
        if self._pool is None or self._process != os.getpid():
            self._pool = ThreadPoolExecutor(self.count)
            self._process = os.getpid()
        return self._pool
