"""What all anomaly models share: options, images in, scores and maps out, memory, files."""

import abc
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch

from synthgen.errors import DeviceError, UsageError
from synthgen.run.progress import Progress
from synthgen.seeding import MAX_SEED
from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models.batches import as_images, images_in
from synthgen.torch.models.memory import available_bytes, megabytes
from synthgen.torch.models.scoring import pixel_maps, with_border

FLOAT_BYTES = 4


class AnomalyModel(abc.ABC):
    """A model of normal images; see `synthgen.torch.models` for the protocol.

    Parameters
    ----------
    backbone : str, Path or torch.nn.Module
        As for `FeatureExtractor`.
    layers : sequence of int
        Of 1 to 4.
    pool : int
        Side of the local average of features.
    sigma : float
        Of the Gaussian that smooths the maps, in pixels of the image; 0 for none.
    seed : int
        Of all random choices: equal seeds, images and machines give equal models.
    memory : int, optional
        Bytes that may be used; by default what the device has left.
    device : str or torch.device, optional
        By default a GPU where there is one.
    border : int
        Places of the features left out at each edge, where a backbone sees its own padding instead of the image;
        maps repeat there what is nearest. 4 places are 32 pixels for layers 2 and 3 of common backbones.
    pool_padding : {'zeros', 'none'}
        What the local average finds beyond the edges of the features: zeros, as in the published code, or nothing.
    """

    kind: ClassVar[str]
    #: Tensors that make up the fitted model, by attribute.
    state: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        backbone,
        layers: Sequence[int],
        pool: int,
        sigma: float,
        seed: int,
        memory: int | None,
        device,
        border: int,
        pool_padding: str,
    ):
        if not 0 <= sigma < math.inf:
            raise UsageError(f"sigma: must be >= 0 and finite, got {sigma}")
        if not 0 <= seed <= MAX_SEED:
            raise UsageError(f"seed: must lie in 0..{MAX_SEED}, got {seed}")
        if memory is not None and memory <= 0:
            raise UsageError(f"memory: must be a positive number of bytes, got {memory}")
        self.features = FeatureExtractor(backbone, layers, pool, choose_device(device), border, pool_padding)
        self.sigma, self.seed, self.memory = sigma, seed, memory
        self.image_size: tuple[int, int] | None = None
        self.notes: dict = {}

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.features.device

    @property
    def fitted(self) -> bool:
        """Whether the model can predict."""
        return self.image_size is not None

    def options(self) -> dict:
        """Return the arguments of the constructor, without backbone, memory and device: JSON-able."""
        return {
            "layers": list(self.features.layers),
            "pool": self.features.pool,
            "pool_padding": self.features.pool_padding,
            "border": self.features.border,
            "sigma": self.sigma,
            "seed": self.seed,
        }

    @classmethod
    def from_options(cls, backbone, options: dict, memory: int | None = None, device=None) -> "AnomalyModel":
        """Return a model whose `options` are these."""
        return cls(backbone, **options, memory=memory, device=device)

    @abc.abstractmethod
    def fit(self, loader, progress="auto", log: Callable[[str], object] | None = None) -> "AnomalyModel":
        """Learn normal images, from the start.

        Parameters
        ----------
        loader : iterable
            Of batches of images; see `synthgen.torch.models`.
        progress : {'auto', 'plain', 'none'} or bool
            On stderr, with the time left.
        log : callable, optional
            Given a line of text before the work begins: the size of the bank, and the memory that is needed.

        Raises
        ------
        UsageError
            If the images cannot be used, or what is needed is more than `memory`.
        """

    @abc.abstractmethod
    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return how large what is learned from `images` images of `size` = (H, W) will be, in bytes."""

    @abc.abstractmethod
    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""

    @abc.abstractmethod
    def state_forms(self, shape: tuple[int, int, int]) -> dict[str, tuple[tuple, torch.dtype]]:
        """Return shape and type of each tensor of `state`, of features of `shape` (D, h, w); None: any length."""

    @abc.abstractmethod
    def _scores(self, features: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Return the scores of images (N,), or None for the largest of the map, and of patches (N, h, w)."""

    def predict(self, images) -> tuple[np.ndarray, np.ndarray]:
        """Return how far images are from normal.

        Parameters
        ----------
        images : Tensor or ndarray, (N, C, H, W)
            uint8, or floats in [0, 1].

        Returns
        -------
        scores : ndarray of float32, (N,)
        maps : ndarray of float32, (N, H, W)

        Raises
        ------
        UsageError
            If the model is not fitted, or such images cannot be used.
        """
        self._need_fit()
        images = as_images(images)
        size = tuple(images.shape[-2:])
        scores, patch_scores = self._scores(self.features(images))
        maps = pixel_maps(with_border(patch_scores, self.features.border), size, self.sigma)
        scores = maps.amax((1, 2)) if scores is None else scores
        return scores.cpu().numpy(), maps.cpu().numpy()

    def save(self, path) -> None:
        """Write the model, its backbone included, to a safetensors file; an older one is replaced at the end."""
        from synthgen.torch.models.store import save_model

        self._need_fit()
        save_model(self, path)

    def _need_fit(self) -> None:
        if not self.fitted:
            raise UsageError(f"{self.kind}: must be fitted first")

    def _limit(self) -> float:
        return available_bytes(self.device) if self.memory is None else self.memory

    def _tell(self, log, images: int, size: tuple[int, int]) -> None:
        if log is not None:
            bank, needed = self.predicted_bytes(images, size), self.needed_bytes(images, size)
            log(f"{self.kind}: the bank takes {megabytes(bank)}, fitting {megabytes(needed)}")


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return a device, by default a GPU where there is one; raise `DeviceError` if torch cannot use it."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # the latter from a torch that was built without GPUs
        raise DeviceError(f"device: torch cannot use {device}: {str(error).splitlines()[0]}") from None
    return torch.device(device)


def image_progress(mode, loader, epochs: int = 1) -> Progress:
    """Return a bar over the images of a loader; none where their number is not known."""
    count = images_in(loader)
    return Progress(mode if count else "none", (count or 0) * epochs)
