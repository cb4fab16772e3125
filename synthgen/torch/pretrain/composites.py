"""Batches for the objective dense: each texture lies in several images of a batch.

The classes of a batch are drawn first, and dealt to its images like cards, so that each comes about equally often.
An image is one image of the data set, or several that are joined with irregular borders.
"""

import math
from collections.abc import Callable
from itertools import islice

import msgspec
import numpy as np
import torch
from torch.nn import functional
from torch.utils import data

from synthgen.errors import UsageError
from synthgen.seeding import generator
from synthgen.shards.order import Permutation
from synthgen.torch.pretrain.augment import augment_with_labels
from synthgen.torch.pretrain.options import Options
from synthgen.torch.pretrain.reading import Shares, Source, held_out, loader_options, rank_batch
from synthgen.torch.pretrain.regions import RegionImages

# How often a class comes in a batch where nobody says how many classes it has.
_USUAL_TIMES = 2.4
# Bumps along a side of the fields whose largest one says which image a pixel is taken from, LOW:HIGH.
_BUMPS = (4, 10)
# The most images that are joined into one, as a power of two.
_PART_BITS = 3


def share_out_composites(source: Source, options: Options, world: int) -> Shares:
    """Return how images are used: as for the objective classes, but an epoch may have any number of images.

    Raises
    ------
    UsageError
        If images or classes are too few for the options.
    """
    if source.read == "stream":
        raise UsageError("read must be map or live with objective dense, which draws its batches, got stream")

    count = len(source.dataset)
    batch = rank_batch(options, world)
    training, validation = held_out(count, options)
    wanted = options.epoch_images or len(training)
    steps = wanted // options.batch_size
    if not steps:
        what = "epoch_images" if options.epoch_images else "the training images"
        raise UsageError(f"batch_size must be <= {wanted}, {what}, got {options.batch_size}")

    classes_in_batch(source, options, batch)
    most = options.val_images or len(validation)
    seen = min(len(validation), most)
    batches = max(1, seen // options.batch_size)
    validated = batches * options.batch_size
    return Shares(training, validation, steps, batch, validated)


def classes_in_batch(source: Source, options: Options, batch: int) -> int:
    """Return how many classes the images of a batch come from.

    Raises
    ------
    UsageError
        If that are more than the data set has, or more than the images of a batch.
    """
    known = source.record.classes
    low, high = options.mix
    parts = batch * (low + high) / 2
    wanted = options.batch_classes
    if not wanted:
        usual = round(parts / _USUAL_TIMES)
        return min(known, max(1, usual))

    most = int(parts / 2)
    rule = f"batch_classes must be <= {known}, the classes of {source.path}"
    if most < known:
        rule = f"batch_classes must be <= {most}, so that each lies in two of the {parts:g} images of a batch"
    if wanted > min(known, most):
        raise UsageError(f"{rule}, got {wanted}")
    return wanted


class _Dealer:
    """Draws which images of the data set make up those of a batch.

    Parameters
    ----------
    source : Source
    positions : range
        Of the images that may be used.
    classes : int
        Classes in a batch.
    options : Options

    Attributes
    ----------
    positions : list of int
        Of the images that are used.
    """

    def __init__(self, source: Source, positions: range, classes: int, options: Options):
        record = source.record
        order = Permutation(record.count, record.seed)
        places = np.asarray(positions)
        ids = order.forward(places)
        labels = ids // record.per_class

        # the first images of a class are used, as many as are asked for
        indices = ids % record.per_class
        most = options.class_images or record.per_class
        is_used = indices < most
        places = places[is_used]
        labels = labels[is_used]

        self.positions = places.tolist()
        by_class = np.argsort(labels, kind="stable")
        in_order = labels[by_class]
        _, starts = np.unique(in_order, return_index=True)
        self._groups = np.split(places[by_class], starts[1:])
        self._classes = min(classes, len(self._groups))
        self._mix = options.mix

    def dealt(self, rng, batch: int) -> list[tuple[int, ...]]:
        """Return the positions of the images that each image of a batch is made of."""
        low, high = self._mix
        counts = rng.integers(low, high + 1, batch)
        total = int(counts.sum())

        groups = len(self._groups)
        chosen = rng.choice(groups, self._classes, replace=False)
        decks = math.ceil(total / len(chosen))
        shuffled = [rng.permutation(chosen) for _ in range(decks)]
        cards = np.concatenate(shuffled)[:total].tolist()

        queues: dict[int, list[int]] = {}
        positions = [self._next_of(queues, card, rng) for card in cards]

        dealt = []
        left = iter(positions)
        for count in counts:
            hand = islice(left, int(count))
            dealt.append(tuple(hand))
        return dealt

    def _next_of(self, queues: dict[int, list[int]], group: int, rng) -> int:
        """Return an image of a class; none comes again before all have come."""
        queue = queues.setdefault(group, [])
        if not queue:
            queue += rng.permutation(self._groups[group]).tolist()
        return queue.pop()


class CompositeImages(data.Dataset):
    """Images as they are trained on, by (number, positions): (uint8 (3, S, S), textures int32 (S, S)).

    The number and the epoch determine all random choices.
    """

    def __init__(self, images: RegionImages, options: Options, epoch: int, name: str):
        self.images = images
        self.options = options
        self.epoch = epoch
        self.name = name

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: tuple[int, tuple[int, ...]]):
        number, positions = item
        seed = self.options.seed
        parts = []
        for order, position in enumerate(positions):
            image, textures = self.images[position]
            place = number << _PART_BITS | order
            rng = generator(seed, self.epoch, place, self.name)
            own = generator(seed, self.epoch, place, f"{self.name}.blur") if self.options.blur else None
            part = augment_with_labels(image, textures, self.options, rng, own)
            parts.append(part)

        if len(parts) == 1:
            return parts[0]
        own = generator(seed, self.epoch, number, f"{self.name}.regions")
        return joined(parts, own)


