"""Stored samples read and compared with their checksums in compiled code: those of a share in one call.

A sample that cannot be read, or is damaged, is left to the plain way, which says what is wrong with it.
"""

import numba
import numpy as np

from synthgen.torch.data import libdeflate, preads


def is_there() -> bool:
    """Return whether this system has what the compiled functions call."""
    return libdeflate.IS_THERE and preads.IS_THERE


@numba.njit(cache=True, nogil=True)
def is_read(stored, k, form, room):
    """Read a sample to the beginning of `room`; return whether it fits, and has its checksum if that is asked for.

    `stored` is a `synthgen.shards.spans.Stored`, `form` a `synthgen.torch.data.pngs.Form`.
    """
    size = stored.sizes[k]
    if not 0 <= size <= len(room):
        return False

    descriptor = np.int32(stored.descriptors[k])
    begin = stored.begins[k]
    found = preads.pread(descriptor, room.ctypes.data, size, begin)
    if found != size or not form.is_checked:
        return found == size

    key = stored.keys[k]
    data = room[:size]
    return _checksum(key, form.line, data) == stored.checksums[k]


@numba.njit(cache=True, nogil=True)
def _checksum(key, line, data):
    """Return the checksum of a sample: see `synthgen.shards.checksums`."""
    length = len(key)
    while length > 0 and key[length - 1] == 0:
        length -= 1

    found = libdeflate.crc32(np.uint32(0), key.ctypes.data, length)
    found = libdeflate.crc32(found, line.ctypes.data, len(line))
    return libdeflate.crc32(found, data.ctypes.data, len(data))


@numba.njit(cache=True, nogil=True)
def read_raw(stored, form, places, images):
    """Read raw images into ``images[places]``, uint8 (N, C, H, W); return which ones are left, bool (n,).

    Each is compared with its checksum while it lies in a core's cache. Parameters are those of `decode_pngs`.
    """
    left = np.ones(len(places), np.bool_)
    for k in range(len(places)):
        place = places[k]
        room = images[place].reshape(-1)
        if stored.sizes[k] == len(room):
            left[k] = not is_read(stored, k, form, room)
    return left
