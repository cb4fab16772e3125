"""Images for training: from shards, as a stream, or drawn on the fly, from any batch of an epoch on."""

import signal
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch.utils import data

from synthgen.errors import UsageError
from synthgen.machine import available_cpus
from synthgen.run.estimate import effective_workers
from synthgen.seeding import generator
from synthgen.shards.files import is_remote
from synthgen.torch.data import LiveDataset, ShardDataset, StreamDataset
from synthgen.torch.data.rows import Row
from synthgen.torch.pretrain.augment import augment, validation_view
from synthgen.torch.pretrain.options import Options

READS = ("map", "stream", "live")
# Positions that the stream's shuffling holds. They take no memory, but reading jumps this far within a shard.
_BUFFER = 4096
# Seconds from SIGTERM to the end of a worker: the step that runs needs its images, and is saved.
_GRACE = 30


class Source(msgspec.Struct, frozen=True):
    """Where images come from.

    Attributes
    ----------
    path : str
        Folder of a data set, or a recipe.
    read : {'map', 'stream', 'live'}
    dataset : ShardDataset or LiveDataset
        Any image by its position.
    record : RunRecord
        What the data is: recipe, fingerprints, counts.
    """

    path: str
    read: str
    dataset: ShardDataset | LiveDataset
    record: Any

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        height, width = self.record.fields["image"].shape[:2]
        return height, width

    @property
    def draws_alone(self) -> bool:
        """Whether images are drawn by a device that processes cannot share."""
        if not isinstance(self.dataset, LiveDataset):
            return False
        return effective_workers(self.dataset.plan, 2) < 2


def is_stored(source) -> bool:
    """Return whether a source is the folder or the address of a data set, and no recipe."""
    return isinstance(source, str | Path) and (is_remote(source) or Path(source).is_dir())


def open_source(source, read: str | None = None, least: int = 2) -> Source:
    """Return the images of a finished data set, or of a recipe, of at least so many classes.

    Raises
    ------
    UsageError
        If there is no such recipe, or it is to be read as shards; if there are fewer classes.
    FormatError
        If the folder is not a finished data set.
    """
    is_folder = is_stored(source)
    usual = "map" if is_folder else "live"
    read = read or usual
    if read not in READS:
        known = ", ".join(READS)
        raise UsageError(f"read must be one of {known}, got {read!r}")
    if read != "live" and not is_folder:
        raise UsageError(f"read must be live for a recipe, got {read}; {source} is no folder of a data set")

    dataset: LiveDataset | ShardDataset
    if read == "live":
        dataset = LiveDataset(source)
        record = dataset.plan.run
    else:
        dataset = ShardDataset(source)
        record = dataset.dataset.manifest

    if record.classes < least:
        raise UsageError(f"{source}: must have at least {least} classes to tell apart, got {record.classes}")
    return Source(str(source), read, dataset, record)


class Shares(msgspec.Struct, frozen=True):
    """How many images are for what.

    Attributes
    ----------
    training, validation : range
        Positions.
    steps : int
        Whole batches in an epoch; the images that are left over differ from epoch to epoch.
    batch : int
        Images that one rank has in a step.
    validated : int
        Images that a validation sees, over all ranks.
    """

    training: range
    validation: range
    steps: int
    batch: int
    validated: int


def share_out(count: int, read: str, options: Options, world: int, workers: int) -> Shares:
    """Return how `count` images are used; the stored order mixes the classes, so the last ones may be held out.

    Raises
    ------
    UsageError
        If the images are too few for the options.
    """
    share = options.val_share
    if share and read == "stream":
        raise UsageError(f"val_share must be 0 with read stream, which gives every image, got {share}")

    batch = rank_batch(options, world)
    training, validation = held_out(count, options)
    fillers = max(1, workers) if read == "stream" else 1
    steps = _steps(len(training), batch, world, fillers)
    most = options.val_images or count
    validation = validation[:most]
    return Shares(training, validation, steps, batch, len(validation))


def rank_batch(options: Options, world: int) -> int:
    """Return how many images of a batch each rank has."""
    if options.batch_size % world:
        raise UsageError(f"batch_size must be a multiple of the {world} ranks, got {options.batch_size}")
    batch = options.batch_size // world
    least = 2 * options.accumulate
    if batch < least:
        raise UsageError(f"batch_size must be >= {least} on each of the {world} ranks, got {batch}")
    return batch


def held_out(count: int, options: Options) -> tuple[range, range]:
    """Return the positions of training and of validation images.

    Raises
    ------
    UsageError
        If no image is held out, though a share is asked for.
    """
    held = round(count * options.val_share)
    kept = count - held
    training = range(kept)
    if not options.val_share:
        return training, training
    if not held:
        raise UsageError(f"val_share must hold out at least one of {count} images, got {options.val_share}")
    return training, range(kept, count)


def _steps(images: int, batch: int, world: int, workers: int) -> int:
    """Return how many whole batches each rank takes; each of its workers fills its own."""
    readers = world * workers
    least = images // readers
    if least < batch:
        whose = "the training images"
        if readers > 1:
            whose = f"the training images of each of {readers} readers"
        most = least * world
        wanted = batch * world
        raise UsageError(f"batch_size must be <= {most}, {whose}, got {wanted}")

    batches = least // batch
    return batches * workers


