"""Sequential PatchCore: a bank of fixed size, built image by image (Mao et al. 2025, section IV)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from synthgen.errors import UsageError
from synthgen.torch.models.augment import Augmentation
from synthgen.torch.models.bank import BankModel, BankOptions
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import batches, begun, image_progress, size_of
from synthgen.torch.models.memory import refuse_too_many
from synthgen.torch.models.options import FEATURE_OPTIONS, Meta, with_preset

if TYPE_CHECKING:
    import torch

    from synthgen.torch.coreset.streaming import SequentialCoreset

HELP = """
Fit Sequential PatchCore: a bank of fixed size that takes the patches of one image after the other. It can go on
with new images (--update), and models can be joined (--meld).

\b
synthgen fit sequential-patchcore --normal mvtec/bottle --backbone out/best.safetensors --out bottle.safetensors
synthgen fit sequential-patchcore --normal plates --preset mao2025 --size 512 --out plates.safetensors
synthgen fit sequential-patchcore --update a.safetensors --normal new --out b.safetensors
synthgen fit sequential-patchcore --meld a.safetensors --meld b.safetensors --points 4096 --out ab.safetensors
"""


class Options(BankOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of Sequential PatchCore; see the annotations."""

    neighbours: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Points of the bank that weigh the score of an image; 1 for no weights."),
    ] = 1
    points: Annotated[int, Meta(ge=1, le=10**9, description="Size of the bank; it is always filled.")] = 2048
    epochs: Annotated[int, Meta(ge=1, le=10**6, description="Passes through the images at most.")] = 5
    augment: Annotated[
        bool | Augmentation, Meta(description="Vary the images in each pass, as Mao et al. 2025 do.")
    ] = False


# The settings of a paper: Mao et al. 2025, section V-B, with the data augmentation of that section.
PRESETS: dict[str, dict] = {
    "mao2025": {
        "backbone": "mobilenetv3_large_100",
        "layers": (3, 4),
        "points": 2048,
        "neighbours": 1,
        "pool": 2,
        "sigma": 2.0,
        "interpolation": "nearest",
        "epochs": 5,
        "augment": True,
    },
}


# Within the class the name `Options` means its attribute.
_Options = Options


