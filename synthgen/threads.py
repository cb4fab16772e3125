"""Threads that draw one picture together: how many this process may use, and pictures cut into bands of rows.

What is drawn does not depend on them: a band is a function of its rows alone. Compiled code must release the GIL.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import TypeVar

# Threads share pictures of so many pixels or more.
_LEAST_PIXELS = 2**18
# Bands for each thread: rows differ in what lies on them, and a thread that is done takes another band.
_BANDS = 4

Result = TypeVar("Result")

_allowed = 1


def allowed_threads() -> int:
    """Return how many threads may draw a picture in this process."""
    return _allowed


def allow_threads(count: int) -> None:
    """Let so many threads draw a picture in this process, from the next step of its drawing on."""
    global _allowed
    _allowed = count


@contextmanager
def drawing_threads(count: int):
    """Let so many threads draw a picture within the block."""
    before = allowed_threads()
    allow_threads(count)
    try:
        yield
    finally:
        allow_threads(before)


def is_large(shape: tuple[int, int]) -> bool:
    """Return whether a picture of a height and width has so many pixels that threads share it."""
    height, width = shape
    return height * width >= _LEAST_PIXELS


def by_bands(work: Callable[[int, int], Result], shape: tuple[int, int]) -> list[Result]:
    """Return what a function returns for bands that together are all rows of a picture, from above to below.

    Parameters
    ----------
    work : callable
        Takes the first row of a band and the one after its last.
    shape : (int, int)
        Height and width of the picture; a small one is a single band.
    """
    height, _ = shape
    threads = _threads_for(shape)
    bands = min(height, _BANDS * threads) if threads > 1 else 1
    edges = [height * band // bands for band in range(bands + 1)]
    works = [partial(work, first, end) for first, end in pairwise(edges)]
    return at_once(works, shape)


def at_once(works: Sequence[Callable[[], Result]], shape: tuple[int, int]) -> list[Result]:
    """Return what some functions return, each of which does a part of a picture of a height and width."""
    threads = min(_threads_for(shape), len(works))
    if threads < 2:
        return [work() for work in works]
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(work) for work in works]
        return [future.result() for future in running]


def _threads_for(shape: tuple[int, int]) -> int:
    """Return how many threads draw a picture; a small one is drawn before threads have begun."""
    return allowed_threads() if is_large(shape) else 1
