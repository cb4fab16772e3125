"""Samples that lie side by side, so that they can be read in one go."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from synthgen.shards.dataset import Dataset

# Samples that are read in one go: a few hundred kilobytes of small images, which stay in a core's cache.
_MOST = 16


class Run(NamedTuple):
    """Some samples of a batch that follow each other in one shard.

    Attributes
    ----------
    reader : Reader
        That of the shard.
    rows : range
        Their rows in the shard.
    places : list of int
        Where each of them stands in the batch.
    """

    reader: Any
    rows: range
    places: list[int]


def runs_of(dataset: Dataset, positions: Sequence[int]) -> Iterator[Run]:
    """Yield the runs that make up a batch; their shards are opened.

    Parameters
    ----------
    dataset : Dataset
    positions : sequence of int
        In the stored order of the data set. They may repeat, and negative ones count from the end.

    Raises
    ------
    IndexError
        If there is no such position.
    FormatError
        If a shard is missing or damaged.
    StorageError
        If the system cannot read it.
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)
    done = 0
    while done < len(order):
        reader, row = dataset.locate(positions[order[done]])
        most = min(_MOST, reader.count - row)
        places = _neighbors(order[done : done + most], positions)
        yield Run(reader, range(row, row + len(places)), places)
        done += len(places)


def _neighbors(order: list[int], positions: Sequence[int]) -> list[int]:
    """Return the first places of `order` whose positions follow each other without a gap."""
    first = positions[order[0]]
    for step, place in enumerate(order):
        if positions[place] != first + step:
            return order[:step]
    return order
