"""Which things reach which rows of a picture: lists that the painters of stains share."""

from typing import NamedTuple

import numba
import numpy as np


class Near(NamedTuple):
    """The things that can reach each row, in rising order: those of row r are things[starts[r] : starts[r + 1]]."""

    starts: np.ndarray
    things: np.ndarray


def near_rows(extents: np.ndarray, height: int) -> Near:
    """Return the things near each row, from the first row of each and the one after its last, (n, 2)."""
    first, end = extents.T
    lengths = end - first
    begins = np.cumsum(lengths) - lengths
    shifts = np.repeat(first - begins, lengths)
    rows = np.arange(lengths.sum()) + shifts

    things = np.arange(len(extents))
    numbers = np.repeat(things, lengths)
    order = np.argsort(rows, kind="stable")
    counts = np.bincount(rows, minlength=height)
    ends = np.cumsum(counts)
    starts = np.concatenate([[0], ends])
    return Near(starts, numbers[order])


@numba.njit(cache=True)
def unite(chords, size, row, spans, count):
    """Append the union of the chords of a row to `spans` as (row, begin, end); return their new count."""
    first = count
    for n in range(size):
        begin = chords[n, 0]
        end = chords[n, 1]
        if begin >= end:
            continue

        # Take back the spans that this one touches; what is left lies before it or after it
        kept = first
        for m in range(first, count):
            if end < spans[m, 1] or begin > spans[m, 2]:
                spans[kept, 1] = spans[m, 1]
                spans[kept, 2] = spans[m, 2]
                kept += 1
            else:
                begin = min(begin, spans[m, 1])
                end = max(end, spans[m, 2])

        spans[kept, 0] = row
        spans[kept, 1] = begin
        spans[kept, 2] = end
        count = kept + 1
    return count


@numba.njit(cache=True)
def renumber(ids, numbers, spans):
    """Replace each id by its number, within spans (row, begin, end) of the picture."""
    for n in range(len(spans)):
        row, begin, end = spans[n]
        line = ids[row]
        for c in range(begin, end):
            line[c] = numbers[line[c]]
