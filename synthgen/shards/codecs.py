"""Pixels to bytes and back: what is stored for one field of one sample.

PNG is written by hand, with one filter for the whole image and a single IDAT chunk deflated by ISA-L: ten times
faster than the usual encoders, and any reader of PNG opens it. Files of that form are decoded here; Pillow reads
all others. Raw images are their planes, as training code wants them. Sizes are checked before memory is taken.
"""

import io
import math
import struct
import tokenize
import zlib
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from isal import isal_zlib

from synthgen.errors import FormatError, UsageError, one_line
from synthgen.sample import FieldSpec, PaletteImage

# Depth and normals are stored as the pixels of an RGB PNG, which every reader decodes: see FORMAT.md.
DEPTH_UNIT = 1 / 8192
_MOST_DEPTH = 2**16 - 1
_NORMAL_STEPS = 127
_NORMAL_ZERO = 128
# What `--codec` offers for images. Masks and ids are always PNG, arrays always NPY.
Codec = Literal["png", "png-stored", "raw", "jpeg"]
StoredCodec = Literal["png", "png-stored", "raw", "jpeg", "npy"]
CODECS: tuple[str, ...] = get_args(Codec)
LOSSY = ("jpeg",)
RAW = "raw"
JPEG_QUALITY = 90
# What makes the bytes of a PNG; part of the storage fingerprint. ISA-L at level 1, used as `_deflate` says.
ENCODER = "isal-deflate-1-after-4"
_LEVEL = 1
# Bytes that are stored as they are, before those that are deflated.
_FIRST = 4
# How ISA-L is asked for a deflate stream without zlib's head and checksum, which stand here.
_WITHOUT_HEAD = -15
_ZLIB_HEAD = b"\x78\x01"
# A block of stored bytes: that more blocks follow, its size, and the size inverted.
_STORED_BLOCK = struct.Struct("<BHH")

# What ISA-L raises for bytes that are no deflate stream.
_NOT_DEFLATE: Any = isal_zlib.error

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NUMBER = struct.Struct(">I")
# Width, height, bits, color type, compression, filtering, interlacing.
_HEADER = struct.Struct(">IIBBBBB")
# Color types and filters, as PNG numbers them.
_GRAY = 0
_RGB = 2
_PALETTE = 3
_NONE = 0
_UP = 2
_JPEG_START = b"\xff\xd8\xff"


def codec_of(spec: FieldSpec, image_codec: Codec) -> StoredCodec:
    """Return the codec that a field is stored with, given the one chosen for images."""
    special: dict[str, StoredCodec] = {"image": image_codec, "array": "npy"}
    return special.get(spec.kind, "png")


def suffix(codec: str) -> str:
    """Return the file name's ending for a codec."""
    endings = {"png": "png", "png-stored": "png", "raw": "raw", "jpeg": "jpg", "npy": "npy"}
    return endings[codec]


def is_picture(codec: str) -> bool:
    """Return whether programs that show images open what a codec stores."""
    return suffix(codec) in ("png", "jpg")


def as_stored(value: np.ndarray, kind: str) -> np.ndarray:
    """Return a depth or a normal field rounded to what the format stores."""
    pixels = _pack(value, kind)
    return _unpack(pixels, kind)


def _pack(value, kind: str):
    """Return depth or normals as uint8 (H, W, 3), other kinds as they are."""
    if kind == "depth":
        steps = np.rint(value / DEPTH_UNIT)
        steps = np.clip(steps, 1, _MOST_DEPTH)
        code = np.where(np.isfinite(value), steps, 0).astype(np.uint16)

        high = code >> 8
        low = code & 255
        pixels = np.stack([high, low, np.zeros_like(code)], axis=-1)
        return pixels.astype(np.uint8)

    if kind == "normal":
        steps = np.rint(value * _NORMAL_STEPS)
        return (steps + _NORMAL_ZERO).astype(np.uint8)
    return value


