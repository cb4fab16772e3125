"""The user's own pictures: a folder is listed once with digests, and pixels are found by their digest."""

import hashlib
import struct
import threading
import warnings
from collections import OrderedDict
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.errors import UsageError
from synthgen.shards.files import sha256_of

# Read by Pillow's own code alone: EPS, for one, would start Ghostscript.
FORMATS = {
    ".bmp": "BMP", ".jpeg": "JPEG", ".jpg": "JPEG", ".pgm": "PPM", ".png": "PNG", ".ppm": "PPM", ".tif": "TIFF",
    ".tiff": "TIFF", ".webp": "WEBP",
}  # fmt: skip
LEAST_SIDE, MOST_PIXELS, MOST_BYTES = 16, 2**26, 2**29
_CACHE_BYTES = 2**28
_GREY_MODES = {"1", "L", "LA", "I;16", "I;16B", "I;16L", "I;16N", "I"}
# What Pillow raises for files that are cut off, damaged, or not what their name says.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, MemoryError)


class Picture(NamedTuple):
    """A file of a folder that was listed.

    Attributes
    ----------
    name : str
        Of the file in its folder.
    sha256 : str
        Digest of its bytes, in hexadecimal.
    """

    name: str
    sha256: str


# Where the bytes of a digest lie. What is drawn depends on the digest alone, so that files may move but not change.
_PLACES: dict[str, Path] = {}


def list_pictures(folder: str, option: str = "normal", least: int = LEAST_SIDE) -> tuple[Picture, ...]:
    """Return the images of a folder, sorted by name; each is hashed and its header checked.

    A process reads a file again only where its size or its time has changed.

    Parameters
    ----------
    folder : str
        Files with other endings than `FORMATS`, hidden files and folders inside are passed over.
    option : str
        What errors call the folder.
    least : int
        The shortest side that an image may have, in pixels.

    Raises
    ------
    UsageError
        If there is no such folder or no image in it, or a file is broken, tiny, or too large.
    """
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"{option} must be a folder of images, got {folder!r}")
    try:
        files = sorted((p for p in path.iterdir() if _is_image(p)), key=lambda p: p.name)
    except OSError as error:
        raise UsageError(f"{option} must be a folder that can be read, got {folder!r}: {error.strerror}") from None
    if not files:
        raise UsageError(f"{option} must hold images ({', '.join(FORMATS)}), got none in {folder!r}")
    return tuple(_register(p, least) for p in files)


def one_picture(file: str, option: str, least: int = 1) -> Picture:
    """Return a single image file as `list_pictures` does those of a folder."""
    path = Path(file)
    if not _is_image(path):
        raise UsageError(f"{option} must be an image file ({', '.join(FORMATS)}), got {file!r}")
    return _register(path, least)


def digest_of(pictures) -> str:
    """Return the SHA-256 of names and contents of pictures, in hexadecimal."""
    text = "".join(f"{picture.sha256}  {picture.name}\n" for picture in pictures)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _is_image(path: Path) -> bool:
    if path.suffix.lower() not in FORMATS or path.name.startswith("."):
        return False
    return path.is_file() or (path.is_symlink() and not path.exists())  # a link to nothing is told when it is read


def _register(path: Path, least: int) -> Picture:
    try:
        status = path.stat()
        digest = _checked_digest(path.absolute(), least, status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    _PLACES[digest] = path.absolute()
    return Picture(path.name.encode("utf-8", "replace").decode(), digest)


@lru_cache(maxsize=2**17)
def _checked_digest(path: Path, least: int, *status: int) -> str:
    with _opened(path, least):
        return sha256_of(path)


def are_grey(pictures) -> bool:
    """Return whether all of some pictures have one channel."""
    return all(_is_grey(picture.sha256) for picture in pictures)


@lru_cache(maxsize=2**16)
def _is_grey(digest: str) -> bool:
    with _opened(_place(digest)) as image:
        return image.mode in _GREY_MODES


def _place(digest: str) -> Path:
    if digest not in _PLACES:
        raise UsageError(
            f"image {digest[:12]} must lie in a folder of the recipe; list it first with `inputs(options)`"
        )
    return _PLACES[digest]


def _opened(path: Path, least: int = 1, data: bytes | None = None):
    """Return a Pillow image of which the header alone was read, and found to be of a fair size."""
    from PIL import Image

    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path}: must have at most {MOST_BYTES:,} bytes, got {path.stat().st_size:,}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the size: the rule below is stricter than Pillow's warning
            image = Image.open(path if data is None else BytesIO(data), formats=sorted(set(FORMATS.values())))
    except Image.DecompressionBombError:
        raise UsageError(f"{path}: must have at most {MOST_PIXELS:,} pixels, got more") from None
    except UsageError:
        raise
    except _BROKEN as error:
        raise UsageError(f"{path}: must be an image that can be read: {_reason(error)}") from None
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise UsageError(f"{path}: must have at most {MOST_PIXELS:,} pixels, got {width} x {height}")
    if min(width, height) < least:
        image.close()
        raise UsageError(f"{path}: must be at least {least} pixels wide and high, got {width} x {height}")
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, cut off, or no image"


