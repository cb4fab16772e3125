"""PaDiM: a Gaussian of normal features at each place of the image (Defard et al. 2021)."""

from collections.abc import Sequence

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.seeding import generator
from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel, image_progress
from synthgen.torch.models.batches import batches
from synthgen.torch.models.memory import largest_fitting, refuse_if_larger

_BLOCK_PLACES = 256


class PaDiM(AnomalyModel):
    """Keep mean and covariance of the features at each place, and score by the Mahalanobis distance.

    Parameters
    ----------
    backbone, layers, pool, sigma, seed, memory, device, border, pool_padding
        As for `AnomalyModel`; the paper has no pooling, and normal images must be aligned.
    channels : int
        So many channels of the features, drawn at random, are used (all, where there are fewer).
    regularisation : float
        Added to the diagonal of each covariance.

    Notes
    -----
    Mean and covariance are updated batch by batch: memory does not grow with the images. It grows with the
    number of places and the square of `channels`.
    """

    kind = "padim"
    state = ("subset", "mean", "whitening")

    def __init__(
        self,
        backbone,
        layers: Sequence[int] = (1, 2, 3),
        channels: int = 100,
        regularisation: float = 0.01,
        pool: int = 1,
        sigma: float = 4.0,
        seed: int = 0,
        memory: int | None = None,
        device=None,
        border: int = 0,
        pool_padding: str = "zeros",
    ):
        super().__init__(backbone, layers, pool, sigma, seed, memory, device, border, pool_padding)
        if channels < 1:
            raise UsageError(f"channels: must be >= 1, got {channels}")
        if not regularisation > 0:
            raise UsageError(f"regularisation: must be > 0, got {regularisation}")
        self.channels, self.regularisation = channels, regularisation
        self.subset: torch.Tensor | None = None
        self.mean: torch.Tensor | None = None
        self.whitening: torch.Tensor | None = None

    def options(self) -> dict:
        """Return the arguments of the constructor, without backbone, memory and device: JSON-able."""
        return {**super().options(), "channels": self.channels, "regularisation": self.regularisation}

    def state_forms(self, shape):
        """Return the forms of means, covariances and the chosen channels; see `AnomalyModel.state_forms`."""
        used, places = min(self.channels, shape[0]), shape[1] * shape[2]
        return {
            "subset": ((used,), torch.int64),
            "mean": ((places, used), torch.float32),
            "whitening": ((places, used, used), torch.float32),
        }

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of means and covariances, in bytes, for any number of images."""
        return self._bytes(self.features.shape(size), self.channels)

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes, for any number of images."""
        return self._needed(self.features.shape(size), self.channels)

    def _bytes(self, shape, channels: int) -> int:
        used, places = min(channels, shape[0]), shape[1] * shape[2]
        return FLOAT_BYTES * (places * used * (used + 1)) + 8 * used

    def _needed(self, shape, channels: int) -> int:
        used, places = min(channels, shape[0]), shape[1] * shape[2]
        working = 3 * min(places, _BLOCK_PLACES) * used * used + 2 * places * shape[0]
        return self._bytes(shape, channels) + FLOAT_BYTES * working

    def fit(self, loader, progress="auto", log=None) -> "PaDiM":
        """Learn normal images; see `AnomalyModel.fit`."""
        moments, size = None, None
        with image_progress(progress, loader) as bar:
            for images in batches(loader):
                if moments is None:
                    size = tuple(images.shape[-2:])
                    shape = self.features.shape(size)
                    self._check(shape)
                    self._tell(log, 1, size)
                    subset = _subset(shape[0], self.channels, self.seed).to(self.device)
                    moments = Moments(shape[1] * shape[2], len(subset), self.device)
                moments.add(_by_place(self.features(images), subset))
                bar.advance(len(images))
        self.subset, self.mean = subset, moments.mean
        self.whitening = whitened(moments.scatter, max(1, moments.count - 1), self.regularisation)
        self.image_size = size
        return self

    def _check(self, shape) -> None:
        limit, channels = self._limit(), min(self.channels, shape[0])
        fitting = largest_fitting(lambda n: self._needed(shape, n), channels, limit)
        what = f"Gaussians of {channels} channels at {shape[1]} x {shape[2]} places"
        refuse_if_larger(what, self._needed(shape, channels), limit, f"{fitting} channels would fit")

    def _scores(self, features):
        count, grid = len(features), features.shape[2:]
        if len(self.mean) != grid[0] * grid[1]:
            size = " x ".join(map(str, self.image_size))
            raise UsageError(f"images: must be {size} as the model's, got ones with {grid[0]} x {grid[1]} features")
        offsets = _by_place(features, self.subset) - self.mean[:, None]
        return None, mahalanobis(offsets, self.whitening).T.reshape(count, *grid)


class Moments:
    """Mean and scatter at each place, updated by batches (Chan, Golub and LeVeque 1983).

    ``mean`` is (P, D), ``scatter`` (P, D, D) the sum of the outer products of what differs from the mean.
    """

    def __init__(self, places: int, channels: int, device):
        self.count = 0
        self.mean = torch.zeros((places, channels), device=device)
        self.scatter = torch.zeros((places, channels, channels), device=device)

    def add(self, values: torch.Tensor) -> None:
        """Add a batch, (P, N, D)."""
        count = values.shape[1]
        mean = values.mean(1)
        centred = values - mean[:, None]
        shift = mean - self.mean
        share = count / (self.count + count)
        self.scatter.baddbmm_(centred.mT, centred)
        self.scatter.baddbmm_(shift[:, :, None], shift[:, None], alpha=self.count * share)
        self.mean += share * shift
        self.count += count


def whitened(scatter: torch.Tensor, degrees: int, regularisation: float) -> torch.Tensor:
    """Turn scatters (P, D, D) in place into W, so that W (x - mean) has as its length the Mahalanobis distance.

    W is the inverse of the Cholesky factor of the covariance, scatter / `degrees` + `regularisation` on the
    diagonal.

    Raises
    ------
    UsageError
        If a covariance is not positive definite.
    """
    unit = torch.eye(scatter.shape[1], device=scatter.device)
    for block in scatter.split(_BLOCK_PLACES):
        factor, failed = torch.linalg.cholesky_ex(block / degrees + regularisation * unit)
        if failed.any():
            raise UsageError(
                f"regularisation: must be larger, {regularisation:g} leaves covariances that are singular"
            )
        block.copy_(torch.linalg.solve_triangular(factor, unit.expand_as(factor), upper=False))
    return scatter


def mahalanobis(offsets: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """Return the Mahalanobis distances of offsets from the mean, (P, N, D) with W (P, D, D) -> (P, N)."""
    return torch.linalg.vector_norm(offsets @ whitening.mT, dim=2)


def _by_place(features: torch.Tensor, subset: torch.Tensor) -> torch.Tensor:
    """Return (N, D, h, w) as (h * w, N, channels of the subset)."""
    return features[:, subset].flatten(2).permute(2, 0, 1).contiguous()


def _subset(available: int, channels: int, seed: int) -> torch.Tensor:
    order = generator(seed, 0, 0, "padim.channels").permutation(available)
    return torch.from_numpy(np.sort(order[:channels]))
