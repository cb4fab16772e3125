"""Shared by the benchmarks: baseline and ours run in turn, so that a drift of the machine hits both."""

import os
import statistics
import time
from collections.abc import Callable


def on_one_core() -> None:
    """Keep this process, and what it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def seconds_of(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the time of one call, by default that of the wall."""
    start = clock()
    work()
    return clock() - start


def compare(
    works: dict[str, tuple[Callable[[], object], int]],
    unit: str,
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Run all works in turn, `rounds` times; print rate and ratio to the first; return the ratios of rates.

    Each work is a function and the number of items that a call makes. Rates are medians. The ratio is the median of
    the ratios round by round, with its range.
    """
    for work, _ in works.values():
        work()  # compile, and warm the page cache
    times = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, items) in works.items():
            times[name].append(seconds_of(work, clock) / items)
    first = next(iter(times.values()))
    ratios = {}
    for name, spent in times.items():
        pairs = sorted(a / b for a, b in zip(first, spent, strict=True))
        ratios[name] = statistics.median(pairs)
        print(
            f"  {name:44s} {1 / statistics.median(spent):10,.1f} {unit}/s   x{ratios[name]:6.2f}"
            f"   ({pairs[0]:.2f} .. {pairs[-1]:.2f})"
        )
    return ratios
