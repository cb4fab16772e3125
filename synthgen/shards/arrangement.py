"""Which sample lies where: the stored order of a data set, also of one that grew, and its cut into shards.

A data set grows by stages. Each stage mixes the samples that it adds among themselves and cuts them into shards of
its own, so that what was there before stays where it was. FORMAT.md has the rule.
"""

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from synthgen.shards.order import Permutation


class Cut(NamedTuple):
    """What a data set holds after a stage, and how many samples each shard of that stage has."""

    classes: int
    per_class: int
    shard_size: int

    @property
    def samples(self) -> int:
        """Number of samples of the data set after the stage."""
        return self.classes * self.per_class


_NOTHING = Cut(0, 0, 1)


class _Stage:
    """The samples that one stage adds: further images of the old classes, then the images of new classes."""

    def __init__(self, before: Cut, after: Cut, seed: int, first_shard: int):
        self.first = before.samples
        self.count = after.samples - before.samples
        self.shard_size = after.shard_size
        self.first_shard = first_shard
        self.shards = -(-self.count // self.shard_size)
        self.per_class = after.per_class

        self._old_classes = before.classes
        self._old_per_class = before.per_class
        self._added = after.per_class - before.per_class
        self._of_old_classes = before.classes * self._added
        self._order = Permutation(self.count, seed)

    def holds(self, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return for each sample whether it was not there before this stage."""
        is_of_new_class = labels >= self._old_classes
        is_new_image = indices >= self._old_per_class
        return is_of_new_class | is_new_image

    def samples(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and indices of the samples at positions of this stage."""
        rows = positions - self.first
        numbers = self._order.forward(rows)
        if self._of_old_classes == 0:
            labels, indices = np.divmod(numbers, self.per_class)
            return labels + self._old_classes, indices

        old_labels, old_indices = np.divmod(numbers, self._added)
        old_indices += self._old_per_class

        beyond = numbers - self._of_old_classes
        new_labels, new_indices = np.divmod(beyond, self.per_class)
        new_labels += self._old_classes

        is_old = beyond < 0
        labels = np.where(is_old, old_labels, new_labels)
        indices = np.where(is_old, old_indices, new_indices)
        return labels, indices

    def positions(self, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return the positions of samples of this stage."""
        further = indices - self._old_per_class
        in_old = labels * self._added + further

        new_labels = labels - self._old_classes
        in_new = new_labels * self.per_class + indices
        in_new += self._of_old_classes

        is_old = new_labels < 0
        numbers = np.where(is_old, in_old, in_new)
        rows = self._order.inverse(numbers)
        return rows + self.first


class Arrangement:
    """The places of all samples of a data set.

    Parameters
    ----------
    cuts : iterable of (classes, per_class, shard_size)
        What the data set held after each stage, the first one first; mostly there is one.
    seed : int
        0 <= seed < 2**63.

    Attributes
    ----------
    count, shards : int

    Raises
    ------
    ValueError
        If a stage holds no more than the one before it.

    Examples
    --------
    >>> places = Arrangement([(2, 3, 4), (2, 5, 4)], seed=0)
    >>> places.count, places.shards
    (10, 3)
    >>> labels, indices = places.samples(range(6, 10))
    >>> sorted(zip(labels.tolist(), indices.tolist()))
    [(0, 3), (0, 4), (1, 3), (1, 4)]
    """

    def __init__(self, cuts: Iterable[tuple[int, int, int]], seed: int):
        self._stages: list[_Stage] = []
        before = _NOTHING
        shards = 0
        for numbers in cuts:
            after = Cut(*numbers)
            _check_growth(before, after)
            stage = _Stage(before, after, seed, shards)
            self._stages.append(stage)
            shards += stage.shards
            before = after

        self.count = before.samples
        self.shards = shards
        self._firsts = [stage.first for stage in self._stages]
        self._first_shards = [stage.first_shard for stage in self._stages]

    def samples(self, positions) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and indices, int64, of the samples at `positions` of the stored order."""
        wanted = np.asarray(positions, np.int64)
        if len(self._stages) == 1:
            return self._stages[0].samples(wanted)

        labels = np.empty_like(wanted)
        indices = np.empty_like(wanted)
        for stage in self._stages:
            rows = wanted - stage.first
            inside = (rows >= 0) & (rows < stage.count)
            some_labels, some_indices = stage.samples(wanted[inside])
            labels[inside] = some_labels
            indices[inside] = some_indices
        return labels, indices

    def positions(self, labels, indices) -> np.ndarray:
        """Return the positions, int64, of samples that the data set has."""
        label = np.asarray(labels, np.int64)
        index = np.asarray(indices, np.int64)
        found = np.empty(label.shape, np.int64)
        left = np.ones(label.shape, bool)
        # A sample belongs to the last stage that it was not there before.
        for stage in reversed(self._stages):
            mine = left & stage.holds(label, index)
            found[mine] = stage.positions(label[mine], index[mine])
            left &= ~mine
        return found

    def place(self, position: int) -> tuple[int, int]:
        """Return shard and row of a position."""
        number = bisect_right(self._firsts, position) - 1
        stage = self._stages[number]
        within = position - stage.first
        shard, row = divmod(within, stage.shard_size)
        return stage.first_shard + shard, row

    def positions_of(self, shard: int) -> range:
        """Return the positions of the samples of a shard, in the order of its rows."""
        number = self.stage_of(shard)
        stage = self._stages[number]
        before = shard - stage.first_shard
        start = stage.first + before * stage.shard_size
        end = stage.first + stage.count
        return range(start, min(start + stage.shard_size, end))

    def stage_of(self, shard: int) -> int:
        """Return the number of the stage, from 0, that a shard belongs to."""
        return bisect_right(self._first_shards, shard) - 1


def _check_growth(before: Cut, after: Cut) -> None:
    is_wider = after.classes >= before.classes and after.per_class >= before.per_class
    if not is_wider or after.samples <= before.samples:
        was = f"{before.classes} x {before.per_class}"
        raise ValueError(f"a data set of {was} samples must grow, got {after.classes} x {after.per_class}")


@lru_cache(maxsize=64)
def arrangement(cuts: tuple[tuple[int, int, int], ...], seed: int) -> Arrangement:
    """Return the `Arrangement` of these arguments; one that was used lately is used again."""
    return Arrangement(cuts, seed)
