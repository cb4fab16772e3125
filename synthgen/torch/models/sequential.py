"""Sequential PatchCore: a bank of fixed size, built image by image (paper 002 section IV)."""

import dataclasses
from collections.abc import Callable, Sequence

import torch

from synthgen.errors import UsageError
from synthgen.torch.coreset.greedy import BLOCK_BYTES
from synthgen.torch.coreset.streaming import SequentialCoreset
from synthgen.torch.features import as_vectors
from synthgen.torch.models.augment import Augmentation
from synthgen.torch.models.base import FLOAT_BYTES, image_progress
from synthgen.torch.models.batches import batches
from synthgen.torch.models.memory import largest_fitting, refuse_if_larger
from synthgen.torch.models.patchcore import BankModel


class SequentialPatchCore(BankModel):
    """Keep a coreset of fixed size that takes the patches of one image after the other.

    Only the bank, its matrix of distances, and the features of one batch are held: memory does not grow with
    the images.

    Parameters
    ----------
    backbone, layers, pool, sigma, seed, memory, device, border, pool_padding
        As for `AnomalyModel`. The paper pools over 2 x 2 and smooths by 2 pixels, and uses layers 3 and 4 of a
        MobileNetV3.
    points : int
        Size of the bank; it is filled, so there must be as many patches.
    epochs : int
        At most so many passes through the images; they end after one that changed nothing.
    augment : Augmentation or bool
        Vary the images, anew in each epoch; True for the paper's way of doing so.
    neighbours, block
        As for `PatchCore`.

    Notes
    -----
    The order of the images matters. Each image goes through the same steps as if its patches came one by one, see
    `SequentialCoreset`.
    """

    kind = "sequential-patchcore"

    def __init__(
        self,
        backbone,
        layers: Sequence[int] = (2, 3),
        points: int = 2048,
        epochs: int = 5,
        augment: Augmentation | bool = False,
        neighbours: int = 1,
        pool: int = 3,
        sigma: float = 4.0,
        seed: int = 0,
        memory: int | None = None,
        block: int = BLOCK_BYTES,
        device=None,
        border: int = 0,
        pool_padding: str = "zeros",
    ):
        super().__init__(
            backbone, layers, pool, sigma, seed, memory, device, border, pool_padding, neighbours, block
        )
        if points < 1:
            raise UsageError(f"points: must be >= 1, got {points}")
        if epochs < 1:
            raise UsageError(f"epochs: must be >= 1, got {epochs}")
        self.points, self.epochs = points, epochs
        self.augment = Augmentation() if augment is True else augment or None
        self.changes: list[int] = []

    def options(self) -> dict:
        """Return the arguments of the constructor, without backbone, memory and device: JSON-able."""
        augment = dataclasses.asdict(self.augment) if self.augment else False
        return {**super().options(), "points": self.points, "epochs": self.epochs, "augment": augment}

    @classmethod
    def from_options(cls, backbone, options: dict, memory: int | None = None, device=None) -> "SequentialPatchCore":
        """Return a model whose `options` are these."""
        augment = Augmentation(**options["augment"]) if options["augment"] else False
        return super().from_options(backbone, {**options, "augment": augment}, memory, device)

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the bank, in bytes, for any number of images."""
        return FLOAT_BYTES * self.points * self.features.shape(size)[0]

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes, for any number of images."""
        return self._needed(self.points, self.features.shape(size))

    def _needed(self, points: int, shape) -> int:
        channels, height, width = shape
        patches = height * width
        # the matrix of distances is there twice while it is made even
        table = min(max(self.block, FLOAT_BYTES * points), FLOAT_BYTES * points * patches)
        return FLOAT_BYTES * (points * (2 * points + 2 * channels + 3) + 3 * patches * channels) + table

    def fit(self, loader, progress="auto", log: Callable[[str], object] | None = None) -> "SequentialPatchCore":
        """Learn normal images, from an empty coreset; see `AnomalyModel.fit`.

        ``model.changes`` has the number of patches that entered the coreset in each epoch.
        """
        return self._learn(loader, None, progress, log)

    def update(self, loader, progress="auto", log: Callable[[str], object] | None = None) -> "SequentialPatchCore":
        """Go on learning with other images, from the coreset that is there (the paper's fine-tuning).

        Parameters and errors are those of `fit`; the images must have the size of the earlier ones.
        """
        self._need_fit()
        self._refuse_or_tell(self.image_size, log)
        return self._learn(loader, SequentialCoreset.of(self.bank, self.block), progress, log)

    def _learn(self, loader, coreset: SequentialCoreset | None, progress, log) -> "SequentialPatchCore":
        if self.epochs > 1 and iter(loader) is loader:
            raise UsageError(
                f"images: must be there for {self.epochs} epochs, got an iterator, which gives them once"
            )
        size = self.image_size if coreset else None
        changes: list[int] = []
        with image_progress(progress, loader, self.epochs) as bar:
            for epoch in range(self.epochs):
                entered = seen = 0
                for images in batches(loader, size):
                    size = tuple(images.shape[-2:])
                    coreset = coreset or self._empty(size, log)
                    if self.augment:
                        images = self.augment(images, self.seed, epoch, seen)
                    seen += len(images)
                    entered += coreset.take(as_vectors(self.features(images)))
                    bar.advance(len(images))
                if not coreset.full:
                    raise UsageError(
                        f"points: must be at most the {coreset.used:,} patches of the images, got {self.points:,}"
                    )
                changes.append(entered)
                if not entered:
                    break
        self.bank, self.image_size, self.changes = coreset.points, size, changes
        return self

    def _empty(self, size: tuple[int, int], log) -> SequentialCoreset:
        shape = self._refuse_or_tell(size, log)
        return SequentialCoreset(self.points, shape[0], self.device, self.block)

    def _refuse_or_tell(self, size: tuple[int, int], log) -> tuple[int, int, int]:
        """Return the shape of the features, if the memory is enough."""
        shape, limit = self.features.shape(size), self._limit()
        fitting = largest_fitting(lambda n: self._needed(n, shape), self.points, limit)
        refuse_if_larger(
            f"a bank of {self.points:,} points and its matrix of distances",
            self._needed(self.points, shape),
            limit,
            f"{fitting:,} points would fit",
        )
        self._tell(log, 1, size)
        return shape


