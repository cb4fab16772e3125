"""A deadline of a fit: models that learn in steps end with what they have learned until then.

Examples
--------
>>> with within(60) as deadline:
...     taken = list(in_time(range(3)))
>>> taken, deadline.stopped
([0, 1, 2], False)
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Step = TypeVar("Step")


class Deadline:
    """The moment at which a fit has to end.

    Parameters
    ----------
    seconds : float
        From now on.

    Attributes
    ----------
    stopped : bool
        Whether a training asked after that moment, and so ended early.
    """

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds
        self.stopped = False

    def is_over(self) -> bool:
        """Return whether a training has to end now."""
        if time.monotonic() < self._end:
            return False
        self.stopped = True
        return True


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float | None) -> Iterator[Deadline]:
    """End the trainings of the block where they have taken so many seconds; None sets no limit.

    Parameters
    ----------
    seconds : float or None

    Yields
    ------
    Deadline
    """
    deadline = Deadline(math.inf if seconds is None else seconds)
    before = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(before)


def in_time(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the steps of a training until the deadline of the block that it runs in; all of them without one."""
    deadline = _current.get()
    for step in steps:
        if deadline is not None and deadline.is_over():
            return
        yield step
