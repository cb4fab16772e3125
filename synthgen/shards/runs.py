"""The samples of a batch by the shards that hold them, whatever the order in which they are asked for."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from synthgen.shards.dataset import Dataset
from synthgen.shards.spans import Span, joined


class Run(NamedTuple):
    """Some samples of a batch that lie in one shard, in the order of the file.

    Attributes
    ----------
    reader : Reader
        That of the shard.
    rows : ndarray of int64, (n,)
        Their rows in the shard.
    places : ndarray of int64, (n,)
        Where each of them stands in the batch.
    """

    reader: Any
    rows: np.ndarray
    places: np.ndarray


class Share(NamedTuple):
    """A part of a batch, which is read in one go.

    Attributes
    ----------
    runs : list of Run
    places : ndarray of int64, (n,)
        Where the samples of all runs stand in the batch.
    """

    runs: list[Run]
    places: np.ndarray

    def span(self, name: str) -> Span:
        """Return where a field of the samples is stored."""
        spans = [run.reader.span(run.rows, name) for run in self.runs]
        return joined(spans)

    def labels(self) -> np.ndarray:
        """Return the classes of the samples, int64 (n,)."""
        parts = [run.reader.labels(run.rows) for run in self.runs]
        return np.concatenate(parts)


def shares_of(dataset: Dataset, positions: Sequence[int], count: int = 1) -> list[Share]:
    """Return a batch in shares of nearly equal size; the shards that they need are opened.

    Parameters
    ----------
    dataset : Dataset
    positions : sequence of int
        In the stored order of the data set, at least one. They may repeat, and negative ones count from the end.
    count : int
        How many shares; there are fewer where there are fewer samples.

    Raises
    ------
    IndexError
        If there is no such position.
    FormatError
        If a shard is missing or damaged.
    StorageError
        If the system cannot read it.
    """
    wanted = _counted_from_start(positions, len(dataset))
    order = np.argsort(wanted, kind="stable")
    parts = min(count, len(order))
    ends = [len(order) * part // parts for part in range(parts + 1)]
    shares = []
    for start, stop in pairwise(ends):
        places = order[start:stop]
        runs = list(_runs(dataset, wanted[places], places))
        shares.append(Share(runs, places))
    return shares


def _counted_from_start(positions: Sequence[int], count: int) -> np.ndarray:
    """Return positions of a data set of `count` samples as int64, none of them negative."""
    for position in positions:
        if not -count <= position < count:
            raise IndexError(f"sample {position} of {count}")

    wanted = np.array(positions, np.int64)
    wanted[wanted < 0] += count
    return wanted


def _runs(dataset: Dataset, ordered: np.ndarray, places: np.ndarray) -> Iterator[Run]:
    """Yield a run for each shard that holds some of the positions, which are in order."""
    done = 0
    while done < len(ordered):
        first = int(ordered[done])
        reader, row = dataset.locate(first)
        start = first - row
        stop = int(np.searchsorted(ordered, start + reader.count))
        yield Run(reader, ordered[done:stop] - start, places[done:stop])
        done = stop
