"""Pixels to bytes and back: what is stored for one field of one sample.

PNG is written by hand, with one filter for the whole image and a single IDAT chunk deflated by ISA-L: ten times
faster than the usual encoders, and any reader of PNG opens it. Files of that form are decoded here; Pillow reads
all others. Sizes are checked before memory is taken.
"""

import io
import struct
import tokenize
import zlib
from functools import lru_cache

import numpy as np
from isal import isal_zlib

from synthgen.errors import FormatError, UsageError
from synthgen.sample import FieldSpec, PaletteImage

# Depth and normals are stored as the pixels of an RGB PNG, which every reader decodes: see FORMAT.md.
DEPTH_UNIT = 1 / 8192
_NORMAL_STEPS = 127
# What `--codec` offers for images. Masks and ids are always PNG, arrays always NPY.
CODECS = ("png", "png-stored", "jpeg")
LOSSY = ("jpeg",)
JPEG_QUALITY = 90

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE = 0, 2, 3
_NONE, _UP = 0, 2
_JPEG_START = b"\xff\xd8\xff"


def codec_of(spec: FieldSpec, image_codec: str) -> str:
    """Return the codec that a field is stored with, given the one chosen for images."""
    return {"image": image_codec, "array": "npy"}.get(spec.kind, "png")


def suffix(codec: str) -> str:
    """Return the file name's ending for a codec."""
    return {"png": "png", "png-stored": "png", "jpeg": "jpg", "npy": "npy"}[codec]


def as_stored(value: np.ndarray, kind: str) -> np.ndarray:
    """Return a depth or a normal field rounded to what the format stores."""
    return _unpack(_pack(value, kind), kind)


def _pack(value, kind: str):
    """Return depth or normals as uint8 (H, W, 3), other kinds as they are."""
    if kind == "depth":
        code = np.where(np.isfinite(value), np.clip(np.rint(value / DEPTH_UNIT), 1, 65535), 0).astype(np.uint16)
        return np.stack([code >> 8, code & 255, np.zeros_like(code)], axis=-1).astype(np.uint8)
    if kind == "normal":
        return (np.rint(value * _NORMAL_STEPS) + 128).astype(np.uint8)
    return value


def _unpack(pixels: np.ndarray, kind: str) -> np.ndarray:
    """Return what `_pack` was given, as float32, rounded."""
    if kind == "depth":
        code = pixels[..., 0].astype(np.float32) * 256 + pixels[..., 1]
        return np.where(code > 0, code * np.float32(DEPTH_UNIT), np.float32(np.inf))
    # Not scaled to length 1 again: what was read must be stored as the same bytes.
    return (pixels.astype(np.float32) - 128) / np.float32(_NORMAL_STEPS)


def encode(value, codec: str, kind: str = "image") -> bytes:
    """Encode one field of one sample.

    Parameters
    ----------
    value : PaletteImage, or ndarray
        uint8 of shape (H, W) or (H, W, 3) for the image codecs, anything numeric for ``npy``; float32 for the
        kinds ``depth`` and ``normal``.
    codec : str
        ``png``, ``png-stored`` (not compressed: large and fast to read), ``jpeg`` (lossy) or ``npy``.
    """
    value = _pack(value, kind)
    if codec in ("png", "png-stored"):
        return encode_png(value, compress=codec == "png")
    if codec == "jpeg":
        return _encode_jpeg(value)
    if codec == "npy":
        out = io.BytesIO()
        np.lib.format.write_array(out, np.ascontiguousarray(value), version=(1, 0), allow_pickle=False)
        return out.getvalue()
    raise UsageError(f"codec must be one of {', '.join(CODECS)}, got {codec!r}")


def decode(data, spec: FieldSpec) -> np.ndarray:
    """Decode one field of one sample into the array that `spec` promises.

    Raises
    ------
    FormatError
        If the bytes are damaged, or hold anything but such an array.
    """
    if spec.kind == "array":
        return _decode_npy(data, spec)
    if spec.kind in ("depth", "normal"):
        return _unpack(decode(data, FieldSpec("uint8", (*spec.shape[:2], 3))), spec.kind)
    if spec.kind == "image" and bytes(data[:3]) == _JPEG_START:
        return _decode_pillow(data, spec)
    colors, pixels = decode_png(data, spec.shape)
    return pixels if colors is None else PaletteImage(pixels, colors).to_rgb()


def encode_png(value, compress=True) -> bytes:
    """Encode an image as PNG; `value` as in `encode`."""
    if isinstance(value, PaletteImage):
        pixels, color_type = value.indices, _PALETTE
        chunks = _chunk(b"PLTE", value.colors.tobytes())
    else:
        pixels, color_type = value, _RGB if value.ndim == 3 else _GREY
        chunks = b""
    height, width = pixels.shape[:2]
    line = pixels.reshape(height, -1)
    rows = np.empty((height, line.shape[1] + 1), dtype=np.uint8)
    # Neighbouring rows resemble each other in photographs-like RGB; indices and masks compress better unfiltered.
    up = color_type == _RGB and compress
    rows[:, 0] = _UP if up else _NONE
    rows[:, 1:] = line
    if up:
        rows[1:, 1:] -= line[:-1]
    packed = isal_zlib.compress(rows, 1) if compress else zlib.compress(rows, 0)
    return b"".join((_head(width, height, color_type), chunks, _chunk(b"IDAT", packed), _END))


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return b"".join((struct.pack(">I", len(data)), body, struct.pack(">I", isal_zlib.crc32(body))))


