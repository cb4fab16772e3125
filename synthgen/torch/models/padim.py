"""PaDiM: a Gaussian of normal features at each place of the image (Defard et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel
from synthgen.torch.models.batches import batches, begun, image_progress, size_of
from synthgen.torch.models.memory import refuse_too_many
from synthgen.torch.models.options import Layers, Meta, ModelOptions

if TYPE_CHECKING:
    import torch

HELP = """
Fit PaDiM: mean and covariance of the features at each place of the image. The parts on the images must be aligned.

\b
synthgen fit padim --normal photos/good --backbone resnet18 --out part.safetensors
synthgen fit padim --normal mvtec/transistor --backbone wide_resnet50_2 --channels 550 --out t.safetensors
"""


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of PaDiM; see the annotations."""

    layers: Layers = (1, 2, 3)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of features, in places; 1 for none.")
    ] = 1
    alignment: Annotated[
        Literal["bilinear", "nearest"], Meta(description="How smaller layers are enlarged to the largest.")
    ] = "nearest"
    channels: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Channels of the features to keep, drawn at random.")
    ] = 100
    regularisation: Annotated[
        float, Meta(gt=0, le=1e9, description="Added to each variance, so that covariances can be inverted.")
    ] = 0.01


# Within the class the name `Options` means its attribute.
_Options = Options


class PaDiM(AnomalyModel):
    """Keep mean and covariance of the features at each place, and score by the Mahalanobis distance.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    channels : int
        So many channels of the features, drawn at random, are used (all, where there are fewer).
    regularisation : float
        Added to the diagonal of each covariance.
    **options
        As for `AnomalyModel`; the paper has no pooling, and normal images must be aligned.

    Notes
    -----
    Mean and covariance are updated batch by batch: memory does not grow with the images. It grows with the
    number of places and the square of `channels`.

    The score of an image is the largest value of its smoothed map. Features of deeper layers are repeated over the
    places of the largest, as in the usual code and anomalib; anomalib adds 1e-5 more to the variances.
    """

    kind = "padim"
    of_places = True
    exportable = True
    Options = Options
    state = ("subset", "mean", "whitening")
    differentiable = True
    settings: _Options
    subset: torch.Tensor
    mean: torch.Tensor
    whitening: torch.Tensor

    def state_forms(self, shape):
        """Return the forms of means, covariances and the chosen channels; see `AnomalyModel.state_forms`."""
        import torch

        used, places = self._used(shape)
        return {
            "subset": ((used,), torch.int64),
            "mean": ((places, used), torch.float32),
            "whitening": ((places, used, used), torch.float32),
        }

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of means and covariances, in bytes, for any number of images."""
        shape = self.features.shape(size)
        used, places = self._used(shape)
        return _learned_bytes(used, places)

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes, for any number of images."""
        shape = self.features.shape(size)
        used, _ = self._used(shape)
        return _needed_bytes(used, shape)

    def _used(self, shape) -> tuple[int, int]:
        """Return the number of channels and of places."""
        channels, height, width = shape
        used = min(self.settings.channels, channels)
        return used, height * width

    def fit(self, loader, progress="auto", log=None) -> PaDiM:
        """Learn normal images; see `AnomalyModel.fit`."""
        from synthgen.torch.models.gaussians import by_place, whitened

        given, first = begun(batches(loader))
        size = size_of(first)
        moments, subset = self._empty(size, log)

        with image_progress(progress, loader) as bar:
            for images in given:
                features = self.features(images)
                moments.add(by_place(features, subset))
                bar.advance(len(images))

        degrees = max(1, moments.count - 1)
        self.whitening = whitened(moments.scatter, degrees, self.settings.regularisation)
        self.mean = moments.mean
        self.subset = subset
        self.image_size = size
        return self

    def _empty(self, size: tuple[int, int], log):
        """Return moments of no image, and the channels to use, if the memory is enough."""
        from synthgen.torch.models.gaussians import Moments, random_channels

        shape = self.features.shape(size)
        self._check(shape)
        self._report(log, 1, size)

        used, places = self._used(shape)
        moments = Moments(places, used, self.device)
        subset = random_channels(shape[0], used, self.settings.seed)
        return moments, subset.to(self.device)

    def _check(self, shape) -> None:
        """Refuse Gaussians that do not fit into the memory."""
        used, _ = self._used(shape)
        _, height, width = shape

        def needed(channels: int) -> int:
            return _needed_bytes(channels, shape)

        what = f"Gaussians of {used} channels at {height} x {width} places"
        refuse_too_many(what, used, needed, self._limit(), "{} channels would fit")

    def _scores(self, features):
        from synthgen.torch.models.gaussians import by_place, mahalanobis

        count, _, height, width = features.shape
        values = by_place(features, self.subset)
        mean = self.mean.unsqueeze(1)
        distances = mahalanobis(values - mean, self.whitening)
        by_image = distances.T
        return None, by_image.reshape(count, height, width)

    def local_scores(self, reference, places):
        """Return squared Mahalanobis distances as a function of the images; see `AnomalyModel.local_scores`."""
        import torch

        rows_of = self._local_rows(reference, places)
        place = places[0].flatten(1).nonzero()[:, 1]
        mean = self.mean[place]
        whitening = self.whitening[place]

        def scores(images):
            offsets = rows_of(images)[0][:, self.subset] - mean
            whitened = torch.einsum("pij,pj->pi", whitening, offsets)
            return [whitened.square().sum(1)]

        return scores


def _learned_bytes(used: int, places: int) -> int:
    """Return the size of what is learned of so many channels and places."""
    covariance = used * used
    numbers = places * (covariance + used)
    subset = 8 * used
    return FLOAT_BYTES * numbers + subset


def _needed_bytes(used: int, shape) -> int:
    """Return the memory that fitting takes, of so many channels and features of `shape`."""
    from synthgen.torch.models.gaussians import BLOCK_PLACES

    channels, height, width = shape
    places = height * width
    covariance = used * used
    inverted = min(places, BLOCK_PLACES)
    inverting = 3 * inverted * covariance
    features = 2 * places * channels
    working = FLOAT_BYTES * (inverting + features)
    return _learned_bytes(used, places) + working


MODEL = PaDiM
