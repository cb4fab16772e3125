"""What a model needs to know of a loader: its images, their size, and how many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.errors import UsageError
from synthgen.torch.memory import freed_memory_kept

if TYPE_CHECKING:
    import torch

    from synthgen.run.progress import Progress


def batches(loader, size: tuple[int, int] | None = None) -> Iterator[torch.Tensor]:
    """Yield the images of a loader, each batch as (N, C, H, W); until the last, freed memory is kept.

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
    with freed_memory_kept():
        for item in loader:
            images = as_images(_first(item))
            found = size_of(images)
            size = size or found
            if found != size:
                raise UsageError(f"images must be of one size, {_text(size)}, got {_text(found)}")

            if len(images):
                empty = False
                yield images

    if empty:
        raise UsageError("images must be at least one, got an empty loader")


def begun(given: Iterator[torch.Tensor]) -> tuple[Iterator[torch.Tensor], torch.Tensor]:
    """Return the same batches again, and the first of them."""
    first = next(given)
    return chain([first], given), first


def expecting(
    given: Iterator[torch.Tensor], expected: int, check: Callable[[int], object]
) -> Iterator[torch.Tensor]:
    """Yield batches; where they are more images than expected, call `check` with their number first."""
    seen = 0
    for images in given:
        seen += len(images)
        if seen > expected:
            check(seen)
        yield images


def size_of(images) -> tuple[int, int]:
    """Return (H, W) of images (.., H, W)."""
    height, width = images.shape[-2:]
    return height, width


def as_images(images) -> torch.Tensor:
    """Return a tensor or array of images as a tensor (N, C, H, W)."""
    import torch

    if not isinstance(images, torch.Tensor | np.ndarray):
        raise UsageError(f"images must be tensors or arrays, got {type(images).__name__}")

    images = torch.as_tensor(images)
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise UsageError(f"images must be (N, C, H, W), got {tuple(images.shape)}")
    return images


def images_in(loader) -> int | None:
    """Return how many images a loader gives at most, as far as it says: a `DataLoader`, a data set, a list."""
    import torch

    if isinstance(loader, list | tuple | torch.Tensor | np.ndarray):
        return sum(len(as_images(_first(item))) for item in loader)

    for name in ("sampler", "dataset"):
        source: Any = getattr(loader, name, None)
        try:
            return len(source)
        except TypeError:
            continue
    return None


def image_progress(mode, loader, epochs: int = 1) -> Progress:
    """Return a bar over the images of a loader; none where their number is not known."""
    from synthgen.run.progress import Progress

    count = images_in(loader)
    if not count:
        return Progress("none", 0)
    return Progress(mode, count * epochs)


def _first(item):
    return item[0] if isinstance(item, tuple | list) else item


def _text(size) -> str:
    return " x ".join(map(str, size))
