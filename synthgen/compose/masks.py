"""One rule for the masks in image files of users: what is black or transparent is background, all else is the mask.

A mask is read by its meaning and not by the numbers in the file:

- Of a palette the colors count, of several channels the brightest.
- Transparent pixels are background. Where all that is not transparent is black, transparency alone is the mask.
- Whether the mask is stored as 1, 255, 65535 or 0.5 makes no difference.
- Lossy files (JPEG, most WebP) are never quite black outside a mask, and masks of more than 16 gray levels have
  soft edges or come from a lossy file. There the mask is what is brighter than half of the brightest pixel.
- Two things are worth a warning: a mask that covers more than 95 % of the image, and many gray levels.
"""

import warnings
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError

MOST_LEVELS = 16  # a mask of classes or of numbered defects may have these
USUAL = 0.95  # share of an image that a mask of defects covers at most
_MOST_BETWEEN = 0.05  # share of a lossy mask that may be neither dark nor bright
_NUMBERS = ("I", "F")  # Pillow's modes of one channel of more than 8 bits begin so
_TRANSPARENT = ("LA", "PA", "La", "RGBA", "RGBa")

_told: set[tuple[Path, str]] = set()


def mask_values(image, path: Path, lossy: bool, usual: float = USUAL) -> np.ndarray:
    """Return the brightness of the mask in an image, and 0 where there is none.

    Parameters
    ----------
    image : PIL.Image.Image
    path : Path
        Where it lies, for errors and warnings. The first mask of a folder that deserves a warning gets it.
    lossy : bool
        Whether the file format changes pixels.
    usual : float
        Share of the image that a mask usually covers at most; more deserves a warning.

    Returns
    -------
    ndarray, (H, W)
        On the scale of the file, at most 64 bits.

    Raises
    ------
    UsageError
        If a value is negative or not finite.
    """
    values = _brightness(image)
    if values.dtype.kind != "u":
        _check(values, path)

    many = not lossy and _levels(values) > MOST_LEVELS
    soft = lossy or many
    least = values.max() / 2 if soft else 0
    mask = values > least

    half = "the mask is what is brighter than half of the maximum"
    if many:
        warn_once(path, f"has more than {MOST_LEVELS} gray levels; {half}")
    elif lossy and _share_between(values) > _MOST_BETWEEN:
        warn_once(path, f"has many gray levels; {half}")

    covered = mask.mean()
    if covered > usual:
        warn_once(path, f"covers {covered:.0%} of the image; a mask is bright, and black elsewhere")

    nothing = values.dtype.type(0)
    return np.where(mask, values, nothing)


def is_lossy(image, data: bytes) -> bool:
    """Return whether the format of an image, opened from `data`, changes pixels."""
    if image.format == "WEBP":
        return b"VP8 " in data  # the name of its lossy chunk
    if image.format in ("JPEG", "MPO"):
        return True
    return image.info.get("compression") == "jpeg"  # in a TIFF


def _brightness(image) -> np.ndarray:
    """Return the brightest channel, (H, W); transparent pixels are black."""
    if image.mode.startswith(_NUMBERS):
        return np.asarray(image)

    if image.mode in _TRANSPARENT or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        return _opaque_brightness(pixels)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))

    pixels = np.asarray(image.convert("RGB"))
    return pixels.max(axis=2)


def _opaque_brightness(pixels: np.ndarray) -> np.ndarray:
    """Return the brightest color channel of RGBA pixels over black, or opacity where that alone is the mask."""
    opacity = pixels[..., 3]
    colors = pixels[..., :3]
    bright = colors.max(axis=2)
    seen = bright[opacity > 0]
    if not seen.any() and not opacity.all():
        return opacity

    # rounded up: what is neither black nor transparent stays so
    products = bright.astype(np.int32) * opacity
    shares = (products + 254) // 255
    return shares.astype(np.uint8)


def _check(values: np.ndarray, path: Path) -> None:
    """Refuse values that are no brightness."""
    finite = np.isfinite(values)
    if not finite.all():
        raise UsageError(f"{path}: must have finite values, got NaN or infinity")
    least = values.min()
    if least < 0:
        raise UsageError(f"{path}: must have values of at least 0, got {least}")


def _levels(values: np.ndarray) -> int:
    """Return how many different values there are."""
    if values.dtype != np.uint8:
        return len(np.unique(values))
    counts = np.bincount(values.ravel(), minlength=256)
    return int(np.count_nonzero(counts))


def _share_between(values: np.ndarray) -> float:
    """Return the share of pixels that are neither dark nor bright."""
    top = float(values.max())
    not_dark = values > top / 4
    not_bright = values < 3 * top / 4
    between = not_dark & not_bright
    return between.mean()


def warn_once(path: Path, what: str) -> None:
    """Warn once of each folder: a data set has thousands of files that were made in one way."""
    first_word, _ = what.split(" ", 1)
    key = (path.parent, first_word)
    if key not in _told:
        _told.add(key)
        warnings.warn(f"{path}: {what}", UserWarning, stacklevel=4)
