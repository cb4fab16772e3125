"""SimpleNet: a network that tells normal features from noisy ones judges patches (Liu et al. 2023)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Literal

from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel
from synthgen.torch.models.batches import batches, begun, image_progress, images_in, size_of
from synthgen.torch.models.memory import refuse_too_many
from synthgen.torch.models.options import Meta, ModelOptions

if TYPE_CHECKING:
    import torch

    from synthgen.torch.models.discriminator import Discriminator, Training
    from synthgen.torch.models.kept import KeptRows

HELP = """
Fit SimpleNet: a small network learns to tell features of normal images from the same features with noise. Each
patch is scored by what the network says of it.

\b
synthgen fit simplenet --normal photos/good --backbone resnet18 --out part.safetensors
synthgen fit simplenet --normal mvtec/bottle --backbone wide_resnet50_2 --noise 0.3 --out bottle.safetensors
"""
KEPT_SHARE = 4  # a table of features larger than this part of the memory lies on disk


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of SimpleNet; see the annotations."""

    noise: Annotated[
        float, Meta(gt=0, le=1e6, description="Standard deviation of the noise that makes features anomalous.")
    ] = 0.5
    noise_unit: Annotated[
        Literal["deviations", "absolute"],
        Meta(description="What the noise counts in: deviations of each channel of the features, or 1."),
    ] = "deviations"
    hidden: Annotated[
        int, Meta(ge=1, le=65_536, description="Width of the network, at most twice the channels of the features.")
    ] = 1024
    margin: Annotated[
        float, Meta(gt=0, le=1e6, description="How far apart normal and noisy features are to be judged.")
    ] = 0.5
    steps: Annotated[int, Meta(ge=1, le=10**8, description="Steps of the training.")] = 2000
    rows: Annotated[int, Meta(ge=2, le=10**7, description="Patches in a step, from all images.")] = 4096
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate of the network.")] = 2e-4
    adapter_rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate of the layer before it.")] = 1e-4


# Within the class the name `Options` means its attribute.
_Options = Options


