"""Chance: scores that know nothing. An AUROC that is far from 0.5 shows a fault in the wiring of a benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synthgen.torch.models.batches import batches, begun, size_of
from synthgen.torch.models.pixels import PixelModel, PixelOptions

if TYPE_CHECKING:
    import torch

HELP = """
Make a model that scores images at random: what a benchmark measures for it must be what chance gives.

\b
synthgen fit chance --normal photos/good --out chance.safetensors
"""


class Options(PixelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of chance."""


# Within the class the name `Options` means its attribute.
_Options = Options


class Chance(PixelModel):
    """Score images and pixels at random, but an image always in the same way.

    Parameters
    ----------
    memory, device, seed
        As for `AnomalyModel`.

    Notes
    -----
    The random numbers follow from the pixels of the image and the seed, so that neither order nor batches matter.
    The random model of Taylor et al. 2025, section 4.2, has this purpose.
    """

    kind = "chance"
    Options = Options  # type: ignore[assignment]
    state = ()
    settings: _Options  # type: ignore[assignment]

    def state_forms(self, shape):
        """Return no form: nothing is learned."""
        return {}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return 0: nothing is learned."""
        return 0

    def fit(self, loader, progress="auto", log=None) -> Chance:
        """Look at the size of the images; see `AnomalyModel.fit`."""
        given, first = begun(batches(loader))
        size = size_of(first)
        self._report(log, 1, size)
        for _ in given:
            pass
        self.image_size = size
        return self

    def _scores(self, features: torch.Tensor):
        import torch

        drawn = [self._drawn(image) for image in features.cpu().numpy()]
        maps = torch.from_numpy(np.stack(drawn))
        return maps[:, 0, 0].clone(), maps

    def _drawn(self, image: np.ndarray) -> np.ndarray:
        """Return random scores of the pixels of one image, float32 (H, W)."""
        import hashlib

        from synthgen.seeding import generator

        digest = hashlib.sha256(image.tobytes()).digest()
        own = int.from_bytes(digest[:4], "little")
        rng = generator(self.settings.seed, own, 0, "chance")
        return rng.random(image.shape[-2:], np.float32)

    def _pixel_maps(self, patch_scores, size: tuple[int, int]):
        return patch_scores


MODEL = Chance