_END = _chunk(b"IEND", b"")


@lru_cache(maxsize=64)
def _head(width: int, height: int, color_type: int) -> bytes:
    return _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0))


def decode_png(data, shape: tuple[int, ...]) -> tuple[np.ndarray | None, np.ndarray]:
    """Decode a PNG into (colours, pixels).

    Parameters
    ----------
    data : bytes-like
    shape : (H, W) or (H, W, 3)
        What the image must be; anything else is refused before it is unpacked.

    Returns
    -------
    colors : ndarray of uint8, (n, 3), or None
        The palette, where the file has one; `pixels` are then (H, W) indices into it.
    pixels : ndarray of uint8
        (H, W), or (H, W, 3) for true colour.

    Raises
    ------
    FormatError
        If the file is damaged or holds another image.
    """
    data = memoryview(data)
    if bytes(data[:8]) != _SIGNATURE:
        raise FormatError("image must be a PNG file, its signature is missing")
    color_type, colors, packed = None, None, []
    for kind, body in _chunks(data):
        if kind == b"IHDR":
            color_type = _check_header(body, shape)
        elif kind == b"PLTE":
            colors = np.frombuffer(body[: len(body) // 3 * 3], dtype=np.uint8).reshape(-1, 3)
        elif kind == b"IDAT":
            packed.append(body)
    if color_type is None or (color_type == _PALETTE and colors is None):
        raise FormatError("PNG must have a header, and a palette if it says so")
    if color_type != _PALETTE:
        colors = None  # a suggestion for poor displays
    elif len(colors) > 256:
        raise FormatError(f"PNG must have at most 256 colours, got {len(colors)}")
    height, width = shape[:2]
    stride = width * (3 if color_type == _RGB else 1)
    rows = _inflate(packed, height * (stride + 1)).reshape(height, stride + 1)
    filters = rows[:, 0]
    first = int(filters[0])
    if first not in (_NONE, _UP) or (filters != first).any():
        return None, _decode_pillow(data, FieldSpec("uint8", shape))
    pixels = rows[:, 1:]
    if first == _UP:
        pixels = np.add.accumulate(pixels, axis=0, dtype=np.uint8)
    if colors is not None and int(pixels.max()) >= len(colors):
        raise FormatError(f"PNG uses colour {pixels.max()} of a palette of {len(colors)}")
    return colors, pixels.reshape(shape if color_type == _RGB else shape[:2])


def _chunks(data: memoryview):
    """Yield (kind, body) of each chunk of a PNG, checked against its CRC."""
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if at + 12 + size > len(data):
            break
        body = data[at + 4 : at + 8 + size]
        if isal_zlib.crc32(body) != struct.unpack_from(">I", data, at + 8 + size)[0]:
            raise FormatError(f"PNG is damaged: checksum of chunk at byte {at}")
        kind = bytes(body[:4])
        yield kind, body[4:]
        if kind == b"IEND":
            return
        at += 12 + size
    raise FormatError("PNG is cut off: it does not reach its IEND chunk")


def _check_header(body, shape: tuple[int, ...]) -> int:
    if len(body) != 13:
        raise FormatError(f"PNG header must have 13 bytes, got {len(body)}")
    width, height, depth, color_type, *rest = struct.unpack(">IIBBBBB", body)
    allowed = (_RGB, _PALETTE) if len(shape) == 3 else (_GREY,)
    if (height, width) != tuple(shape[:2]) or depth != 8 or color_type not in allowed or any(rest):
        raise FormatError(
            f"PNG must be {shape[1]}x{shape[0]}, 8 bits, colour type {' or '.join(map(str, allowed))}, "
            f"got {width}x{height}, {depth} bits, colour type {color_type}"
        )
    return color_type


def _inflate(parts: list, size: int) -> np.ndarray:
    """Unpack a zlib stream of exactly `size` bytes."""
    packed = parts[0] if len(parts) == 1 else b"".join(parts)
    stream = isal_zlib.decompressobj()
    try:
        raw = stream.decompress(packed, size + 1)
    except isal_zlib.error as error:
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

    mode = "RGB" if len(spec.shape) == 3 else "L"
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.size != (spec.shape[1], spec.shape[0]):
                raise FormatError(
                    f"image must be {spec.shape[1]}x{spec.shape[0]}, got {'x'.join(map(str, image.size))}"
                )
            return np.asarray(image.convert(mode))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"image is damaged: {error}") from None


def _decode_npy(data, spec: FieldSpec) -> np.ndarray:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=1024)
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise FormatError(f"array is damaged: {' '.join(str(error).split())}") from None
    if version != (1, 0) or fortran or shape != tuple(spec.shape) or dtype != np.dtype(spec.dtype):
        raise FormatError(f"array must be {spec.dtype} {tuple(spec.shape)}, got {dtype} {shape}")
    size = len(data) - stream.tell()
    if size != np.prod(shape) * dtype.itemsize:
        raise FormatError(f"array must have {np.prod(shape)} values, got {size} bytes")
    return np.frombuffer(data, dtype=dtype, offset=stream.tell()).reshape(shape)
