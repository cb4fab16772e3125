"""What models without a backbone share: the gray values of the pixels are their features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from synthgen.errors import UsageError
from synthgen.seeding import MAX_SEED
from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel, choose_device
from synthgen.torch.models.options import Meta

if TYPE_CHECKING:
    import torch

# One channel of values in [0, 1] as it is.
_AS_IT_IS = ((0.0,), (1.0,))


class PixelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of every model without a backbone."""

    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Seed of all random choices.")] = 0


class Pixels:
    """An extractor whose features are gray values in [0, 1], one channel at each pixel.

    Parameters
    ----------
    device : str or torch.device, optional
        By default a GPU where there is one.
    """

    border = 0

    def __init__(self, device=None):
        self.device = choose_device(device)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the means of the channels (N, 1, H, W) of images (N, C, H, W)."""
        from synthgen.torch.features import normalised

        colors = images.to(self.device)
        mean, std = _AS_IT_IS
        channels = colors.shape[1]
        values = normalised(colors, mean * channels, std * channels)
        return values.mean(1, keepdim=True)

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (1, H, W) of an image of `size` = (H, W)."""
        return 1, *size


class PixelModel(AnomalyModel):
    """A model that looks at gray values alone.

    Parameters
    ----------
    backbone : None
        There is none; the parameter is here for callers that know of no kind.
    memory, device, **options
        As for `AnomalyModel`.
    """

    needs_backbone = False

    def __init__(self, backbone=None, *, memory: int | None = None, device=None, **options):
        if backbone is not None:
            raise UsageError(f"backbone must be left out for {self.kind}, got {backbone}")
        super().__init__(Pixels(device), memory=memory, **options)

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes, in bytes, for any number of images."""
        height, width = size
        of_image = FLOAT_BYTES * height * width
        return 4 * of_image + self.predicted_bytes(images, size)
