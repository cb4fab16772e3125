"""The user's own pictures: a folder is listed once with digests, and pixels are found by their digest."""

import hashlib
import struct
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from synthgen.compose import decoding, masks
from synthgen.errors import UsageError
from synthgen.shards.files import check_local, sha256_of

# Read by Pillow's own code alone: EPS, for one, would start Ghostscript.
FORMATS = {
    ".bmp": "BMP", ".jpeg": "JPEG", ".jpg": "JPEG", ".pgm": "PPM", ".png": "PNG", ".ppm": "PPM", ".tif": "TIFF",
    ".tiff": "TIFF", ".webp": "WEBP",
}  # fmt: skip
LEAST_SIDE = 16
MOST_PIXELS = 2**26
MOST_BYTES = 2**29
_CACHE_BYTES = 2**28
_GRAY_MODES = {"1", "L", "LA", "I;16", "I;16B", "I;16L", "I;16N", "I"}
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


File = TypeVar("File", Path, Picture)

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
    check_local(folder)
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"{option} must be a folder of images, got {folder!r}")

    try:
        files = [file for file in path.iterdir() if _is_image(file)]
    except OSError as error:
        raise UsageError(f"{option} must be a folder that can be read, got {folder!r}: {error.strerror}") from None
    if not files:
        raise UsageError(f"{option} must hold images ({', '.join(FORMATS)}), got none in {folder!r}")

    files.sort(key=lambda file: file.name)
    return tuple(_register(file, least) for file in files)


def one_picture(file: str, option: str, least: int = 1) -> Picture:
    """Return a single image file as `list_pictures` does those of a folder."""
    path = Path(file)
    if not _is_image(path):
        suffixes = ", ".join(FORMATS)
        raise UsageError(f"{option} must be an image file ({suffixes}), got {file!r}")
    return _register(path, least)


def by_name(files: Iterable[File], name: Callable[[File], Hashable], rule: str) -> dict[Any, File]:
    """Return files by the names that pair them with others.

    Parameters
    ----------
    files : iterable of Path or Picture
    name : callable
        Takes a file and returns its name, such as the one without the ending.
    rule : str
        How the error begins: whose files they are, and what they must be.

    Raises
    ------
    UsageError
        If two files have one name: either could be meant.
    """
    found: dict[Any, File] = {}
    for file in files:
        own = name(file)
        if own in found:
            raise UsageError(f"{rule}, got {found[own].name} and {file.name}")
        found[own] = file
    return found


def digest_of(pictures) -> str:
    """Return the SHA-256 of names and contents of pictures, in hexadecimal."""
    text = "".join(f"{picture.sha256}  {picture.name}\n" for picture in pictures)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _is_image(path: Path) -> bool:
    if path.suffix.lower() not in FORMATS or path.name.startswith("."):
        return False
    return path.is_file() or (
        path.is_symlink() and not path.exists()
    )  # a link to nothing is an error once it is read


