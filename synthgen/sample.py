"""A sample: one image with its label, its fields and the parameters it was drawn from."""

import re
from dataclasses import dataclass

import numpy as np

from synthgen.errors import FormatError, UsageError

_LABEL_DIGITS = 6
_INDEX_DIGITS = 8
# A key of the usual length, and where its numbers stand in it.
_EXAMPLE = b"c000000-i00000000"
_LABEL_COLUMNS = slice(1, 1 + _LABEL_DIGITS)
_INDEX_COLUMNS = slice(3 + _LABEL_DIGITS, None)
_TEN = np.uint32(10)
_ZERO = np.uint32(ord("0"))
KEY_PATTERN = re.compile(r"c(\d{6,9})-i(\d{8,12})", re.ASCII)
_MOST_IDS_OF_8_BITS = 2**8 - 1


def format_key(label: int, index: int) -> str:
    """Return the key of a sample.

    Examples
    --------
    >>> format_key(12, 34)
    'c000012-i00000034'
    """
    return f"c{label:06d}-i{index:08d}"


def format_keys(labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the keys of many samples at once, as an array of ASCII bytes.

    Examples
    --------
    >>> format_keys(np.array([12]), np.array([34]))
    array([b'c000012-i00000034'], dtype='|S17')
    """
    has_short_labels = labels.max(initial=0) < 10**_LABEL_DIGITS
    has_short_indices = indices.max(initial=0) < 10**_INDEX_DIGITS
    if not (has_short_labels and has_short_indices):
        pairs = zip(labels.tolist(), indices.tolist(), strict=True)
        long_keys = [format_key(label, index) for label, index in pairs]
        return np.array(long_keys, dtype="S")

    # One column of characters at a time: 30 times faster than formatting each key.
    width = len(_EXAMPLE)
    text = np.empty((len(labels), width), np.uint8)
    text[:] = np.frombuffer(_EXAMPLE, np.uint8)
    _write_digits(text[:, _LABEL_COLUMNS], labels)
    _write_digits(text[:, _INDEX_COLUMNS], indices)

    rows: np.ndarray = text.view(f"S{width}")
    return rows.ravel()


def _write_digits(text: np.ndarray, numbers: np.ndarray) -> None:
    """Write each number right-aligned into its row, with zeros before it."""
    rest = numbers.astype(np.uint32)
    for column in reversed(range(text.shape[1])):
        tens = rest // _TEN  # twice as fast as `divmod`
        digits = rest - tens * _TEN
        text[:, column] = digits + _ZERO
        rest = tens


def parse_key(key: str) -> tuple[int, int]:
    """Return (label, index) of a key; raise `FormatError` for any other text.

    Examples
    --------
    >>> parse_key("c000012-i00000034")
    (12, 34)
    """
    match = KEY_PATTERN.fullmatch(key)
    if match is None:
        raise FormatError(f"key must look like c000012-i00000034, got {key[:40]!r}")

    label, index = match.groups()
    return int(label), int(index)


@dataclass(frozen=True)
class FieldSpec:
    """What one field of every sample of a data set is.

    Parameters
    ----------
    dtype : str
        NumPy name, for example ``uint8``.
    shape : tuple of int
        (H, W) or (H, W, channels).
    kind : str
        ``image``; ``mask`` (0 or 255); ``coverage`` (uint8, the object's alpha, 255 = all of a pixel); ``ids``
        (0 = nothing; uint8, or uint16 where a sample may hold more than 255 objects);
        ``depth`` (float32, distance along the ray, inf = nothing); ``normal`` (float32 (H, W, 3), unit vectors
        to 1 %, 0 = nothing); ``array`` (anything else).
    """

    dtype: str
    shape: tuple[int, ...]
    kind: str = "image"


@dataclass(frozen=True)
class PaletteImage:
    """An image that is a function of one gray value, kept as such because it encodes three times faster.

    Parameters
    ----------
    indices : ndarray of uint8, (H, W)
        For each pixel a row of `colors`.
    colors : ndarray of uint8, (n, 3)
        RGB colors, n <= 256.
    """

    indices: np.ndarray
    colors: np.ndarray

    def to_rgb(self) -> np.ndarray:
        """Return the image as uint8 (H, W, 3)."""
        return np.take(self.colors, self.indices, axis=0)  # 4 times faster than colors[indices]


def id_dtype(objects: int) -> str:
    """Return the smallest type of ids, ``uint8`` or ``uint16``, for a picture of so many objects at most."""
    return "uint8" if objects <= _MOST_IDS_OF_8_BITS else "uint16"


def semantic_map(instances: np.ndarray, objects: list[dict]) -> np.ndarray:
    """Return the source class of each pixel of a multi-formula image.

    Parameters
    ----------
    instances : ndarray of uint8 or uint16, (H, W)
        ``fields["instances"]``: ids from 1, 0 for the background.
    objects : list of dict
        ``params["objects"]``, each with ``id`` and, in its ``params``, ``source_class``.

    Returns
    -------
    ndarray of int32, (H, W)
        -1 for the background.

    Raises
    ------
    UsageError
        If the objects have no source classes, as those of most families.

    Examples
    --------
    >>> objects = [{"id": 1, "params": {"source_class": 7}}, {"id": 2, "params": {"source_class": 5}}]
    >>> semantic_map(np.array([[0, 2]], np.uint8), objects)
    array([[-1,  5]], dtype=int32)
    """
    largest = np.iinfo(instances.dtype).max
    table = np.full(largest + 1, -1, np.int32)
    for thing in objects:
        params = thing.get("params", {})
        if "source_class" not in params:
            found = ", ".join(params)
            raise UsageError(f"objects must have a source_class for a semantic map, got {found}")
        table[thing["id"]] = params["source_class"]
    return table[instances]


class Sample:
    """One image of a data set.

    Parameters
    ----------
    key : str
        ``c000012-i00000034``: class and index.
    pixels : ndarray of uint8, (H, W, 3) or (H, W), or PaletteImage
        The image as it was drawn.
    label : int
        The class.
    fields : dict of ndarray
        Exact by-products of the drawing, for example ``fields["mask"]``, uint8 (H, W), 0 or 255.
    params : dict
        JSON-able; the sample can be drawn again from it. Always has ``class`` and ``index``.

    Attributes
    ----------
    image : ndarray of uint8, (H, W, 3) or (H, W)
        The pixels, as an array.
    """

    __slots__ = ("fields", "key", "label", "params", "pixels")

    def __init__(
        self,
        key: str,
        pixels: np.ndarray | PaletteImage,
        label: int,
        fields: dict[str, np.ndarray] | None = None,
        params: dict | None = None,
    ):
        self.key = key
        self.pixels = pixels
        self.label = label
        self.fields = {} if fields is None else fields
        self.params = {} if params is None else params

    @property
    def image(self) -> np.ndarray:
        """The image as an array; a palette image is expanded once."""
        if isinstance(self.pixels, PaletteImage):
            self.pixels = self.pixels.to_rgb()
        return self.pixels

    def __repr__(self):
        shape = np.shape(self.image)
        fields = sorted(self.fields)
        return f"Sample({self.key!r}, label={self.label}, image={shape}, fields={fields})"
