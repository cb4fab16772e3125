"""How much memory there is, and what to say when it is not enough."""

import bisect
from collections.abc import Callable

from synthgen import machine
from synthgen.errors import UsageError


def available_bytes(device) -> float:
    """Return the memory that a torch device has left, in bytes; infinity where the system does not say."""
    if device.type != "cuda":
        return machine.available_bytes()

    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return free


def megabytes(count: float) -> str:
    """Return a number of bytes as text: '12.3 MB', '4,096 MB'."""
    value = count / 1e6
    return f"{value:,.0f} MB" if value >= 100 else f"{value:.3g} MB"


def largest_fitting(needed: Callable[[int], float], below: int, limit: float) -> int:
    """Return the largest number under `below` that needs at most `limit` bytes; what is needed grows with it."""
    first_too_large = bisect.bisect_right(range(below), limit, key=needed)
    return max(0, first_too_large - 1)


def refuse_if_larger(what: str, needed: float, limit: float, fitting: str) -> None:
    """Raise `UsageError` if more bytes are needed than the limit; `fitting` says what would fit."""
    if needed <= limit:
        return

    taken = megabytes(needed)
    allowed = megabytes(limit)
    raise UsageError(f"memory must be at least {taken} for {what}, {allowed} may be used; {fitting}")


def refuse_too_many(what: str, count: int, needed: Callable[[int], float], limit: float, fitting: str) -> None:
    """Raise `UsageError` if so many things need more bytes than the limit.

    Parameters
    ----------
    what : str
        All that the memory is for.
    count : int
    needed : callable
        From a number of things to the bytes that they need; it grows with them.
    limit : float
        In bytes.
    fitting : str
        What would fit, with a place for the number: ``'{:,} images would fit'``.
    """
    most = largest_fitting(needed, count, limit)
    refuse_if_larger(what, needed(count), limit, fitting.format(most))
