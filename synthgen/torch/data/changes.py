"""What users' transforms make of an item: of the image alone, or of the image and its fields together."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from synthgen.errors import UsageError

# Fields that are pictures: they change color with the image.
_PICTURES = ("clean",)
# Parts of torchvision.transforms.v2 whose transforms move pixels.
_MOVING = ("_geometry", "_auto_augment")


class Changes:
    """The transforms of a data set.

    Parameters
    ----------
    transform : callable or None
        Of the image alone.
    transforms : callable or None
        Of the image and all fields.
    names : sequence of str
        Names of the fields.

    Raises
    ------
    UsageError
        If both are given, or if `transform` would move the image away from its fields.
    """

    def __init__(self, transform: Callable | None, transforms: Callable | None, names: Sequence[str]):
        if transform is not None and transforms is not None:
            raise UsageError("transform must be None where transforms is given, which takes the image too")
        moving = next(_moving(transform), None) if names else None
        if moving is not None:
            rule = "transform must leave pixels in their places where fields are asked for"
            raise UsageError(f"{rule}, got {moving}; transforms={moving}(..) moves the fields too")

        self._transform = transform
        self._transforms = transforms
        self._names = names

    def __bool__(self) -> bool:
        return self._transform is not None or self._transforms is not None

    def __call__(self, image: torch.Tensor, fields: list[torch.Tensor]) -> tuple:
        """Return an image (C, H, W) and its fields, transformed."""
        if self._transforms is not None:
            return self._together(self._transforms, image, fields)
        if self._transform is not None:
            image = self._transform(image)
        return image, fields

    def _together(self, transforms: Callable, image, fields: list) -> tuple:
        from torchvision.tv_tensors import Image

        given = list(map(_typed, self._names, fields))
        found = transforms(Image(image), *given)
        if not fields:
            return found, []

        count = len(fields) + 1
        if not isinstance(found, tuple | list) or len(found) != count:
            raise UsageError(f"transforms must return the image and its fields, {count} values")
        image, *changed = found
        return image, list(map(_as_stored, fields, changed))


class BatchChange:
    """The transform of whole batches.

    Parameters
    ----------
    transform : callable
        ``transform(images, labels, *fields)`` returns as many.
    names : sequence of str
        Names of the fields.
    """

    def __init__(self, transform: Callable, names: Sequence[str]):
        self._transform = transform
        self._names = names

    def __eq__(self, other) -> bool:
        return isinstance(other, BatchChange) and other._transform == self._transform

    def __hash__(self) -> int:
        return hash(self._transform)

    def __call__(self, batch: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return images (N, C, H, W), labels and fields, transformed."""
        from torchvision.tv_tensors import Image

        images, labels, *fields = batch
        given = [_typed(name, field, 4) for name, field in zip(self._names, fields, strict=True)]
        found = self._transform(Image(images), labels, *given)

        count = len(batch)
        if not isinstance(found, tuple | list) or len(found) != count:
            raise UsageError(f"batch_transform must return images, labels and fields, {count} values")
        changed = [part.as_subclass(torch.Tensor) for part in found]
        restored = [_as_stored(field, part, 4) for field, part in zip(fields, changed[2:], strict=True)]
        return [*changed[:2], *restored]


def _typed(name: str, field: torch.Tensor, dimensions: int = 3):
    """Return a field as torchvision's transforms take it, its channels first; those have so many dimensions."""
    from torchvision.tv_tensors import Image, Mask

    if field.ndim == dimensions:
        field = field.movedim(-1, -3)
    if field.dtype == torch.uint16:  # torch can do little with it
        field = field.to(torch.int32)
    return Image(field) if name in _PICTURES else Mask(field)


def _as_stored(field: torch.Tensor, changed: torch.Tensor, dimensions: int = 3) -> torch.Tensor:
    """Return a transformed field with its channels where those of the stored field are."""
    return changed.movedim(-3, -1) if field.ndim == dimensions else changed


def _moving(transform) -> Iterator[str]:
    """Yield the names of torchvision's transforms that move pixels, also of those within others."""
    for kind in type(transform).__mro__:
        if kind.__module__.startswith("torchvision.transforms") and _is_moving(kind.__name__):
            yield type(transform).__name__
            break

    inner = transform.children() if isinstance(transform, torch.nn.Module) else ()
    listed = getattr(transform, "transforms", ())
    for part in [*inner, *(listed if isinstance(listed, Iterable) else ())]:
        yield from _moving(part)


def _is_moving(name: str) -> bool:
    from torchvision.transforms import v2

    # the old transforms have the names of the new ones
    kind = getattr(v2, name, None)
    return kind is not None and kind.__module__.endswith(_MOVING)