def joined(parts: list[tuple[torch.Tensor, torch.Tensor]], rng) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one image made of regions of several, with irregular borders, and the textures of its pixels.

    Parameters
    ----------
    parts : list of (uint8 Tensor (3, H, W), int32 Tensor (H, W))
    rng : numpy.random.Generator
    """
    image, textures = parts[0]
    rows, columns = textures.shape
    taken = regions(len(parts), (rows, columns), rng)

    for number, (other, its_textures) in enumerate(parts[1:], start=1):
        is_here = taken == number
        image = torch.where(is_here, other, image)
        textures = torch.where(is_here, its_textures, textures)
    return image, textures


def regions(count: int, size: tuple[int, int], rng) -> torch.Tensor:
    """Return the number of a region at each pixel, int64 (H, W): where its smooth random field is the largest."""
    low, high = _BUMPS
    bumps = int(rng.integers(low, high + 1))
    noise = rng.standard_normal((count, bumps, bumps), dtype=np.float32)
    coarse = torch.from_numpy(noise)[None]
    fields = functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    return fields[0].argmax(0)


class Composites:
    """The batches of a training, and those of its validation.

    Parameters
    ----------
    source : Source
    options : Options
    shares : Shares
    ranks : TrainingGroup
    workers : int
    """

    def __init__(self, source: Source, options: Options, shares: Shares, ranks, workers: int):
        classes = classes_in_batch(source, options, shares.batch)
        self.options = options
        self.shares = shares
        self.ranks = ranks
        self.workers = workers
        self._images = RegionImages(source.dataset)
        self._training = _Dealer(source, shares.training, classes, options)
        self._validation = _Dealer(source, shares.validation, classes, options)
        self._is_live = source.read == "live"

    def prepare(self, say: Callable[[str], object]) -> None:
        """Draw the images of the training by the workers, where each will be used more than once."""
        if not self.workers or not self._is_live:
            return

        positions = self._training.positions
        low, high = self.options.mix
        images = self.options.epochs * self.shares.steps * self.shares.batch
        parts = images * (low + high) / 2
        if parts > len(positions):
            say(f"drawing {len(positions):,} images first, by {self.workers} workers")
            self._images.draw(positions, loader_options(self.workers, self.ranks))

    def training(self, epoch: int, first: int):
        """Return an iterable of the batches of an epoch from number `first` on: (images, textures)."""
        steps = range(first, self.shares.steps)
        return self._loader(self._training, self.options, epoch, steps, "pretrain.dense")

    def validation(self):
        """Return an iterable of this rank's batches of the validation, the same each time."""
        plain = msgspec.structs.replace(self.options, flip=False, jitter=0.0, blur=False)
        batches = self.shares.validated // self.options.batch_size
        steps = range(batches)
        return self._loader(self._validation, plain, 0, steps, "pretrain.dense.validation")

    def _loader(self, dealer: _Dealer, options: Options, epoch: int, steps: range, name: str):
        images = CompositeImages(self._images, options, epoch, name)
        batches = _Batches(self, dealer, epoch, steps, name)
        usual = loader_options(self.workers, self.ranks)
        return data.DataLoader(images, batch_sampler=batches, **usual)

    def items(self, dealer: _Dealer, epoch: int, step: int, name: str) -> list[tuple[int, tuple[int, ...]]]:
        """Return what a batch of this rank is made of: number and positions of each image."""
        before = step * self.ranks.world
        place = before + self.ranks.rank
        rng = generator(self.options.seed, epoch, place, f"{name}.deal")

        batch = self.shares.batch
        first = place * batch
        dealt = dealer.dealt(rng, batch)
        return list(enumerate(dealt, first))


class _Batches:
    """What the batches of some steps are made of."""

    def __init__(self, composites: Composites, dealer: _Dealer, epoch: int, steps: range, name: str):
        self._composites = composites
        self._dealer = dealer
        self._epoch = epoch
        self._steps = steps
        self._name = name

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self):
        for step in self._steps:
            yield self._composites.items(self._dealer, self._epoch, step, self._name)
