"""Items that know the batch that they were read in, so that torch's collate function need not copy it together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import default_collate
from torch.utils.data._utils.collate import default_collate_fn_map

from synthgen.errors import UsageError


class Pace:
    """How many samples a loader puts into a batch, as far as that is known.

    Attributes
    ----------
    size : int
    """

    def __init__(self):
        self.size = 1


class Row(tuple):
    """An item, ``(image, label, *fields)``.

    Attributes
    ----------
    batch : list of Tensor or None
        The tensors that this item is a row of; None if it stands alone.
    place : int
        Which row.
    finish : callable or None
        What is made of a whole batch, given and returned as a list of tensors.
    pace : Pace or None
        Where the size of a batch is noted.
    """

    batch: list[torch.Tensor] | None = None
    place: int = 0
    finish: Callable | None = None
    pace: Pace | None = None

    def __reduce__(self):
        # What leaves the process is a plain tuple.
        return tuple, (tuple(self),)

    def replaced(self, values: Sequence) -> "Row":
        """Return an item with other values, which stands alone."""
        row = Row(values)
        row.finish = self.finish
        row.pace = self.pace
        return row


class Rows(Sequence):
    """The items of a batch, made only if somebody looks at them: torch's collate function takes the batch as it is.

    Parameters
    ----------
    batch : list of Tensor
        Images, labels and fields.
    finish, pace
        Those of its items.
    """

    def __init__(self, batch: list[torch.Tensor], finish: Callable | None, pace: Pace | None):
        self.batch = batch
        self._finish = finish
        self._pace = pace

    def __len__(self) -> int:
        return len(self.batch[0])

    def __getitem__(self, i):
        if isinstance(i, slice):
            return list(self)[i]
        place = range(len(self))[i]
        image, label, *fields = (column[place] for column in self.batch)
        return self._row(place, (image, label.item(), *fields))

    def __iter__(self) -> Iterator[Row]:
        images, labels, *fields = self.batch
        columns = [images.unbind(), labels.tolist(), *(field.unbind() for field in fields)]
        for place, values in enumerate(zip(*columns, strict=True)):
            yield self._row(place, values)

    def __reduce__(self):
        # What leaves the process is a plain list.
        return list, (list(self),)

    def _row(self, place: int, values: Sequence) -> Row:
        row = Row(values)
        row.batch = self.batch
        row.place = place
        row.finish = self._finish
        row.pace = self._pace
        return row


def collate(rows: Sequence[Row], *, collate_fn_map: Any = None) -> list:
    """Return the batch that items make up: the tensors that they are rows of, where they follow each other there.

    It is registered with torch, and called where a loader has no collate function of its own.

    Raises
    ------
    UsageError
        If the items are to be finished in different ways.
    """
    first = rows[0]
    if not isinstance(rows, Rows) and any(row.finish != first.finish for row in rows if isinstance(row, Row)):
        raise UsageError("batch_transform must be the same for all data sets of a batch")
    if first.pace is not None:
        # Not smaller for the last batch of an epoch, or the next epoch would begin out of step.
        first.pace.size = max(first.pace.size, len(rows))

    whole = _whole(rows)
    if whole is None:
        plain = [tuple(row) for row in rows]
        whole = default_collate(plain)
    return whole if first.finish is None else first.finish(whole)


def _whole(rows: Sequence[Row]) -> list[torch.Tensor] | None:
    """Return the tensors that hold just these items in this order; None if there are none."""
    if isinstance(rows, Rows):
        return list(rows.batch)

    batch = rows[0].batch
    start = rows[0].place
    if batch is None:
        return None

    for place, row in enumerate(rows, start):
        if not isinstance(row, Row) or row.batch is not batch or row.place != place:
            return None
    stop = start + len(rows)
    return [column[start:stop] for column in batch]


default_collate_fn_map[Row] = collate
