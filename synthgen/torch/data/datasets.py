"""Data sets for `torch.utils.data.DataLoader`: from shards, as a stream, or drawn on the fly.

All three give the same samples in the same order: (uint8 tensor (C, H, W), int label, *fields). They work with any
number of workers under fork, spawn and forkserver.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils import data

from synthgen.errors import UsageError
from synthgen.recipe import load_recipe
from synthgen.run.draw import draw_sample
from synthgen.run.plan import make_plan
from synthgen.sample import semantic_map
from synthgen.seeding import generator
from synthgen.shards.dataset import open_dataset
from synthgen.torch.data.planes import channels_first, planes_of

# Not stored: made of instances and params.
SEMANTIC = "semantic"


class ShardDataset(data.Dataset):
    """A finished data set, map style: read any sample by its position.

    Parameters
    ----------
    path : str or Path
        Folder of the data set.
    transform : callable, optional
        Applied to the image tensor, uint8 (C, H, W).
    fields : sequence of str
        Names of fields to return after the label, for example ``("mask",)``: tensors of the stored shape. For
        multi-formula data sets ``semantic`` is the source class of each pixel, int32, -1 for the background.

    Raises
    ------
    FormatError
        If the folder is not a finished data set.
    UsageError
        If there is no such field.
    """

    def __init__(self, path, transform: Callable | None = None, fields: Sequence[str] = ()):
        self.dataset = open_dataset(path)
        self._transform = transform
        self._fields = _checked(fields, self.dataset.manifest.fields)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int):
        entry = self.dataset.manifest.fields["image"]
        image = torch.from_numpy(planes_of(self.dataset.encoded(i, "image"), entry.spec(), entry.codec))
        others = [torch.from_numpy(self._field(i, name)) for name in self._fields]
        return _item(image, self.dataset.label(i), others, self._transform)

    def _field(self, i: int, name: str) -> np.ndarray:
        if name == SEMANTIC:
            return semantic_map(self.dataset.field(i, "instances"), self.dataset.params(i)["objects"])
        return self.dataset.field(i, name).copy()


class LiveDataset(data.Dataset):
    """The samples of a recipe, map style, drawn when they are asked for.

    They are equal to those that its shards would hold, where the codec is lossless.

    Parameters
    ----------
    recipe : Recipe, str or Path
        As for `synthgen.load_recipe`.
    transform, fields
        As for `ShardDataset`.
    """

    def __init__(self, recipe, transform: Callable | None = None, fields: Sequence[str] = ()):
        self.plan = make_plan(load_recipe(recipe))
        self._order = self.plan.order
        self._transform = transform
        self._fields = _checked(fields, self.plan.run.fields)

    def __len__(self) -> int:
        return self.plan.run.count

    def __getitem__(self, i: int):
        count = len(self)
        if not -count <= i < count:
            raise IndexError(f"sample {i} of {count}")
        label, index = divmod(int(self._order.forward(i % count)), self.plan.run.per_class)
        sample = draw_sample(self.plan.recipe, label, index)
        if SEMANTIC in self._fields:
            sample.fields[SEMANTIC] = semantic_map(sample.fields["instances"], sample.params["objects"])
        others = [torch.from_numpy(np.ascontiguousarray(sample.fields[name])) for name in self._fields]
        return _item(torch.from_numpy(channels_first(sample.pixels)), label, others, self._transform)


class StreamDataset(data.IterableDataset):
    """A finished data set, iterable style: its samples are shared out over ranks and workers, each given once.

    Every rank, and every worker of a rank, reads one run of consecutive samples; runs differ in length by at most
    one. Without shuffling the order is the stored one, which mixes the classes already.

    Parameters
    ----------
    path, transform, fields
        As for `ShardDataset`.
    shuffle_buffer : int
        If positive, shards are taken in an order of the epoch's own, and samples are drawn at random from this many
        that come next. It holds positions, not images.
    seed : int
        Of the shuffling.

    Notes
    -----
    With `torch.distributed` initialised, rank and world size are taken from there. Call `set_epoch` before each
    epoch to shuffle anew; workers that persist see it too.

    To resume in the middle of an epoch, save `state_dict` and give it to `load_state_dict` of a data set with as
    many workers. Loaders that ask workers for their state (``torchdata.StatefulDataLoader``) do so by themselves.
    With a plain `DataLoader` the data set here does not see what its copies in the workers do: use `state_after`.
    """

    def __init__(
        self,
        path,
        transform: Callable | None = None,
        fields: Sequence[str] = (),
        shuffle_buffer: int = 0,
        seed: int = 0,
    ):
        if shuffle_buffer < 0:
            raise UsageError(f"shuffle_buffer must be >= 0, got {shuffle_buffer}")
        self._reader = ShardDataset(path, transform, fields)
        self._buffer, self._seed = shuffle_buffer, seed
        # Shared memory: an epoch that is set here reaches workers that live on.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._given: dict[int, int] = {}
        self._resume: dict | None = None
        self._sent_from: tuple[int, int] | None = None

    def __getstate__(self):
        # A worker that was spawned knows nothing of torch.distributed; it takes part in the rank that sent it.
        return {**self.__dict__, "_sent_from": _rank()}

    def _place(self) -> tuple[int, int]:
        """Return rank and world size, also in a worker."""
        in_worker = data.get_worker_info() is not None
        return self._sent_from if in_worker and self._sent_from is not None else _rank()

    @property
    def dataset(self):
        """The `Dataset` that is read."""
        return self._reader.dataset

    def __len__(self) -> int:
        """Return the samples of this rank."""
        return len(self._share(*self._place()))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, which the shuffling depends on."""
        self._epoch.fill_(epoch)

    def _share(self, part: int, parts: int, of: range | None = None) -> range:
        whole = range(len(self._reader)) if of is None else of
        return whole[len(whole) * part // parts : len(whole) * (part + 1) // parts]

    def __iter__(self) -> Iterator:
        worker, workers = _worker()
        share = self._share(worker, workers, self._share(*self._place()))
        skip = self._skip(worker, workers)
        self._given = {worker: skip}
        for n, position in enumerate(self._positions(share, worker)):
            if n >= skip:
                self._given[worker] = n + 1
                yield self._reader[position]
        self._given = {}

    def _skip(self, worker: int, workers: int) -> int:
        """Return how many samples of this worker a loaded state has consumed; it counts for one pass."""
        state, self._resume = self._resume, None
        if state is None:
            return 0
        layout = [state["rank"], state["world"], state["workers"]]
        rank, world = self._place()
        if layout != [rank, world, workers]:
            raise UsageError(
                f"the state is of rank {layout[0]} of {layout[1]} with {layout[2]} workers, "
                f"this is rank {rank} of {world} with {workers}"
            )
        return int(state["given"].get(str(worker), 0))

    def _positions(self, share: range, worker: int) -> Iterator[int]:
        """Yield the positions of a share in the order in which they are read."""
        if self._buffer == 0:
            yield from share
            return
        epoch = int(self._epoch)
        manifest = self.dataset.manifest
        shards = generator(self._seed, epoch, 0, "stream.shards").permutation(manifest.shards)
        rng = generator(self._seed, epoch, self._place()[0] << 16 | worker, "stream.buffer")
        held: list[int] = []
        for position in _through(shards.tolist(), manifest, share):
            held.append(position)
            if len(held) > self._buffer:
                yield _pop(held, rng)
        while held:
            yield _pop(held, rng)

    def state_dict(self) -> dict:
        """Return where this process is in its pass: JSON-able, for `load_state_dict`."""
        rank, world = self._place()
        given = {str(w): n for w, n in self._given.items()}
        return {"epoch": int(self._epoch), "rank": rank, "world": world, "workers": _worker()[1], "given": given}

    def state_after(self, batches: int, batch_size: int, num_workers: int = 0) -> dict:
        """Return the state after a plain `DataLoader` has given this many batches in this epoch.

        Such a loader takes a batch from each of its workers in turn.
        """
        workers = max(1, num_workers)
        rank, world = self._place()
        own = self._share(rank, world)
        left = [len(self._share(w, workers, own)) for w in range(workers)]
        given = dict.fromkeys(map(str, range(workers)), 0)
        turn = 0
        for _ in range(batches):
            while not left[turn % workers] and any(left):
                turn += 1  # the loader passes over workers that are done
            size = min(batch_size, left[turn % workers])
            left[turn % workers] -= size
            given[str(turn % workers)] += size
            turn += 1
        return {"epoch": int(self._epoch), "rank": rank, "world": world, "workers": workers, "given": given}

    def load_state_dict(self, state: dict) -> None:
        """Begin the next pass where `state` was taken."""
        self.set_epoch(state["epoch"])
        self._resume = state


def _through(shards: list[int], manifest, share: range) -> Iterator[int]:
    """Yield positions `share` of the sequence that the shards form in the given order."""
    start = 0
    for shard in shards:
        count = manifest.shard_count(shard)
        first, last = max(share.start - start, 0), min(share.stop - start, count)
        for row in range(first, last):
            yield shard * manifest.shard_size + row
        start += count


def _pop(held: list[int], rng) -> int:
    """Remove and return a random element; the last one takes its place."""
    i = int(rng.random() * len(held))
    held[i], held[-1] = held[-1], held[i]
    return held.pop()


def _rank() -> tuple[int, int]:
    """Return rank and world size."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _worker() -> tuple[int, int]:
    """Return number and count of the loader's workers; the main process is the only one of its kind."""
    info = data.get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def _checked(fields: Sequence[str], known: dict) -> tuple[str, ...]:
    fields = (fields,) if isinstance(fields, str) else tuple(fields)
    known = [*known, SEMANTIC] if "instances" in known else known
    for name in fields:
        if name not in known or name == "image":
            others = ", ".join(n for n in known if n != "image")
            raise UsageError(f"fields must be among {others}, got {name!r}")
    return fields


def _item(image, label: int, others: list, transform):
    return (image if transform is None else transform(image), label, *others)