def meld(
    models: Sequence[SequentialPatchCore], size: int | None = None, epochs: int | None = None
) -> SequentialPatchCore:
    """Join the coresets of several models into one, by the algorithm that makes them (paper 002 section IV).

    Parameters
    ----------
    models : sequence of SequentialPatchCore
        Fitted, with equal backbones, layers and pooling. Their points are taken in this order.
    size : int, optional
        Points of the new coreset, at most those of all models together; by default those of the first.
    epochs : int, optional
        At most so many passes through the points; by default those of the first model.

    Returns
    -------
    SequentialPatchCore
        A new model with the options of the first; the others stay as they are.

    Raises
    ------
    UsageError
        If there is no model, one is not fitted or of another kind, `size` is out of range, or the new matrix of
        distances is more than the memory of the first.
    """
    from synthgen.torch.models.store import fingerprint

    if not models:
        raise UsageError("meld: must be given at least one model, got none")
    first = models[0]
    marks = [(m.kind, m.features.layers, m.features.pool, fingerprint(m.features.net)) for m in models]
    for number, (model, mark) in enumerate(zip(models, marks, strict=True)):
        if model.kind != SequentialPatchCore.kind or mark != marks[0]:
            raise UsageError(
                f"meld: models must be {SequentialPatchCore.kind} of one backbone, number {number} is not"
            )
        model._need_fit()
    points = torch.cat([m.bank.to(first.device) for m in models])
    options = {**first.options(), "points": first.points if size is None else size}
    if not 1 <= options["points"] <= len(points):
        raise UsageError(f"meld: size must be 1 to {len(points):,} points, got {options['points']:,}")
    melded = SequentialPatchCore.from_options(first.features.net, options, first.memory, first.device)
    coreset = melded._empty(first.image_size, None)
    for _ in range(epochs or first.epochs):
        melded.changes.append(coreset.take(points))
        if not melded.changes[-1]:
            break
    melded.bank, melded.image_size = coreset.points, first.image_size
    return melded
