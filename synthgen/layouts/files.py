"""Image files of users: which there are, and their pixels or masks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from synthgen.compose import pictures
from synthgen.errors import UsageError
from synthgen.layouts.entries import Entry


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files of a folder by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in pictures.FORMATS and p.name[0] != ".")


def entry_of(path: Path, label: int, kind: str, category: str, truth: Callable | None = None) -> Entry:
    """Return the entry of an image file."""
    return Entry(str(path), label, kind, category, partial(read_picture, path), truth)


def read_picture(path: Path) -> np.ndarray:
    """Return an image file as uint8 (H, W, 3), whatever it is stored as; raise UsageError if it cannot be read."""
    return pictures.read_picture(pictures.one_picture(str(path), "image").sha256, None, grey=False)


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask file as it is stored, (H, W): nonzero where something is wrong, whether that is 1 or 255.

    Of several channels the highest value counts, transparency apart.

    Raises
    ------
    UsageError
        If it cannot be read, or is not as large as its image, `shape`.
    """
    from PIL import Image

    pictures.one_picture(str(path), "mask")  # judges name and header
    try:
        with Image.open(path) as file:
            values = np.array(file)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UsageError(f"{path}: must be an image that can be read: {error}") from None
    if values.shape[:2] != shape:
        sizes = [f"{width}x{height}" for height, width in (shape, values.shape[:2])]
        raise UsageError(f"{path}: must be as large as its image, {sizes[0]}, got {sizes[1]}")
    if values.ndim == 3:
        values = values[..., : 3 if values.shape[2] > 2 else 1].max(axis=2)
    return values