class _Cache:
    """Decoded pictures, the last used ones up to a number of bytes; readers in threads may share it."""

    def __init__(self, most: int):
        self._most, self._held, self._bytes, self._lock = most, OrderedDict(), 0, threading.Lock()

    def get(self, key, make):
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        value = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = value
                self._bytes += value.nbytes
            while self._bytes > self._most and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return value


_cache = _Cache(_CACHE_BYTES)


def read_picture(digest: str, size: tuple[int, int], grey: bool) -> np.ndarray:
    """Return the pixels of a listed picture.

    The camera's rotation (EXIF) is applied; 16-bit values keep their upper byte; palettes are looked up; what is
    transparent lies over black; of several frames the first counts. Then the picture is stretched to `size`, with
    antialiasing.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    size : (int, int)
        Height and width in pixels.
    grey : bool
        Luma instead of colours.

    Returns
    -------
    ndarray of uint8, (H, W, 1) or (H, W, 3)
        Not to be written to: it is kept for the next reader.

    Raises
    ------
    UsageError
        If the file has changed or vanished since it was listed, or cannot be decoded.
    """
    return _cache.get((digest, size, grey), lambda: _decode(digest, size, grey))


def read_mask(digest: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return a mask: True above half of the brightest value of a listed picture.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    size : (int, int), optional
        Height and width in pixels, to which it is stretched by nearest neighbours; its own by default.

    Returns
    -------
    ndarray of bool, (H, W)
        Not to be written to.

    Raises
    ------
    UsageError
        As `read_picture`; also if the mask is empty at this size.
    """
    return _cache.get((digest, size, "mask"), lambda: _decode_mask(digest, size))


def _decode_mask(digest: str, size) -> np.ndarray:
    values = _decode(digest, None, grey=True)[..., 0]
    mask = 2 * values.astype(np.int32) > values.max()
    if size is not None:
        mask = nearest(mask, size)
    if not mask.any():
        at = "" if size is None else f" at {size[1]} x {size[0]}"
        raise UsageError(f"{_place(digest)}: must have pixels that are not black{at}, got none")
    mask.setflags(write=False)
    return mask


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask at another size: each pixel is the one that lies at its centre."""
    rows, columns = ((2 * np.arange(n) + 1) * own // (2 * n) for n, own in zip(size, mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]


def _decode(digest: str, size, grey: bool) -> np.ndarray:
    from PIL import Image, ImageOps

    path = _place(digest)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: must stay as it was when it was listed: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise UsageError(f"{path}: must stay as it was when it was listed, got other contents")
    with _opened(path, data=data) as image:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata
                image = ImageOps.exif_transpose(image)
                image = _eight_bits(image, path).convert("L" if grey else "RGB")
                if size is not None and image.size != (size[1], size[0]):
                    image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        except UsageError:
            raise
        except _BROKEN as error:
            raise UsageError(f"{path}: must be an image that can be read: {_reason(error)}") from None
        pixels = np.array(image, order="C")
    pixels = pixels[..., None] if grey else pixels
    pixels.setflags(write=False)
    return pixels


def _eight_bits(image, path: Path):
    """Return an image of a mode that `convert` takes to L or RGB without loss of meaning."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() > 0xFFFF:
            raise UsageError(f"{path}: must have 8 or 16 bits a channel, got {values.dtype} values")
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode in ("PA", "LA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image
