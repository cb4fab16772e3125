"""Many PNGs of our own in one compiled call: read, compared with checksums, inflated, un-filtered, as planes.

It takes files of the one form that `synthgen.shards.codecs` writes. What is of another form, or damaged, is left to
`synthgen.torch.data.planes`, which reads the one and says what is wrong with the other.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.sample import FieldSpec
from synthgen.shards import codecs
from synthgen.shards.spans import Stored
from synthgen.torch.data import fetching, libdeflate
from synthgen.torch.data.planes import fill_from_indices, fill_from_pixels

# Kinds of chunks, as the numbers that their letters are.
_PALETTE = int.from_bytes(b"PLTE")
_DATA = int.from_bytes(b"IDAT")
_END = int.from_bytes(b"IEND")
# What a chunk has before its data and after them: its size and its kind, and its checksum.
_BEFORE = 8
_AFTER = 4
_ABSENT = -1
# Bytes of the largest palette.
_MOST_PALETTE = 3 * 256
# The largest file that is taken, in times the bytes of its rows, and in bytes beside those: none of ours has more.
_MOST_TIMES = 2
_MOST_BESIDE = 2**12
# What no row of a PNG is filtered by.
_NO_FILTER = 255


class Form(NamedTuple):
    """What the files of a field begin with, and what they are compared with.

    Attributes
    ----------
    plain, with_palette : ndarray of uint8
        The first bytes of a PNG, up to its first chunk that differs from file to file; empty where such a file is
        none of ours.
    line : ndarray of uint8
        What stands between key and stored bytes where the checksum is made.
    is_checked : bool
        Whether the stored bytes are compared with their checksums.
    """

    plain: np.ndarray
    with_palette: np.ndarray
    line: np.ndarray
    is_checked: bool


def form_of(name: str, spec: FieldSpec, codec: str, is_checked: bool) -> Form | None:
    """Return the form of a field; None where compiled code takes no such files."""
    is_ours = codec == codecs.RAW or codec.startswith("png")
    if not is_ours or spec.dtype != "uint8" or not fetching.is_there():
        return None

    heads = (b"", b"") if codec == codecs.RAW else codecs.heads_of(spec.shape)
    plain, with_palette = map(_as_array, heads)
    line = f" {name}\n".encode()
    return Form(plain, with_palette, _as_array(line), is_checked)


def _as_array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8).copy()


@numba.njit(cache=True, nogil=True)
def decode_pngs(stored, form, places, images):
    """Read and decode samples into ``images[places]``, uint8 (N, C, H, W); return which are left, bool (n,).

    `stored` is a `synthgen.shards.spans.Stored`, `places` int64 (n,).
    """
    _, channels, height, width = images.shape
    left = np.ones(len(places), np.bool_)
    decompressor = libdeflate.alloc_decompressor()
    if decompressor == 0:
        return left

    # One sample after the other passes through the same memory, which stays in a core's cache.
    size_of_rows = height * (1 + channels * width)
    packed = np.empty(_MOST_TIMES * size_of_rows + _MOST_BESIDE, np.uint8)
    room = np.empty(size_of_rows, np.uint8)
    for k in range(len(places)):
        if not fetching.is_read(stored, k, form, packed):
            continue

        size = stored.sizes[k]
        place = places[k]
        data = packed[:size]
        planes = images[place]
        left[k] = not _is_decoded(decompressor, data, form, room, planes)

    libdeflate.free_decompressor(decompressor)
    return left


def compile_now() -> None:
    """Compile what reads samples, or load it: forked workers have it then, spawned ones find it in a cache."""
    if not fetching.is_there():
        return
    nothing = np.empty(0, np.uint8)
    places = np.empty(0, np.int64)
    stored = Stored(places, places, places, nothing.reshape(0, 1), np.empty(0, np.uint32))
    form = Form(nothing, nothing, nothing, True)
    images = nothing.reshape(0, 1, 1, 1)
    decode_pngs(stored, form, places, images)
    fetching.read_raw(stored, form, places, images)


@numba.njit(cache=True, nogil=True)
def _is_decoded(decompressor, data, form, room, planes):
    """Decode one PNG if it is of our form; return whether it was."""
    channels, height, width = planes.shape
    if _begins_with(data, form.with_palette):
        at = len(form.with_palette)
        size = _size_of_chunk(data, at, _PALETTE)
        if size < 3 or size > _MOST_PALETTE or size % 3 != 0:
            return False

        begin = at + _BEFORE
        end = begin + size
        colors = data[begin:end].reshape(-1, 3)
        rows = _inflated(decompressor, data, end + _AFTER, room, (height, width))
        largest = fill_from_indices(rows, colors, planes)
        return 0 <= largest < len(colors)

    if not _begins_with(data, form.plain):
        return False
    row_bytes = channels * width
    rows = _inflated(decompressor, data, len(form.plain), room, (height, row_bytes))
    return fill_from_pixels(rows, planes)


@numba.njit(cache=True, nogil=True)
def _begins_with(data, head):
    """Return whether data begin with these bytes, of which there must be some."""
    if len(head) == 0 or len(data) < len(head):
        return False
    return np.array_equal(data[: len(head)], head)


@numba.njit(cache=True, nogil=True)
def _number(data, at):
    """Return four bytes as a number, the highest first."""
    number = np.int64(0)
    for k in range(at, at + 4):
        number = number << 8 | data[k]
    return number


@numba.njit(cache=True, nogil=True)
def _size_of_chunk(data, at, kind):
    """Return the size of the data of a chunk, or -1 unless the chunk is of that kind and whole."""
    room = len(data) - at - _BEFORE - _AFTER
    if room < 0:
        return _ABSENT
    size = _number(data, at)
    found = _number(data, at + 4)
    return size if found == kind and size <= room else _ABSENT


@numba.njit(cache=True, nogil=True)
def _inflated(decompressor, data, at, room, shape):
    """Return the rows of an image, each behind its filter, out of the one chunk that is left.

    `shape` is that of the rows without their filters. The first filter is one that does not exist if the file does
    not end with that chunk, or if it does not unpack to such rows.
    """
    height, row_bytes = shape
    size_of_all = height * (1 + row_bytes)
    rows = room[:size_of_all].reshape(height, 1 + row_bytes)
    rows[0, 0] = _NO_FILTER

    size = _size_of_chunk(data, at, _DATA)
    begin = at + _BEFORE
    end = begin + size
    if size == _ABSENT or _size_of_chunk(data, end + _AFTER, _END) != 0:
        return rows

    packed = data[begin:].ctypes.data
    result = libdeflate.zlib_decompress(decompressor, packed, size, room.ctypes.data, size_of_all, 0)
    if result != libdeflate.SUCCESS:
        rows[0, 0] = _NO_FILTER
    return rows
