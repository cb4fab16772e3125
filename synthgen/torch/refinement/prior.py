"""The prior of colors: Gaussians of the pixels of normal images (Tao et al. 2024, section III-C2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.extras import needed_for
from synthgen.seeding import generator
from synthgen.torch.features import normalised
from synthgen.torch.models.batches import as_images, images_in, size_of

PIXELS = "pixels"  # what the notes of a model call the prior
COMPONENTS = 4
SAMPLE = 20_000
# Mean and deviation that leave values as they are, for three channels.
_BLACK = (0.0, 0.0, 0.0)
_WHITE = (1.0, 1.0, 1.0)
# Least deviation of a Gaussian, in gray levels: gray images have none across their gray axis.
_LEAST_DEVIATION = 4 / 255


class PixelPrior(NamedTuple):
    """Gaussians of the colors of normal pixels.

    Attributes
    ----------
    means : ndarray of float64, (K, 3)
        Of values in [0, 1].
    covariances : ndarray of float64, (K, 3, 3)
    """

    means: np.ndarray
    covariances: np.ndarray

    @classmethod
    def fit(cls, loader, components: int = COMPONENTS, seed: int = 0) -> PixelPrior:
        """Return the prior of the images of a loader, as models take it.

        Parameters
        ----------
        loader : iterable
            Of batches of images; see `synthgen.torch.models`.
        components : int
            Gaussians, at least 1.
        seed : int
            Of the pixels that are drawn: 20,000 of all images.
        """
        sampled = Sampled(loader, seed)
        for _ in sampled:
            pass
        return sampled.prior(components)

    @classmethod
    def of_pixels(cls, pixels: np.ndarray, components: int = COMPONENTS, seed: int = 0) -> PixelPrior:
        """Return the prior of pixels (N, 3) in [0, 1]."""
        with needed_for("the prior of colors"):
            from sklearn.mixture import GaussianMixture

        if components < 1:
            raise UsageError(f"components must be >= 1, got {components}")

        different = len(np.unique(pixels, axis=0))
        count = min(components, different)
        rng = generator(seed, 0, 0, "refine.gaussians")
        state = int(rng.integers(2**31))
        floor = _LEAST_DEVIATION**2
        mixture = GaussianMixture(count, reg_covar=floor, random_state=state, init_params="k-means++")
        mixture.fit(pixels)
        return cls(mixture.means_, mixture.covariances_)

    def notes(self) -> list[list[float]]:
        """Return the prior as JSON values, 12 numbers a Gaussian."""
        flat = self.covariances.reshape(-1, 9)
        rows = np.concatenate([self.means, flat], axis=1)
        return rows.tolist()

    @classmethod
    def of_notes(cls, notes) -> PixelPrior:
        """Return the prior that `notes` gave; raise `UsageError` for anything else."""
        try:
            rows = np.array(notes, np.float64).reshape(-1, 12)
            means, flat = np.split(rows, [3], axis=1)
            prior = cls(means, flat.reshape(-1, 3, 3))
            np.linalg.cholesky(prior.covariances)
        except (ValueError, TypeError, np.linalg.LinAlgError):
            raise UsageError(f"prior must be rows of 12 numbers, mean and covariance, got {notes!r:.60}") from None
        return prior

    def normalized(self, mean, std, device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return means (K, 3) and whitening (K, 3, 3) for pixels in the units of a backbone."""
        scale = np.asarray(std)
        offsets = self.means - np.asarray(mean)
        covariances = self.covariances / np.outer(scale, scale)
        factors = np.linalg.cholesky(covariances)
        whitening = np.linalg.inv(factors)

        single = {"dtype": torch.float32, "device": device}
        means = torch.tensor(offsets / scale, **single)
        return means, torch.tensor(whitening, **single)


class Sampled(Iterable):
    """A loader that keeps some pixels of the images that it hands on; the first pass counts.

    So a model and its prior are fitted in one pass::

        loader = Sampled(loader)
        model.fit(loader)
        model.notes["pixels"] = loader.prior().notes()
    """

    def __init__(self, loader, seed: int = 0):
        self.dataset = range(images_in(loader) or 0)  # whose length progress bars ask for
        self._loader = loader
        self._seed = seed
        self._kept: list[np.ndarray] = []
        self._keys: list[np.ndarray] = []
        self._passes = 0
        self._images = 0

    def __iter__(self):
        self._passes += 1
        first = self._passes == 1
        for item in self._loader:
            if first:
                self._keep(item)
            yield item

    def _keep(self, item) -> None:
        """Keep the pixels of a batch that belong to the sample so far: those of the least random keys."""
        given = item[0] if isinstance(item, tuple | list) else item
        values = normalised(as_images(given), _BLACK, _WHITE)
        channels_last = values.permute(0, 2, 3, 1)
        pixels = channels_last.reshape(-1, 3).cpu().numpy()
        together = np.concatenate([*self._keys, *self._drawn(values)])
        candidates = np.concatenate([*self._kept, pixels])
        order = np.argsort(together, kind="stable")
        least = order[:SAMPLE]
        self._keys = [together[least]]
        self._kept = [candidates[least]]

    def _drawn(self, images: torch.Tensor) -> list[np.ndarray]:
        """Return the random keys of the pixels of each image, which follow from its number."""
        height, width = size_of(images)
        keys = []
        for _ in images:
            rng = generator(self._seed, 0, self._images, "refine.pixels")
            keys.append(rng.random(height * width))
            self._images += 1
        return keys

    def prior(self, components: int = COMPONENTS) -> PixelPrior:
        """Return the prior of the pixels that were kept."""
        if not self._kept:
            raise UsageError("images must be at least one, got an empty loader")
        return PixelPrior.of_pixels(self._kept[0], components, self._seed)