class SimpleNet(AnomalyModel):
    """Train a discriminator on normal features and noisy ones, and score patches by what it says of them.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    noise, noise_unit
        Of the noise that is added behind the adapter.
    hidden : int
        Width of the discriminator.
    margin : float
        Of its loss.
    steps, rows, rate, adapter_rate
        Of the training.
    **options
        As for `AnomalyModel`.

    Warns
    -----
    UserWarning
        If the loss on patches that were held out stays near that of a network which knows nothing.

    Notes
    -----
    The features of all images are computed once and kept in half precision: in memory, or in a temporary file where
    they take more than a quarter of it.

    The published noise is 0.015 in the unit of the features, which suits those of its WideResNet. On features of
    another size nothing is learned from it. So the noise counts in deviations here, unless
    ``noise_unit="absolute"``. Steps are counted in place of epochs. The published code keeps the epoch that is best
    on the test set; here the last step counts. The published code also averages channels to 1,536.
    """

    kind = "simplenet"
    resumes = True
    Options = Options
    state = ("weights",)
    whole_in_ensembles = True
    settings: _Options

    @property
    def weights(self) -> torch.Tensor:
        """All numbers of adapter and discriminator, one after the other, (W,)."""
        return self.network.numbers()

    @weights.setter
    def weights(self, vector: torch.Tensor) -> None:
        channels = self.features.shape(self._need_fit())[0]
        self.network = self._new_network(channels)
        self.network.take_numbers(vector)
        self.network.eval().requires_grad_(False)

    def _new_network(self, channels: int) -> Discriminator:
        from synthgen.torch.models.discriminator import Discriminator

        network = Discriminator(channels, self._width(channels))
        return network.to(self.device)

    def _width(self, channels: int) -> int:
        return min(self.settings.hidden, 2 * channels)

    def state_forms(self, shape):
        """Return the form of the weights; see `AnomalyModel.state_forms`."""
        import torch

        return {"weights": ((self._numbers(shape[0]),), torch.float32)}

    def _numbers(self, channels: int) -> int:
        from synthgen.torch.models.discriminator import numbers_in

        return numbers_in(channels, self._width(channels))

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the networks, in bytes, for any number of images."""
        channels = self.features.shape(size)[0]
        return FLOAT_BYTES * self._numbers(channels)

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""
        return self._needed(images, self.features.shape(size), self.settings.rows)

    def _needed(self, images: int, shape, rows: int) -> int:
        """Return the memory that fitting takes with so many rows in a step."""
        from synthgen.torch.models.kept import bytes_of

        channels, height, width = shape
        patches = images * height * width
        kept = min(bytes_of(patches, channels), self._kept_limit())

        # Adam keeps two more numbers of each weight, beside its gradient
        weights = 4 * self._numbers(channels)
        # rows, what the adapter gives, noise, both with their gradients, and three layers of the network
        in_a_step = min(rows, patches) * (8 * channels + 6 * self._width(channels))
        return int(kept) + FLOAT_BYTES * (weights + in_a_step)

    def _kept_limit(self) -> float:
        return self._limit() / KEPT_SHARE

    def fit(self, loader, progress="auto", log=None) -> SimpleNet:
        """Learn normal images; see `AnomalyModel.fit`."""
        given, first = begun(batches(loader))
        size = size_of(first)
        expected = images_in(loader) or 0
        shape = self.features.shape(size)
        self._check(max(expected, len(first)), shape)
        self._report(log, max(expected, len(first)), size)

        table = self._collected(loader, given, shape, expected, progress)
        network = self._new_network(shape[0]).draw(self.settings.seed)
        self.network = network.to(self.device)
        self._train(table, progress)
        self.image_size = size
        return self

    def _check(self, images: int, shape) -> None:
        """Refuse a training that does not fit into the memory."""
        rows = self.settings.rows

        def needed(count: int) -> int:
            return self._needed(images, shape, count)

        what = f"the features of {images} images and steps of {rows:,} rows"
        refuse_too_many(what, rows, needed, self._limit(), "steps of {:,} rows would fit")

    def _collected(self, loader, given, shape, expected: int, progress) -> KeptRows:
        """Return the patches of all images, (N * h * w, D), image by image."""
        from synthgen.torch.features import as_vectors
        from synthgen.torch.models.kept import KeptRows

        channels, height, width = shape
        table = KeptRows(expected * height * width, channels, self.device, self._kept_limit())
        with image_progress(progress, loader) as bar:
            for images in given:
                table.append(as_vectors(self.features(images)))
                bar.advance(len(images))
        return table

    def _train(self, table: KeptRows, progress) -> None:
        from synthgen.torch.models.discriminator import has_learned, train

        loss, self.history = train(self.network, table, self._training(), self.kept_in, progress)
        margin = self.settings.margin
        if not has_learned(loss, margin):
            chance = 2 * margin
            warnings.warn(
                f"the discriminator tells nothing apart (loss {loss:.2f}, chance {chance:.2f}); raise noise, now "
                f"{self.settings.noise:g}, or steps",
                stacklevel=3,
            )

    def _training(self) -> Training:
        from synthgen.torch.models.discriminator import Training

        settings = self.settings
        return Training(
            steps=settings.steps,
            rows=settings.rows,
            noise=settings.noise,
            relative=settings.noise_unit == "deviations",
            margin=settings.margin,
            rate=settings.rate,
            adapter_rate=settings.adapter_rate,
            seed=settings.seed,
        )

    def feature_maps(self, images):
        """Return what the adapter makes of the features (Saghir 2024, section 4.1); see `AnomalyModel`."""
        from synthgen.torch.features import as_vectors

        features = self.features(images)
        count, channels, height, width = features.shape
        adapted = self.network.adapter(as_vectors(features))
        return adapted.view(count, height, width, channels).permute(0, 3, 1, 2)

    def _scores(self, features):
        from synthgen.torch.features import as_vectors

        count, _, height, width = features.shape
        found = self.network(as_vectors(features))
        scores = found.view(count, height, width)
        return scores.amax((1, 2)), scores


MODEL = SimpleNet
