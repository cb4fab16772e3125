"""A finished data set as a stream, shared out over ranks and workers, that goes on where it stopped."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Literal

import msgspec
import torch
from torch.utils import data

from synthgen.errors import SynthgenError, UsageError
from synthgen.seeding import generator
from synthgen.torch.data.items import ClassNames
from synthgen.torch.data.mixing import shards_of, through_buffer, through_shards
from synthgen.torch.data.rows import Pace, Row
from synthgen.torch.data.shards import ShardDataset
from synthgen.torch.data.shares import (
    EVEN,
    Place,
    given_after,
    part_of,
    rank_and_world,
    share_of_rank,
    worker_and_workers,
)

_Natural = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
# An epoch that nobody has chosen.
_UNSET = -1


class StreamState(msgspec.Struct, frozen=True):
    """Where a pass is. All but `epoch`, `turn` and `given` must be the same where the pass goes on.

    Attributes
    ----------
    data : str
        Fingerprint of the data set, and how it grew.
    shuffle_buffer, seed : int
    even : {'pad', 'drop', None}
    rank, world, workers : int
    epoch : int
    turn : int
        The worker that gives the next batch; the first worker that goes on takes over its part.
    given : dict
        Samples that each worker has given.
    """

    data: str
    shuffle_buffer: _Natural
    seed: int
    even: Literal["pad", "drop"] | None
    rank: _Natural
    world: _Positive
    workers: _Positive
    epoch: _Natural
    turn: _Natural
    given: dict[str, _Natural]


class _Pass(msgspec.Struct):
    """A pass over the part of one worker: its place, and how many samples it has given."""

    place: Place
    epoch: int
    turn: int
    given: int


class _Resumed(msgspec.Struct):
    """A state to go on from; `taken` is shared by all processes: each takes the state for one pass."""

    state: StreamState
    taken: torch.Tensor


class StreamDataset(ClassNames, data.IterableDataset):
    """A finished data set, iterable style: it yields ``(image, label, *fields)``, as `ShardDataset` returns them.

    The samples are shared out over ranks and workers. Each rank, and each worker of a rank, reads one run of
    consecutive samples; runs differ in length by at most one. Without shuffling the order is the stored one, which
    mixes the classes already.

    Parameters
    ----------
    path, transform, fields, transforms, cache, cache_bytes
        As for `ShardDataset`. Of a data set in a store the next shard is fetched while one is read.
    shuffle_buffer : int
        If positive, each epoch takes the shards in an order of its own and draws samples at random from this many
        that come next. The buffer holds positions, not images.
    seed : int
        Seed of the shuffling.
    even : {'pad', 'drop', None}
        How many samples each rank gets. None: every sample is given once, so that ranks may differ by one sample,
        and by one step. ``pad``: all ranks get equally many, some samples are given twice. ``drop``: all ranks get
        equally many, some samples are left out (fewer than there are ranks).
    batch_transform, threads, check
        As for `ShardDataset`.

    Attributes
    ----------
    classes, class_to_idx, targets
        As for `ShardDataset`; `targets` in stored order.

    Raises
    ------
    FormatError
        If the folder is not a finished data set.
    UsageError
        If an argument breaks a rule.

    Notes
    -----
    With `torch.distributed` initialised, rank and world size are taken from there. ``DistributedDataParallel``
    waits for ever if one rank takes a step more than the others: use ``even="pad"`` or ``even="drop"``, with the
    same batch size and the same number of workers on all ranks.

    Each worker fills its own batches. With ``drop_last=True`` a loader therefore leaves out up to
    ``batch_size - 1`` samples of every worker, not of the whole epoch; without it, an epoch has up to one short
    batch for every worker.

    Call `set_epoch` before each epoch to shuffle anew; workers that persist see it too.

    To resume in the middle of an epoch, give the state to `load_state_dict` of a stream that is made alike and read
    by as many workers: the same samples follow in the same order. Take the state with `state_dict` where the main
    process reads, with `state_after` where workers of a plain ``DataLoader`` do. ``torchdata``'s
    ``StatefulDataLoader`` asks its workers by itself.
    """

    def __init__(
        self,
        path,
        transform: Callable | None = None,
        fields: Sequence[str] = (),
        shuffle_buffer: int = 0,
        seed: int = 0,
        even: str | None = None,
        transforms: Callable | None = None,
        cache=None,
        cache_bytes: int | None = None,
        *,
        batch_transform: Callable | None = None,
        threads: int = 1,
        check: str = "crc",
    ):
        if shuffle_buffer < 0:
            raise UsageError(f"shuffle_buffer must be >= 0, got {shuffle_buffer}")
        if even not in EVEN:
            raise UsageError(f"even must be 'pad', 'drop' or None, got {even!r}")

        self._reader = ShardDataset(
            path,
            transform,
            fields,
            transforms,
            cache,
            cache_bytes,
            batch_transform=batch_transform,
            threads=threads,
            check=check,
        )
        self._pace = Pace()
        self._shuffle_buffer = shuffle_buffer
        self._seed = seed
        self._even = even
        # Shared memory: what one process writes reaches workers that live on, and the main process.
        self._epoch = torch.full((), _UNSET, dtype=torch.int64).share_memory_()
        self._read_by_workers = torch.zeros((), dtype=torch.bool).share_memory_()

        self._pass: _Pass | None = None
        self._resumed: _Resumed | None = None
        self._sent_from: tuple[int, int] | None = None

    def __getstate__(self):
        # A worker that was spawned knows nothing of torch.distributed: it belongs to the rank that sent it.
        return {**self.__dict__, "_sent_from": rank_and_world(), "_pass": None}

    def __len__(self) -> int:
        """Return how many samples this rank gets."""
        return len(self._rank_share(self._place()))

    def __iter__(self) -> Iterator[tuple]:
        # Settled here and not at the first sample: loaders make iterators that they never ask for one.
        self._pass = self._begin()
        return self._items(self._pass)

    @property
    def dataset(self):
        """The `synthgen.shards.Dataset` that is read."""
        return self._reader.dataset

    @property
    def epoch(self) -> int:
        """The epoch, which the shuffling depends on."""
        return max(0, int(self._epoch))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; a state of another epoch that was loaded before is dropped."""
        self._epoch.fill_(epoch)
        if self._resumed is not None and self._resumed.state.epoch != epoch:
            self._resumed = None

    def state_dict(self) -> dict:
        """Return where the pass of this process is: JSON-able, for `load_state_dict`.

        Raises
        ------
        UsageError
            If workers read: the main process does not know how many of their samples have been used.
        """
        place = self._place()
        waiting = self._waiting(place)
        if waiting is not None:
            return msgspec.to_builtins(waiting.state)
        if self._read_by_workers and not _is_worker():
            raise UsageError("state_dict must be called where the data set is read; for workers use state_after")

        now = self._pass
        if now is None:
            return self._state(place, self.epoch)
        return self._state(now.place, now.epoch, now.turn, {now.place.worker: now.given})

    def state_after(self, batches: int, batch_size: int, num_workers: int = 0, drop_last: bool = False) -> dict:
        """Return the state after a plain `DataLoader` has given some batches of this epoch.

        Parameters
        ----------
        batches : int
            Counted from the beginning of the epoch, also where the epoch was resumed.
        batch_size : int
            1 for a loader with ``batch_size=None``.
        num_workers, drop_last
            As the loader has them.

        Returns
        -------
        dict
            JSON-able, for `load_state_dict`.
        """
        rank, world = self._rank()
        workers = max(1, num_workers)
        places = [Place(rank, world, worker, workers) for worker in range(workers)]
        sizes = [len(self._share(place)) for place in places]

        given, turn = given_after(sizes, batches, batch_size, drop_last)
        by_worker = dict(enumerate(given))
        return self._state(places[0], self.epoch, turn, by_worker)

    def load_state_dict(self, state: dict) -> None:
        """Begin the next pass where `state` was taken; the passes after that are whole.

        The next pass is one of the epoch of the state; with it the epoch is chosen, unless `set_epoch` did so.

        Raises
        ------
        UsageError
            If it is no state, or one of other data or of another order; when the pass begins, if it is of another
            rank or of another number of workers.
        """
        try:
            read = msgspec.convert(state, StreamState)
        except msgspec.ValidationError as error:
            raise UsageError(f"state must be one that state_dict returned: {error}") from None

        for name, wanted in self._order_of_samples().items():
            found = getattr(read, name)
            if found != wanted:
                raise UsageError(f"state must be one with {name} {wanted!r}, got {found!r}")

        if int(self._epoch) == _UNSET:
            self._epoch.fill_(read.epoch)
        taken = torch.zeros(read.workers, dtype=torch.bool).share_memory_()
        self._resumed = _Resumed(read, taken)
        self._pass = None

    def _class_table(self) -> list[dict]:
        return self.dataset.classes

    def _run_record(self):
        return self.dataset.manifest

    def _rank(self) -> tuple[int, int]:
        """Return rank and world size, also in a worker."""
        if _is_worker() and self._sent_from is not None:
            return self._sent_from
        return rank_and_world()

    def _place(self) -> Place:
        return Place(*self._rank(), *worker_and_workers())

    def _rank_share(self, place: Place) -> range:
        return share_of_rank(len(self._reader), place.rank, place.world, self._even)

    def _share(self, place: Place) -> range:
        return part_of(self._rank_share(place), place.worker, place.workers)

    def _order_of_samples(self) -> dict:
        """Return what the order of the samples depends on beside the epoch."""
        return {
            "data": self.dataset.manifest.order_fingerprint,
            "shuffle_buffer": self._shuffle_buffer,
            "seed": self._seed,
            "even": self._even,
        }

    def _state(self, place: Place, epoch: int, turn: int = 0, given: dict[int, int] | None = None) -> dict:
        """Return a state, of which nothing is given yet by default."""
        by_worker = {str(worker): count for worker, count in (given or {}).items()}
        state = StreamState(
            **self._order_of_samples(),
            rank=place.rank,
            world=place.world,
            workers=place.workers,
            epoch=epoch,
            turn=turn,
            given=by_worker,
        )
        return msgspec.to_builtins(state)

    def _waiting(self, place: Place) -> _Resumed | None:
        """Return the state that the next pass of this process goes on from, or None."""
        resumed = self._resumed
        if resumed is None or place.worker >= len(resumed.taken):
            return resumed
        return None if resumed.taken[place.worker] else resumed

    def _begin(self) -> _Pass:
        """Return the pass that begins now, from where a loaded state stands."""
        place = self._place()
        self._read_by_workers.fill_(_is_worker())
        waiting = self._waiting(place)
        if waiting is None:
            return _Pass(place, self.epoch, 0, 0)

        state = waiting.state
        _check_place(state, place)
        waiting.taken[place.worker] = True
        # A loader begins with its first worker, which therefore takes over from the one whose turn it was.
        part = (place.worker + state.turn) % place.workers
        given = state.given.get(str(part), 0)
        taken_over = place._replace(worker=part)
        return _Pass(taken_over, state.epoch, state.turn, given)

    def _items(self, now: _Pass) -> Iterator[tuple]:
        positions = islice(self._positions(now.place, now.epoch), now.given, None)
        # A loader that has collated a batch is given the next one whole.
        while batch := list(islice(positions, self._pace.size)):
            for item in self._read(batch, now.epoch):
                now.given += 1
                yield item

    def _read(self, positions: list[int], epoch: int) -> Iterable[Row]:
        """Return the samples at some positions of the stored order."""
        try:
            return self._reader.items(positions, self._pace)
        except SynthgenError:
            # The samples before the one that cannot be read are given first.
            return map(self._reader.__getitem__, positions)

    def _positions(self, place: Place, epoch: int) -> Iterator[int]:
        """Return the positions of a worker's share in the order in which they are read."""
        share = self._share(place)
        manifest = self.dataset.manifest
        if self._shuffle_buffer == 0:
            self._expect(list(range(manifest.shards)), share)
            return iter(share)

        order = generator(self._seed, epoch, 0, "stream.shards").permutation(manifest.shards)
        shards = order.tolist()
        self._expect(shards, share)
        positions = through_shards(shards, manifest, share)
        rng = generator(self._seed, epoch, place.rank << 16 | place.worker, "stream.buffer")
        return through_buffer(positions, self._shuffle_buffer, rng)

    def _expect(self, shards: list[int], share: range) -> None:
        """Have the next shard fetched while one is read, where the data set lies in a store."""
        if self.dataset.mirror is not None:
            self.dataset.mirror.expect(shards_of(shards, self.dataset.manifest, share))


def _is_worker() -> bool:
    return data.get_worker_info() is not None


def _check_place(state: StreamState, place: Place) -> None:
    """Raise `UsageError` if a state is of another rank, or of another number of workers."""
    found = (state.rank, state.world, state.workers)
    if found != (place.rank, place.world, place.workers):
        raise UsageError(
            f"state must be of rank {place.rank} of {place.world} with {place.workers} workers, "
            f"got one of rank {state.rank} of {state.world} with {state.workers} workers"
        )
