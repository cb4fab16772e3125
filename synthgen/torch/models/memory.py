"""How much memory there is, and what to say when it is not enough."""

import bisect
from collections.abc import Callable

import torch

from synthgen import machine
from synthgen.errors import UsageError


def available_bytes(device: torch.device) -> float:
    """Return the memory that a device has left, in bytes; infinity where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return machine.available_bytes()


def megabytes(count: float) -> str:
    """Return a number of bytes as text: '12.3 MB', '4,096 MB'."""
    value = count / 1e6
    return f"{value:,.0f} MB" if value >= 100 else f"{value:.3g} MB"


def largest_fitting(needed: Callable[[int], float], below: int, limit: float) -> int:
    """Return the largest number under `below` that needs at most `limit` bytes; what is needed grows with it."""
    return max(0, bisect.bisect_right(range(below), limit, key=needed) - 1)


def refuse_if_larger(what: str, needed: float, limit: float, fitting: str) -> None:
    """Raise `UsageError` if more bytes are needed than the limit; `fitting` says what would fit."""
    if needed > limit:
        raise UsageError(f"memory: {what} need {megabytes(needed)}, {megabytes(limit)} may be used; {fitting}")
