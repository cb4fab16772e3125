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
    run = None
    for place in sorted(range(len(positions)), key=positions.__getitem__):
        reader, row = dataset.locate(positions[place])
        if run is not None and _follows(run, reader, row):
            run.places.append(place)
            run = run._replace(rows=range(run.rows.start, row + 1))
            continue
        if run is not None:
            yield run
        run = Run(reader, range(row, row + 1), [place])
    if run is not None:
        yield run


def _follows(run: Run, reader, row: int) -> bool:
    """Return whether a sample is the next one of a run."""
    return reader is run.reader and row == run.rows.stop and len(run.rows) < _MOST
