"""In-painting by a masked autoencoder (He et al. 2022) whose weights are given, as Tao et al. 2024 do."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from synthgen.errors import FormatError, SynthgenError, UsageError, one_line
from synthgen.extras import needed_for

_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_LEAST_BYTES = 2  # of a weight in a file


class MaskedAutoencoder:
    """A masked autoencoder that fills in regions.

    Parameters
    ----------
    folder : str or Path
        With ``config.json`` and ``model.safetensors``, as `ViTMAEForPreTraining.save_pretrained` of transformers
        writes them. Nothing is downloaded, and pickled weights are not read.

    Raises
    ------
    UsageError
        If the folder lacks a file, or its network predicts normalised patches, which have no colors.
    FormatError
        If a file is damaged, or weights are missing.
    """

    def __init__(self, folder: str | Path):
        from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

        # what published masked autoencoders were trained with
        self._mean = torch.tensor(IMAGENET_DEFAULT_MEAN).view(1, 3, 1, 1)
        self._std = torch.tensor(IMAGENET_DEFAULT_STD).view(1, 3, 1, 1)
        self._network = _loaded(Path(folder))
        config = self._network.config
        self._patch = config.patch_size
        self._places = config.image_size // self._patch
        side = self._places * self._patch
        self._size = (side, side)

    def filled(self, image: np.ndarray, region: np.ndarray) -> np.ndarray | None:
        """Return an image whose region is what the network expects there.

        Parameters
        ----------
        image : ndarray of uint8, (H, W, 3)
        region : ndarray of bool, (H, W)

        Returns
        -------
        ndarray of uint8, (H, W, 3), or None
            Equal to the image outside of the region. None where the region touches every patch of the network: then
            nothing is left to go by.
        """
        pixels = torch.from_numpy(image).permute(2, 0, 1).unsqueeze(0) / 255
        given = (_resized(pixels, self._size) - self._mean) / self._std
        hidden = self._hidden(region)
        if hidden.all():
            return None

        whole = self._predicted(given, hidden)
        sized = _resized(whole, region.shape)
        levels = 255 * sized[0].permute(1, 2, 0).clamp(0, 1)
        expected = levels.round().to(torch.uint8).numpy()
        return np.where(region[..., None], expected, image)

    def _hidden(self, region: np.ndarray) -> torch.Tensor:
        """Return which patches a region touches, bool (L,)."""
        inside = torch.from_numpy(region).float()[None, None]
        touched = torch.nn.functional.adaptive_max_pool2d(inside, self._places)
        return touched.flatten() > 0

    def _predicted(self, given: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return the image of all patches as the network sees it, (1, 3, S, S); those that are not hidden stay."""
        count = len(hidden)
        shown = count - int(hidden.sum())
        # the network keeps int(count * (1 - ratio)) patches, those of the least noise
        self._network.config.mask_ratio = 1 - (shown + 0.5) / count
        noise = hidden.float().unsqueeze(0)
        with torch.inference_mode():
            patches = self._network(given, noise=noise).logits
            whole = self._network.unpatchify(patches)

        places = hidden.view(1, 1, self._places, self._places).float()
        covered = interpolate(places, scale_factor=self._patch, mode="nearest").bool()
        return torch.where(covered, whole, given) * self._std + self._mean


@lru_cache(maxsize=1)
def autoencoder_of(folder: str) -> MaskedAutoencoder:
    """Return the masked autoencoder of a folder; the last one is kept for the images that follow."""
    return MaskedAutoencoder(folder)


def _loaded(folder: Path):
    """Return the network of a folder, in evaluation mode."""
    with needed_for("inpainting by a masked autoencoder"):
        from transformers import ViTMAEForPreTraining

    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            raise UsageError(f"autoencoder must be a folder with {_CONFIG} and {_WEIGHTS}, got {str(folder)!r}")
    with _quiet():
        try:
            _check_size(folder)
            network, told = ViTMAEForPreTraining.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except SynthgenError:
            raise
        except Exception as error:  # transformers and safetensors raise many kinds
            raise FormatError(f"{folder}: is no masked autoencoder: {one_line(error)}") from error

    lost = sorted(told["missing_keys"])
    if lost:
        raise FormatError(f"{folder}: lacks {len(lost)} weights of a masked autoencoder, {lost[0]} among them")
    return network.eval()


def _check_size(folder: Path) -> None:
    """Refuse a description of a network that is larger than its file of weights: it would be filled by chance."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    config = ViTMAEConfig.from_pretrained(folder, local_files_only=True)
    if config.norm_pix_loss:
        raise UsageError(f"autoencoder must predict colors, not normalised patches (norm_pix_loss), got {folder}")
    with torch.device("meta"):
        described = sum(weights.numel() for weights in ViTMAEForPreTraining(config).parameters())
    most = (folder / _WEIGHTS).stat().st_size // _LEAST_BYTES
    if described > most:
        raise FormatError(f"{folder}: describes {described:,} weights, and its file has room for {most:,}")


@contextmanager
def _quiet():
    """Keep transformers' bars and warnings off the terminal while the block runs."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def _resized(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return images (1, C, H, W) at another size."""
    return interpolate(images, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
