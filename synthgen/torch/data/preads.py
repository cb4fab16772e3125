"""`pread` of the C library as compiled code calls it: many samples are read without Python, and without its lock.

Where a system has no such function, as Windows, or counts the bytes of a file in 32 bits, it is not called.
"""

import ctypes
import os

from llvmlite import binding
from numba import types

# A name of our own: the one of the C library may stand for another function in compiled code.
_NAME = "synthgen_pread"
_WORD = types.uintp
_BITS = 8 * ctypes.sizeof(ctypes.c_void_p)

# (descriptor, room, bytes wanted, where in the file): the bytes that were read, or -1.
pread = types.ExternalFunction(_NAME, types.intp(types.int32, _WORD, _WORD, types.int64))


def _offered() -> bool:
    """Make the function known to compiled code, and return whether it is there."""
    if not hasattr(os, "pread") or _BITS != 64:
        return False

    function = ctypes.CDLL(None).pread
    pointer = ctypes.cast(function, ctypes.c_void_p)
    binding.add_symbol(_NAME, pointer.value)
    return True


# Settled in each process as soon as this module is there, as in `libdeflate`.
IS_THERE = _offered()
