"""What models share that hold all images, as bytes, while a network is trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthgen.errors import UsageError
from synthgen.torch.models.bank import Rows
from synthgen.torch.models.base import AnomalyModel
from synthgen.torch.models.batches import batches, begun, expecting, image_progress, images_in, size_of
from synthgen.torch.models.memory import refuse_too_many

if TYPE_CHECKING:
    import torch

_CHANNELS = 3


def held_bytes(images: int, size: tuple[int, int]) -> int:
    """Return the bytes of so many images of `size` = (H, W)."""
    height, width = size
    return images * _CHANNELS * height * width


class HeldImages(AnomalyModel):
    """A model that goes through the images many times; the memory for them grows with their number."""

    #: What is trained on the images, for messages.
    trained = "the training"

    def _pictures(self, loader, progress, log) -> torch.Tensor:
        """Return all images as bytes, (N, C, H, W), if they fit into the memory."""
        given, first = begun(batches(loader))
        size = size_of(first)
        expected = images_in(loader) or 0
        self._check(max(expected, len(first)), size)
        self._report(log, max(expected, len(first)), size)

        shape = first.shape[1:]
        rows = Rows(expected, shape.numel(), "cpu", _byte())
        given = expecting(given, expected, lambda seen: self._check(seen, size))
        with image_progress(progress, loader) as bar:
            for images in given:
                if images.shape[1:] != shape:
                    raise UsageError(f"images must all have {shape[0]} channels, got {images.shape[1]}")
                pixels = as_bytes(images)
                rows.append(pixels.flatten(1))
                bar.advance(len(images))
        return rows.filled().view(-1, *shape)

    def _check(self, images: int, size: tuple[int, int]) -> None:
        """Refuse images that do not fit into the memory."""

        def needed(count: int) -> int:
            return self.needed_bytes(count, size)

        what = f"{images} images and {self.trained}"
        refuse_too_many(what, images, needed, self._limit(), "{} images would fit")


def _byte() -> torch.dtype:
    import torch

    return torch.uint8


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    """Return images as uint8."""
    from synthgen.torch.features import in_unit_range

    if images.dtype == _byte():
        return images
    levels = 255 * in_unit_range(images)
    return levels.round().byte()