def _unpack(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Return what `_pack` was given, as float32, rounded."""
    if kind == "depth":
        high = pixels[..., 0].astype(np.float32)
        low = pixels[..., 1]
        code = high * 256 + low
        distance = code * np.float32(DEPTH_UNIT)
        return np.where(code > 0, distance, np.float32(np.inf))

    # Not scaled to length 1 again: what was read must be stored as the same bytes.
    steps = pixels.astype(np.float32) - _NORMAL_ZERO
    return steps / np.float32(_NORMAL_STEPS)


def encode(value, codec: str, kind: str = "image") -> bytes:
    """Encode one field of one sample.

    Parameters
    ----------
    value : PaletteImage, or ndarray
        uint8 of shape (H, W) or (H, W, 3) for the image codecs, uint16 (H, W) for ids; anything numeric for
        ``npy``; float32 for the kinds ``depth`` and ``normal``.
    codec : str
        ``png``, ``png-stored`` (not compressed: large and fast to read), ``raw`` (the planes, larger and read
        fastest), ``jpeg`` (lossy) or ``npy``.
    """
    value = _pack(value, kind)
    if codec in ("png", "png-stored"):
        return encode_png(value, compress=codec == "png")
    if codec == RAW:
        return channels_first(value).tobytes()
    if codec == "jpeg":
        return _encode_jpeg(value)
    if codec == "npy":
        return _encode_npy(value)
    known = ", ".join(CODECS)
    raise UsageError(f"codec must be one of {known}, got {codec!r}")


def decode(data, spec: FieldSpec, checked: bool = False, codec: str | None = None) -> np.ndarray:
    """Decode one field of one sample into the array that `spec` promises.

    Parameters
    ----------
    data : bytes-like
        As stored.
    spec : FieldSpec
    checked : bool
        Whether the bytes were compared with the checksum of the shard: those within a PNG are not, then.
    codec : str, optional
        What the field is stored with. Raw pixels cannot be told from their bytes, all others can.

    Raises
    ------
    FormatError
        If the bytes are damaged, or hold anything but such an array.
    """
    if codec == RAW:
        return _decode_raw(data, spec)
    if spec.kind == "array":
        return _decode_npy(data, spec)
    if spec.kind in ("depth", "normal"):
        shape = (*spec.shape[:2], 3)
        colored = decode(data, FieldSpec("uint8", shape), checked)
        return _unpack(colored, spec.kind)
    if spec.kind == "image" and bytes(data[:3]) == _JPEG_START:
        return _decode_pillow(data, spec)

    colors, pixels = decode_png(data, spec.shape, spec.dtype, checked)
    if colors is None:
        return pixels
    return PaletteImage(pixels, colors).to_rgb()


def channels_first(value) -> np.ndarray:
    """Return the planes of an image, (H, W), (H, W, 3) or `PaletteImage`, as uint8 (C, H, W)."""
    pixels = value.to_rgb() if isinstance(value, PaletteImage) else value
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def planes_shape(spec: FieldSpec) -> tuple[int, int, int]:
    """Return (C, H, W) of an image."""
    height, width, *channels = spec.shape
    return (channels[0] if channels else 1, height, width)


def check_raw_size(size: int, spec: FieldSpec) -> None:
    """Raise `FormatError` unless so many bytes are the raw pixels of an image."""
    expected = math.prod(spec.shape)
    if size != expected:
        raise FormatError(f"raw image must have {expected} bytes, got {size}")


def _decode_raw(data, spec: FieldSpec) -> np.ndarray:
    """Return raw pixels as an image, (H, W) or (H, W, 3)."""
    check_raw_size(len(data), spec)
    planes = np.frombuffer(data, np.uint8).reshape(planes_shape(spec))
    pixels = planes.transpose(1, 2, 0)
    return np.ascontiguousarray(pixels).reshape(spec.shape)


def encode_png(value, compress=True) -> bytes:
    """Encode an image as PNG; `value` as in `encode`."""
    chunks = b""
    if isinstance(value, PaletteImage):
        pixels = value.indices
        color_type = _PALETTE
        chunks = _chunk(b"PLTE", value.colors.tobytes())
    else:
        pixels = value
        color_type = _RGB if value.ndim == 3 else _GRAY

    height, width = pixels.shape[:2]
    bits = 8 * pixels.itemsize
    head = _head(width, height, bits, color_type)

    rows = _filtered(pixels, up=color_type == _RGB and compress)
    packed = _deflate(rows) if compress else zlib.compress(rows.data, 0)
    return b"".join((head, chunks, _chunk(b"IDAT", packed), _END))


def _filtered(pixels: np.ndarray, up: bool) -> np.ndarray:
    """Return the rows of an image as PNG stores them, each behind the number of its filter.

    Neighboring rows resemble each other in RGB that looks like photographs. Indices and masks compress better
    without a filter.
    """
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(">u2").view(np.uint8)
    lines = pixels.reshape(len(pixels), -1)
    height, stride = lines.shape

    rows = np.zeros((height, stride + 1), dtype=np.uint8)  # filter 0: none
    rows[:, 1:] = lines
    if up:
        rows[:, 0] = _UP
        rows[1:, 1:] -= lines[:-1]
    return rows


def _deflate(rows: np.ndarray) -> bytes:
    """Return a zlib stream of the rows that depends on nothing but the rows.

    ISA-L enters the second and third byte of a stream into its table of hashes under what a register happens to
    hold, an address (`write_first_byte` in `igzip_icf_body_h1_gr_bt.asm`), so that each process may write other
    bytes. Where it is given a dictionary, that code is not run. So the first four bytes are stored as they are, and
    are the dictionary of the rest: 9 bytes and 4 microseconds more for a small image. Flushing them took 6.
    """
    data = rows.data.cast("B")
    first = bytes(data[:_FIRST])
    size = len(first)
    head = _STORED_BLOCK.pack(0, size, size ^ 0xFFFF)

    stream = isal_zlib.compressobj(_LEVEL, wbits=_WITHOUT_HEAD, zdict=first)
    rest = stream.compress(data[_FIRST:])
    check = _NUMBER.pack(isal_zlib.adler32(data))
    return b"".join((_ZLIB_HEAD, head, first, rest, stream.flush(), check))


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    size = _NUMBER.pack(len(data))
    check = _NUMBER.pack(isal_zlib.crc32(body))
    return b"".join((size, body, check))


_END = _chunk(b"IEND", b"")


@lru_cache(maxsize=64)
def _head(width: int, height: int, bits: int, color_type: int) -> bytes:
    header = _HEADER.pack(width, height, bits, color_type, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header)


def heads_of(shape: tuple[int, ...]) -> tuple[bytes, bytes]:
    """Return what PNGs of 8 bits written here begin with: without a palette, and with one; gray ones have none."""
    height, width = shape[:2]
    if len(shape) == 2:
        return _head(width, height, 8, _GRAY), b""
    return _head(width, height, 8, _RGB), _head(width, height, 8, _PALETTE)


class UnpackedPng(NamedTuple):
    """A PNG, inflated.

    Attributes
    ----------
    colors : ndarray of uint8, (n, 3), or None
        The palette, where the pixels are indices into one.
    rows : ndarray of uint8, (H, 1 + bytes of a row)
        The filtered bytes of each row, behind the number of its filter.
    """

    colors: np.ndarray | None
    rows: np.ndarray


def unpack_png(data, shape: tuple[int, ...], dtype: str = "uint8", checked: bool = False) -> UnpackedPng:
    """Inflate a PNG.

    Parameters
    ----------
    data : bytes-like
    shape : (H, W) or (H, W, 3)
        What the image must be; anything else is refused before it is unpacked.
    dtype : {'uint8', 'uint16'}
        16 bits are for (H, W) only.
    checked : bool
        As for `decode`.

    Raises
    ------
    FormatError
        If the file is damaged or holds another image.
    """
    data = memoryview(data)
    if data[:8] != _SIGNATURE:
        raise FormatError("image must be a PNG file, its signature is missing")

    item = np.dtype(dtype).itemsize
    color_type, colors, packed = _parts(data, shape, 8 * item, checked)
    height, width = shape[:2]
    channels = 3 if color_type == _RGB else 1
    row_bytes = 1 + width * channels * item
    raw = _inflate(packed, height * row_bytes)
    return UnpackedPng(colors, raw.reshape(height, row_bytes))


def decode_png(
    data, shape: tuple[int, ...], dtype: str = "uint8", checked: bool = False
) -> tuple[np.ndarray | None, np.ndarray]:
    """Decode a PNG into (colors, pixels).

    Parameters and errors are those of `unpack_png`.

    Returns
    -------
    colors : ndarray of uint8, (n, 3), or None
        The palette, where the file has one; `pixels` are then (H, W) indices into it.
    pixels : ndarray of `dtype`
        (H, W), or (H, W, 3) for true color.
    """
    colors, rows = unpack_png(data, shape, dtype, checked)
    pixels = _unfiltered(rows)
    if pixels is None:
        spec = FieldSpec(dtype, shape)
        return None, _decode_pillow(data, spec)

    if dtype == "uint16":
        pairs = np.ascontiguousarray(pixels)
        pixels = pairs.view(">u2").astype(np.uint16)
    if colors is None:
        return None, pixels.reshape(shape)
    largest = int(pixels.max())
    check_colors(largest, colors)
    return colors, pixels


def _unfiltered(rows: np.ndarray) -> np.ndarray | None:
    """Return the bytes of the pixels, or None where rows are filtered in another way than ours."""
    filters = rows[:, 0]
    pixels = rows[:, 1:]
    first = int(filters[0])

    # All rows have one filter where we wrote the file.
    if (filters != first).any():
        return None
    if first == _UP:
        return np.add.accumulate(pixels, axis=0, dtype=np.uint8)
    return pixels if first == _NONE else None


def check_colors(largest: int, colors: np.ndarray) -> None:
    """Raise `FormatError` unless a palette has the largest color that an image uses."""
    if largest >= len(colors):
        raise FormatError(f"PNG uses color {largest} of a palette of {len(colors)}")


def _parts(
    data: memoryview, shape: tuple[int, ...], bits: int, checked: bool
) -> tuple[int, np.ndarray | None, list[memoryview]]:
    """Return color type, palette or None, and the pieces of the packed stream of a PNG."""
    color_type = None
    colors = None
    packed = []
    for kind, body in _chunks(data, checked):
        if kind == b"IHDR":
            color_type = _check_header(body, shape, bits)
        elif kind == b"PLTE":
            whole = len(body) // 3 * 3
            colors = np.frombuffer(body[:whole], dtype=np.uint8).reshape(-1, 3)
        elif kind == b"IDAT":
            packed.append(body)

    if color_type in (_RGB, _GRAY):
        return color_type, None, packed  # a palette is a suggestion for poor displays then
    if color_type is None or colors is None:
        raise FormatError("PNG must have a header, and a palette if it says so")
    if len(colors) > 256:
        raise FormatError(f"PNG must have at most 256 colors, got {len(colors)}")
    return color_type, colors, packed


def _chunks(data: memoryview, checked: bool):
    """Yield (kind, body) of each chunk of a PNG, compared with its CRC unless all bytes were checked before."""
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (size,) = _NUMBER.unpack_from(data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            break

        body = data[at + 4 : end]
        (check,) = _NUMBER.unpack_from(data, end)
        if not checked and isal_zlib.crc32(body) != check:
            raise FormatError(f"PNG is damaged: checksum of chunk at byte {at}")

        kind = bytes(body[:4])
        yield kind, body[4:]
        if kind == b"IEND":
            return
        at = end + 4
    raise FormatError("PNG is cut off: it does not reach its IEND chunk")


def _check_header(body, shape: tuple[int, ...], bits: int) -> int:
    """Return the color type of a PNG that is the image it should be; raise `FormatError` for another."""
    if len(body) != 13:
        raise FormatError(f"PNG header must have 13 bytes, got {len(body)}")

    width, height, depth, color_type, *rest = _HEADER.unpack(body)
    allowed = (_RGB, _PALETTE) if len(shape) == 3 else (_GRAY,)
    has_size = (height, width) == tuple(shape[:2])
    has_type = depth == bits and color_type in allowed
    if has_size and has_type and not any(rest):
        return color_type

    types = " or ".join(map(str, allowed))
    size = f"{shape[1]}x{shape[0]}"
    expected = f"{size}, {bits} bits, color type {types}"
    found = f"{width}x{height}, {depth} bits, color type {color_type}"
    raise FormatError(f"PNG must be {expected}, got {found}")


def _inflate(parts: list, size: int) -> np.ndarray:
    """Unpack a zlib stream of exactly `size` bytes."""
    packed = parts[0] if len(parts) == 1 else b"".join(parts)
    stream = isal_zlib.decompressobj()
    try:
        raw = stream.decompress(packed, size + 1)
    except _NOT_DEFLATE as error:
        raise FormatError(f"PNG is damaged: {error}") from None
    if len(raw) != size or not stream.eof:
        raise FormatError(f"PNG must unpack to {size} bytes, got {len(raw)} or more")
    return np.frombuffer(raw, dtype=np.uint8)


def _encode_jpeg(value) -> bytes:
    from PIL import Image

    pixels = value.to_rgb() if isinstance(value, PaletteImage) else value
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _decode_pillow(data, spec: FieldSpec) -> np.ndarray:
    from PIL import Image

    height, width = spec.shape[:2]
    mode = "RGB" if len(spec.shape) == 3 else "L"
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.size != (width, height):
                found = "x".join(map(str, image.size))
                raise FormatError(f"image must be {width}x{height}, got {found}")
            # Pillow opens 16 bits in a mode of its own, which differs between its versions.
            plain = image.convert(mode) if spec.dtype == "uint8" else image
            return np.asarray(plain).astype(spec.dtype)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"image is damaged: {error}") from None


def _encode_npy(value) -> bytes:
    out = io.BytesIO()
    array = np.ascontiguousarray(value)
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _decode_npy(data, spec: FieldSpec) -> np.ndarray:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=1024)
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise FormatError(f"array is damaged: {one_line(error)}") from None

    expected = tuple(spec.shape)
    is_plain = version == (1, 0) and not fortran
    has_type = dtype == np.dtype(spec.dtype)
    if not is_plain or not has_type or shape != expected:
        raise FormatError(f"array must be {spec.dtype} {expected}, got {dtype} {shape}")

    start = stream.tell()
    size = len(data) - start
    count = math.prod(shape)
    if size != count * dtype.itemsize:
        raise FormatError(f"array must have {count} values, got {size} bytes")
    values = np.frombuffer(data, dtype=dtype, offset=start)
    return values.reshape(shape)