def _register(path: Path, least: int) -> Picture:
    try:
        status = path.stat()
        digest = _checked_digest(path.absolute(), least, status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None

    _PLACES[digest] = path.absolute()
    name = path.name.encode("utf-8", "replace").decode()
    return Picture(name, digest)


@lru_cache(maxsize=2**17)
def _checked_digest(path: Path, least: int, *status: int) -> str:
    with _opened(path, least):
        return sha256_of(path)


def are_gray(pictures) -> bool:
    """Return whether all of some pictures have one channel."""
    return all(_is_gray(picture.sha256) for picture in pictures)


@lru_cache(maxsize=2**16)
def _is_gray(digest: str) -> bool:
    with _opened(_place(digest)) as image:
        return image.mode in _GRAY_MODES


def _place(digest: str) -> Path:
    if digest not in _PLACES:
        raise UsageError(
            f"image {digest[:12]} must lie in a folder of the recipe; list it first with `inputs(options)`"
        )
    return _PLACES[digest]


def _opened(path: Path, least: int = 1, data: bytes | None = None):
    """Return a Pillow image of which only the header has been read; its size is checked."""
    from PIL import Image

    formats = sorted(set(FORMATS.values()))
    try:
        with _readable(path):
            length = path.stat().st_size
            if length > MOST_BYTES:
                raise UsageError(f"{path}: must have at most {MOST_BYTES:,} bytes, got {length:,}")
            image = Image.open(path if data is None else BytesIO(data), formats=formats)
    except Image.DecompressionBombError:
        raise UsageError(f"{path}: must have at most {MOST_PIXELS:,} pixels, got more") from None

    try:
        _check_size(image, path, least)
    except UsageError:
        image.close()
        raise
    return image


def _check_size(image, path: Path, least: int) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UsageError(f"{path}: must have at most {MOST_PIXELS:,} pixels, got {width} x {height}")
    if min(width, height) < least:
        raise UsageError(f"{path}: must be at least {least} pixels wide and high, got {width} x {height}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, cut off, or no image"


class _Cache:
    """Decoded pictures, the last used ones up to a number of bytes; readers in threads may share it."""

    def __init__(self, most: int):
        self._most = most
        self._bytes = 0
        self._held: OrderedDict[tuple, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key, make):
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]

        value = make()  # outside the lock: others may read meanwhile
        with self._lock:
            self._keep(key, value)
        return value

    def _keep(self, key, value) -> None:
        if key not in self._held:
            self._held[key] = value
            self._bytes += value.nbytes

        while self._bytes > self._most and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._bytes -= oldest.nbytes


_cache = _Cache(_CACHE_BYTES)


def read_picture(digest: str, size: tuple[int, int] | None, gray: bool, bits: int | None = None) -> np.ndarray:
    """Return the pixels of a listed picture.

    The camera's rotation (EXIF) is applied; 16-bit values keep their upper byte; palettes are looked up; what is
    transparent lies over black; of several frames the first counts; see `synthgen.compose.decoding`. Then the
    picture is stretched to `size`, with antialiasing.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    size : (int, int) or None
        Height and width in pixels; None keeps its own.
    gray : bool
        Luma instead of colors.
    bits : int, optional
        Bits that are used of the 16 of a deep file, such as 12; see `decoding.eight_bits`.

    Returns
    -------
    ndarray of uint8, (H, W, 1) or (H, W, 3)
        Not to be written to: it is kept for the next reader.

    Raises
    ------
    UsageError
        If the file has changed or vanished since it was listed, or cannot be decoded.
    """
    decoding.check_bits(bits)
    return _cache.get((digest, size, gray, bits), lambda: _decode(digest, size, gray, bits))


def read_mask(digest: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the mask in a listed picture, by the rule of `synthgen.compose.masks`.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    size : (int, int), optional
        Height and width in pixels, to which it is stretched by nearest neighbors; its own by default.

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


def read_cutout(digest: str, gray: bool) -> np.ndarray:
    """Return a listed picture of a defect that was cut out, with its alpha channel.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    gray : bool
        Luma instead of colors.

    Returns
    -------
    ndarray of uint8, (H, W, 2) or (H, W, 4)
        Gray or RGB, and alpha. Not to be written to.

    Raises
    ------
    UsageError
        As `read_picture`; also if nothing is transparent, or everything.
    """
    return _cache.get((digest, gray, "cutout"), lambda: _decode_cutout(digest, gray))


def _decode_cutout(digest: str, gray: bool) -> np.ndarray:
    path = _place(digest)
    with _opened(path, data=_contents(digest)) as image, _readable(path):
        image = _decoded(image, path)
        image = image.convert("RGBA").convert("LA" if gray else "RGBA")
        pixels = np.array(image, order="C")

    alpha = pixels[..., -1]
    if alpha.min() == 255 or alpha.max() < 128:
        given = "all opaque" if alpha.min() == 255 else "nothing opaque"
        raise UsageError(f"{path}: must be transparent around the defect (an alpha channel), got {given}")
    pixels.setflags(write=False)
    return pixels


def mask_values(digest: str, usual: float = masks.USUAL) -> np.ndarray:
    """Return how bright the mask in a listed picture is, (H, W), and 0 where there is none.

    A mask that covers more than the share `usual` of the image deserves a warning.

    Raises
    ------
    UsageError
        As `read_picture`; also if a value is negative or not finite.
    """
    path = _place(digest)
    data = _contents(digest)

    with _opened(path, data=data) as image:
        lossy = masks.is_lossy(image, data)
        image = _decoded(image, path)
    return masks.mask_values(image, path, lossy, usual)


def _decode_mask(digest: str, size: tuple[int, int] | None) -> np.ndarray:
    mask = mask_values(digest) > 0
    if size is not None:
        mask = nearest(mask, size)

    if not mask.any():
        at = "" if size is None else f" at {size[1]} x {size[0]}"
        raise UsageError(f"{_place(digest)}: must have pixels that are not black{at}, got none")
    mask.setflags(write=False)
    return mask


def nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image (H, W) at another size: each pixel is the one that lies at its center."""
    rows = _centers(size[0], values.shape[0])
    columns = _centers(size[1], values.shape[1])
    return values[np.ix_(rows, columns)]


def _centers(new: int, old: int) -> np.ndarray:
    """Return for each of `new` places along an axis which of `old` ones lies at its center."""
    middles = 2 * np.arange(new) + 1  # in halves of a new place
    return middles * old // (2 * new)


def _contents(digest: str) -> bytes:
    """Return the bytes of a listed picture, which must be those that were listed."""
    path = _place(digest)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: must stay as it was when it was listed: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise UsageError(f"{path}: must stay as it was when it was listed, got other contents")
    return data


@contextmanager
def _readable(path: Path):
    """Turn what Pillow raises for a broken file into one line; its warnings of odd metadata are dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UsageError:
        raise
    except _BROKEN as error:
        raise UsageError(f"{path}: must be an image that can be read: {_reason(error)}") from None


def _decoded(image, path: Path):
    """Return an image with its pixels read, turned as the camera was held."""
    from PIL import ImageOps

    with _readable(path):
        return ImageOps.exif_transpose(image)


def _decode(digest: str, size: tuple[int, int] | None, gray: bool, bits: int | None) -> np.ndarray:
    path = _place(digest)
    data = _contents(digest)
    image = _eight_bits(path, data, bits)
    image = image.convert("L" if gray else "RGB")
    if size is not None:
        image = stretched(image, size)

    pixels = np.array(image, order="C")

    pixels = pixels[..., None] if gray else pixels
    pixels.setflags(write=False)
    return pixels


def _eight_bits(path: Path, data: bytes, bits: int | None):
    """Return the image in a file as 8 bits of gray or color."""
    lower = None
    with _opened(path, data=data) as image:
        with _readable(path):
            pages = decoding.pages_in(image)
        decoding.tell_pages(pages, path)
        if decoding.has_lower_bytes(image):
            lower = _lower_bytes(path, data)
        elif decoding.is_deep(image) and bits is not None:
            raise UsageError(f"{path}: must be gray or RGB to be read with {bits} bits, got {image.mode}")
        negative = decoding.is_negative(image)
        decoded = _decoded(image, path)
        return decoding.eight_bits(decoded, path, bits, lower, negative)


def _lower_bytes(path: Path, data: bytes):
    """Return the lower bytes of an image with 16 bits in several channels."""
    with _opened(path, data=data) as image:
        decoding.read_lower_bytes(image)
        return _decoded(image, path)


def stretched(image, size: tuple[int, int]):
    """Return a Pillow image at another (H, W), bilinearly with antialiasing."""
    from PIL import Image

    if image.size == (size[1], size[0]):
        return image
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