class TrainingImages(data.Dataset):
    """Images as they are trained on in one epoch: (uint8 (3, S, S), label)."""

    def __init__(self, images, options: Options, epoch: int):
        self.images = images
        self.options = options
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int):
        image, label = self.images[position]
        image = augment(image, self.options, self.epoch, position)
        return image, label


class ValidationImages(data.Dataset):
    """Images as they are validated on: (uint8 (3, height, width), label)."""

    def __init__(self, images, options: Options, size: tuple[int, int]):
        self.images = images
        self.options = options
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int):
        image, label = self.images[position]
        image = validation_view(image, self.options, self.size)
        return image, label


class TrainingStream(StreamDataset):
    """A stream of images as they are trained on, augmented by their positions like `TrainingImages`."""

    def __init__(self, path, options: Options):
        super().__init__(path, shuffle_buffer=_BUFFER, seed=options.seed)
        self.options = options

    def _read(self, positions: list[int], epoch: int) -> Iterator[Row]:
        for position, item in zip(positions, super()._read(positions, epoch), strict=True):
            image, label = item
            image = augment(image, self.options, epoch, position)
            yield item.replaced((image, label))


def training_batches(source: Source, options: Options, shares: Shares, ranks, workers: int, epoch: int, first: int):
    """Yield the batches of an epoch from number `first` on: (uint8 (N, 3, S, S), labels (N,))."""
    if source.read == "stream":
        yield from _streamed(source, options, shares, workers, epoch, first)
        return

    rng = generator(options.seed, epoch, 0, "pretrain.order")
    count = len(shares.training)
    order = rng.permutation(count)
    mine = order[ranks.rank :: ranks.world]

    size = (shares.steps, shares.batch)
    used = mine[: shares.steps * shares.batch]
    batches = used.reshape(size)
    left = batches[first:].tolist()

    images = TrainingImages(source.dataset, options, epoch)
    usual = loader_options(workers, ranks)
    yield from data.DataLoader(images, batch_sampler=left, **usual)


def _streamed(source: Source, options: Options, shares: Shares, workers: int, epoch: int, first: int):
    stream = TrainingStream(source.path, options)
    stream.set_epoch(epoch)
    state = stream.state_after(first, shares.batch, workers)
    stream.load_state_dict(state)

    left = shares.steps - first
    size = shares.batch
    loader = data.DataLoader(stream, size, num_workers=workers, worker_init_fn=_leave_signals)
    yield from islice(loader, left)


def validation_batches(source: Source, options: Options, shares: Shares, ranks, workers: int, size):
    """Return an iterable of this rank's share of the validation images."""
    images = ValidationImages(source.dataset, options, size)
    mine = shares.validation[ranks.rank :: ranks.world]
    usual = loader_options(workers, ranks)
    return data.DataLoader(images, shares.batch, sampler=list(mine), **usual)


class ImageBatches:
    """The batches of a training that tells classes apart, and those of its validation.

    Parameters
    ----------
    source : Source
    options : Options
    shares : Shares
    ranks : TrainingGroup
    workers : int
    size : (int, int)
        Of the images that the network sees.
    """

    def __init__(self, source: Source, options: Options, shares: Shares, ranks, workers: int, size):
        self.source = source
        self.options = options
        self.shares = shares
        self.ranks = ranks
        self.workers = workers
        self.size = size

    def prepare(self, say: Callable[[str], object]) -> None:
        """Do nothing: images are read, or drawn, when their batch comes."""

    def training(self, epoch: int, first: int):
        """Return an iterable of the batches of an epoch from number `first` on: (images, labels)."""
        return training_batches(self.source, self.options, self.shares, self.ranks, self.workers, epoch, first)

    def validation(self):
        """Return an iterable of this rank's batches of the validation."""
        return validation_batches(self.source, self.options, self.shares, self.ranks, self.workers, self.size)


def choose_workers(source: Source, workers: int | None, on_gpu: bool) -> int:
    """Return how many processes read: by default one for each CPU beside a GPU, none where the CPU trains."""
    if workers is not None and not 0 <= workers <= 4096:
        raise UsageError(f"workers must lie in 0..4096, got {workers}")
    if source.draws_alone:
        return 0
    if workers is None:
        return available_cpus() if on_gpu else 0
    return workers


def loader_options(workers: int, ranks) -> dict:
    """Return the arguments that all loaders share."""
    return {
        "num_workers": workers,
        "worker_init_fn": _leave_signals,
        "pin_memory": ranks.device.type == "cuda",
    }


def _leave_signals(worker: int) -> None:
    """Leave signals to the process that trains, which ends its workers when it has saved.

    Batch systems send SIGTERM to all processes of a job at once, and a terminal Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_soon if hasattr(signal, "alarm") else signal.SIG_DFL)
    torch.set_num_threads(1)


def _end_soon(number, frame) -> None:
    """End this process in a while, by SIGALRM, unless the process that trains ends it before."""
    signal.alarm(_GRACE)
