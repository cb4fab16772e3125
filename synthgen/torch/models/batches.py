"""What a model needs to know of a loader: its images, their size, and how many there are."""

from collections.abc import Iterator

import numpy as np
import torch

from synthgen.errors import UsageError


def batches(loader, size: tuple[int, int] | None = None) -> Iterator[torch.Tensor]:
    """Yield the images of a loader, each batch as (N, C, H, W).

    Parameters
    ----------
    loader : iterable
        Of images (N, C, H, W) or (C, H, W), or of tuples and lists whose first item is that.
    size : (H, W), optional
        What all images must measure; otherwise that of the first.

    Raises
    ------
    UsageError
        If there is no image, or one of another size.
    """
    empty = True
    for item in loader:
        images = as_images(_first(item))
        size = size or tuple(images.shape[-2:])
        if tuple(images.shape[-2:]) != size:
            raise UsageError(f"images: must be of one size, {_text(size)}, got {_text(images.shape[-2:])}")
        if len(images):
            empty = False
            yield images
    if empty:
        raise UsageError("images: must be at least one, got an empty loader")


def as_images(images) -> torch.Tensor:
    """Return a tensor or array of images as a tensor (N, C, H, W)."""
    if not isinstance(images, torch.Tensor | np.ndarray):
        raise UsageError(f"images: must be tensors or arrays, got {type(images).__name__}")
    images = torch.as_tensor(images)
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise UsageError(f"images: must be (N, C, H, W), got {tuple(images.shape)}")
    return images


def images_in(loader) -> int | None:
    """Return how many images a loader will give at most, as far as it tells: a `DataLoader`, a data set, a list."""
    if isinstance(loader, list | tuple | torch.Tensor | np.ndarray):
        return sum(len(as_images(_first(item))) for item in loader)
    for held in (getattr(loader, "sampler", None), getattr(loader, "dataset", None)):
        try:
            return len(held)
        except TypeError:
            continue
    return None


def _first(item):
    return item[0] if isinstance(item, tuple | list) else item


def _text(size) -> str:
    return " x ".join(map(str, size))
