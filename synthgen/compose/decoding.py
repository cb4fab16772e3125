"""From an image file of any kind to 8-bit gray or color: one rule for all commands, told in docs/images.md.

Pillow keeps only the upper byte where several channels have 16 bits each. Such files are decoded twice, once for
each byte, since a camera of 12 bits fills the lower one.
"""

import sys
from pathlib import Path

import numpy as np

from synthgen.compose.masks import warn_once
from synthgen.errors import UsageError

LEAST_BITS = 8
MOST_BITS = 16
_CAMERAS = (10, 12, 14)  # bits that cameras have
_COLORS = ("RGB", "RGBA")
_WITH_ALPHA = ("PA", "LA", "RGBA", "La", "RGBa")
_READ = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
# Pillow's names for the order of the two bytes; N is the machine's own.
_SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_PHOTOMETRIC = 262  # a tag of TIFF; 0 there: white is zero


def check_bits(bits: int | None) -> None:
    """Refuse a number of bits that no file of 16 bits can hold."""
    if bits is not None and not LEAST_BITS <= bits <= MOST_BITS:
        raise UsageError(f"bits must lie in {LEAST_BITS}..{MOST_BITS}, got {bits}")


def is_deep(image) -> bool:
    """Return whether an opened image, not decoded yet, has several channels of 16 bits."""
    raw_mode = _raw_mode(image)
    return ";16" in raw_mode and not _has_numbers(image)


def has_lower_bytes(image) -> bool:
    """Return whether `read_lower_bytes` can be asked for."""
    raw_mode = _raw_mode(image)
    name, _, _ = raw_mode.partition(";")
    return is_deep(image) and name in _COLORS


def read_lower_bytes(image) -> None:
    """Make an opened image give the lower bytes of its channels, instead of the upper ones."""
    image.tile = [_with_lower_byte(tile) for tile in image.tile]


def _with_lower_byte(tile):
    """Return Pillow's order to decode a part of a file, with the bytes of each value swapped."""
    *others, given = tile
    is_alone = isinstance(given, str)
    raw_mode, *arguments = [given] if is_alone else given

    order = _SWAPPED[raw_mode[-1]]
    swapped = raw_mode[:-1] + order
    wanted = swapped if is_alone else (swapped, *arguments)

    is_named = hasattr(tile, "_make")  # a plain tuple before Pillow 11
    kind = tile._make if is_named else tuple
    return kind([*others, wanted])


def _raw_mode(image) -> str:
    """Return Pillow's name for how the pixels are stored."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""

    *_, given = tiles[0]
    if isinstance(given, tuple) and given:
        given = given[0]
    return given if isinstance(given, str) else ""


def _has_numbers(image) -> bool:
    """Return whether an image has one channel of more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def pages_in(image) -> int:
    """Return how many pages or frames an opened image has; the previews in a phone's MPO file are none."""
    if image.format == "MPO":
        return 1
    return getattr(image, "n_frames", 1)


def tell_pages(pages: int, path: Path) -> None:
    """Warn of a file of which the first page alone is read."""
    if pages > 1:
        warn_once(path, f"holds {pages} pages or frames; only the first is read")


def is_negative(image) -> bool:
    """Return whether white is zero in an opened image of one deep channel, which Pillow leaves as it is."""
    tags = getattr(image, "tag_v2", {})
    return _has_numbers(image) and tags.get(_PHOTOMETRIC) == 0


def eight_bits(image, path: Path, bits: int | None = None, lower=None, negative: bool = False):
    """Return a decoded image of any mode as 8 bits of gray (mode L) or color (RGB).

    Parameters
    ----------
    image : PIL.Image.Image
    path : Path
        Where it lies, for errors and warnings.
    bits : int, optional
        Bits that are used of 16; the upper 8 of them are kept. By default all 16, with a warning where the upper
        ones are never used. Images of 8 bits stay as they are.
    lower : PIL.Image.Image, optional
        The lower bytes, of an image with 16 bits in several channels.
    negative : bool
        As `is_negative` says.

    Raises
    ------
    UsageError
        If a value does not fit into the bits, or the mode has no rule.
    """
    from PIL import Image

    if _has_numbers(image):
        values = np.asarray(image)
        pixels = _gray_bytes(values, path, bits)
        if negative:
            pixels = 255 - pixels
        return Image.fromarray(pixels)

    if lower is not None:
        image = _upper_bits(image, lower, path, bits)
    if image.mode not in _READ:
        raise UsageError(f"{path}: must be gray, RGB, CMYK or of a palette, got {image.mode}")

    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        opaque_black = (0, 0, 0, 255)
        black = Image.new("RGBA", image.size, opaque_black)
        image = Image.alpha_composite(black, image)

    is_gray = image.mode in ("1", "L")
    mode = "L" if is_gray else "RGB"
    return image.convert(mode)


def _gray_bytes(values: np.ndarray, path: Path, bits: int | None) -> np.ndarray:
    """Return one channel of numbers as uint8: floats of 0 to 1 times 255, of integers the upper bits."""
    low = values.min()
    high = values.max()
    is_float = values.dtype.kind == "f"
    most = 1 if is_float else 0xFFFF

    lies_inside = low >= 0 and high <= most
    if not lies_inside:
        rule = "must have 8 or 16 bits a channel, or floats of 0 to 1"
        got = f"{values.dtype} values of {low:g} to {high:g}"
        raise UsageError(f"{path}: {rule}, got {got}")
    if not is_float:
        return _upper_byte(values, path, bits)

    scaled = np.rint(values * 255)
    return scaled.astype(np.uint8)


def _upper_bits(upper, lower, path: Path, bits: int | None):
    """Return an image of 16 bits in several channels, given as upper and lower bytes, as one of 8 bits."""
    from PIL import Image

    pixels = np.array(upper)
    colors = pixels[..., :3]
    lower_bytes = np.asarray(lower)
    values = colors.astype(np.uint16)
    values <<= 8
    values |= lower_bytes[..., :3]

    colors[:] = _upper_byte(values, path, bits)  # alpha keeps its upper byte
    return Image.fromarray(pixels)


def _upper_byte(values: np.ndarray, path: Path, bits: int | None) -> np.ndarray:
    """Return the upper 8 of the bits that are used, uint8."""
    top = int(values.max())
    if bits is None:
        _tell_unused(top, path)
        bits = MOST_BITS

    most = 2**bits - 1
    if top > most:
        raise UsageError(f"{path}: must have values of at most {most:,} with {bits} bits, got {top:,}")
    upper = values >> (bits - 8)
    return upper.astype(np.uint8)


def _tell_unused(top: int, path: Path) -> None:
    """Warn of an image whose upper bits are never used: it would be nearly black."""
    used = top.bit_length()
    fitting = [bits for bits in _CAMERAS if bits >= used]
    if not top or not fitting:
        return

    bits = fitting[0]
    seen = f"uses {used} of its 16 bits and is read as nearly black"
    warn_once(path, f"{seen}; if its camera has {bits} bits, `fit --bits {bits}` reads it right")