class SequentialPatchCore(BankModel):
    """Keep a coreset of fixed size that takes the patches of one image after the other.

    Only the bank, its matrix of distances, and the features of one batch are held: memory does not grow with
    the images.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    points : int
        Size of the bank; it is filled, so there must be as many patches.
    epochs : int
        At most so many passes through the images; they end after one that changed nothing.
    augment : Augmentation or bool
        Vary the images, anew in each epoch; True for the paper's way of doing so.
    neighbours, block
        As for `PatchCore`.
    **options
        As for `AnomalyModel`.

    Attributes
    ----------
    changes : list of int
        Patches that entered the coreset in each epoch.

    Notes
    -----
    The order of the images matters. Each image goes through the same steps as if its patches came one by one, see
    `SequentialCoreset`. The defaults here are those of `PatchCore`; `from_preset` has the paper's settings.
    """

    kind = "sequential-patchcore"
    Options = Options
    settings: _Options

    def __init__(self, backbone, **options):
        super().__init__(backbone, **options)
        augment = self.settings.augment
        if augment is True:
            augment = Augmentation()
        self.augment: Augmentation | None = augment or None
        self.changes: list[int] = []

    @classmethod
    def from_preset(cls, preset: str = "mao2025", backbone=None, **changes) -> SequentialPatchCore:
        """Return a new model with the settings of a paper.

        Parameters
        ----------
        preset : {'mao2025'}
            Mao et al. 2025, section V-B: MobileNetV3-large, layers 3 and 4, 2,048 points, local averages of 2 x 2
            places, maps enlarged by the nearest place and smoothed by 2 pixels, 1 neighbour, 5 epochs, and images
            that are varied.
        backbone : str or Path, optional
            Instead of the preset's, which has timm's published weights.
        **changes
            Options that replace those of the preset.

        Raises
        ------
        UsageError
            If there is no such preset, or as `SequentialPatchCore` does.
        """
        given = dict(changes)
        if backbone is not None:
            given["backbone"] = backbone
        return cls(**with_preset(PRESETS, preset, given))

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the bank, in bytes, for any number of images."""
        channels, _, _ = self.features.shape(size)
        numbers = self.settings.points * channels
        return FLOAT_BYTES * numbers

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes, for any number of images."""
        shape = self.features.shape(size)
        return self._needed(self.settings.points, shape)

    def _needed(self, points: int, shape) -> int:
        channels, height, width = shape
        patches = height * width

        # the matrix of distances is there twice while it is made
        numbers = 2 * points + 2 * channels + 3
        bank = points * numbers
        features = 3 * patches * channels

        row = FLOAT_BYTES * points
        block = max(self.settings.block, row)
        table = min(block, row * patches)
        held = FLOAT_BYTES * (bank + features)
        return held + table

    def fit(self, loader, progress="auto", log: Callable[[str], object] | None = None) -> SequentialPatchCore:
        """Learn normal images, from an empty coreset; see `AnomalyModel.fit`."""
        return self._learn(loader, None, progress, log)

    def update(self, loader, progress="auto", log: Callable[[str], object] | None = None) -> SequentialPatchCore:
        """Go on learning with other images, from the coreset that is there (the paper's fine-tuning).

        Parameters and errors are those of `fit`; the images must have the size of the earlier ones.
        """
        from synthgen.torch.coreset.streaming import SequentialCoreset

        size = self._need_fit()
        self._check_memory(size, log)
        coreset = SequentialCoreset.of(self.bank, self.settings.block)
        return self._learn(loader, coreset, progress, log)

    def _learn(self, loader, coreset: SequentialCoreset | None, progress, log) -> SequentialPatchCore:
        epochs = self.settings.epochs
        if epochs > 1 and iter(loader) is loader:
            raise UsageError(f"images must be there for {epochs} epochs, got an iterator, which gives them once")

        given, first = begun(batches(loader, self.image_size if coreset else None))
        size = size_of(first)
        coreset = coreset or self.empty_coreset(size, log)

        changes: list[int] = []
        with image_progress(progress, loader, epochs) as bar:
            for epoch in range(epochs):
                entered = self._take_all(given, coreset, epoch, bar)
                self._check_full(coreset)
                changes.append(entered)
                if not entered:
                    break
                given = batches(loader, size)

        self.bank = coreset.points
        self.image_size = size
        self.changes = changes
        return self

    def _take_all(self, given, coreset: SequentialCoreset, epoch: int, bar) -> int:
        """Give the patches of all images to the coreset, batch by batch; return how many enter."""
        entered = 0
        seen = 0
        for images in given:
            entered += self._take(images, coreset, epoch, seen)
            count = len(images)
            seen += count
            bar.advance(count)
        return entered

    def _take(self, images, coreset: SequentialCoreset, epoch: int, first: int) -> int:
        """Give the patches of a batch to the coreset; return how many enter. `first` numbers its images."""
        from synthgen.torch.features import as_vectors

        if self.augment:
            images = self.augment(images, self.settings.seed, epoch, first)
        features = self.features(images)
        return coreset.take(as_vectors(features))

    def _check_full(self, coreset: SequentialCoreset) -> None:
        if coreset.full:
            return
        there = coreset.used
        wanted = self.settings.points
        raise UsageError(f"points must be at most the {there:,} patches of the images, got {wanted:,}")

    def empty_coreset(self, size: tuple[int, int], log) -> SequentialCoreset:
        """Return an empty coreset for images of a size, if the memory is enough."""
        from synthgen.torch.coreset.streaming import SequentialCoreset

        settings = self.settings
        channels, _, _ = self._check_memory(size, log)
        return SequentialCoreset(settings.points, channels, self.device, settings.block)

    def _check_memory(self, size: tuple[int, int], log) -> tuple[int, int, int]:
        """Return the shape of the features, if the memory is enough."""
        shape = self.features.shape(size)
        points = self.settings.points

        def needed(count: int) -> int:
            return self._needed(count, shape)

        what = f"a bank of {points:,} points and its matrix of distances"
        refuse_too_many(what, points, needed, self._limit(), "{:,} points would fit")
        self._report(log, 1, size)
        return shape


def meld(
    models: Sequence[SequentialPatchCore], size: int | None = None, epochs: int | None = None
) -> SequentialPatchCore:
    """Return one model made of several, by the algorithm that makes their coresets (Mao et al. 2025, section IV).

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
    import torch

    image_size = _check_alike(models)
    first = models[0]
    banks = [model.bank.to(first.device) for model in models]
    rows = torch.cat(banks)

    most = len(rows)
    points = first.settings.points if size is None else size
    if not 1 <= points <= most:
        raise UsageError(f"points must be 1 to {most:,}, which the models have together, got {points:,}")

    options = {**first.options(), "points": points}
    net = _net_of(first)
    melded = SequentialPatchCore(net, memory=first.memory, device=first.device, **options)
    coreset = melded.empty_coreset(image_size, None)
    for _ in range(epochs or first.settings.epochs):
        entered = coreset.take(rows)
        melded.changes.append(entered)
        if not entered:
            break

    melded.bank = coreset.points
    melded.image_size = image_size
    return melded


def _check_alike(models: Sequence[SequentialPatchCore]) -> tuple[int, int]:
    """Refuse models that have not all the same features; return the image size of the first."""
    if not models:
        raise UsageError("models must be at least one, got none")

    kind = SequentialPatchCore.kind
    first = _features_of(models[0])
    for number, model in enumerate(models):
        if model.kind != kind or _features_of(model) != first:
            raise UsageError(f"models must be {kind} of equal backbones and features, number {number} is not")
        model._need_fit()
    return models[0]._need_fit()


def _features_of(model) -> tuple:
    """Return what the features of a model depend on."""
    from synthgen.torch.backbones import fingerprint

    options = [getattr(model.settings, name) for name in FEATURE_OPTIONS]
    digest = fingerprint(_net_of(model))
    return *options, digest


def _net_of(model) -> torch.nn.Module:
    """Return the backbone of a model."""
    from synthgen.torch.features import FeatureExtractor

    if not isinstance(model.features, FeatureExtractor):
        name = type(model.features).__name__
        raise UsageError(f"models must have a backbone to be melded, got features of {name}")
    return model.features.net


MODEL = SequentialPatchCore
