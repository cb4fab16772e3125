"""Memory for batches that is used again once nobody holds the tensors in it any more.

Where a process touches a page of memory for the first time it waits for the system: 2 to 4 microseconds on a
virtual machine, and an image of 256 x 256 has 48 pages. Torch gives the memory of large batches back to the system,
so that each batch pays for all of its pages. Batches of 256 are read 2 times (`png`) and 3 times (`raw`) as fast
where it is kept.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from weakref import finalize

import numpy as np
import torch
from torch.multiprocessing.reductions import StorageWeakRef

# Smaller tensors cost too little to keep their memory.
LEAST = 2**20
# A loop holds one batch while it reads the next one.
_KEPT = 2
# Where torch begins its tensors, in bytes.
_ALIGNED = 64


class _Left(NamedTuple):
    """Memory that is lent, and the storage that it is lent to."""

    storage: StorageWeakRef
    room: np.ndarray


class Rooms:
    """Lends memory for tensors, and takes it back when they are gone.

    A tensor, its views, and the arrays made of them all keep the memory lent, also where torch has moved the tensor
    to other memory since: `share_memory_` and queues between processes do so, and arrays stay where they were. A
    copy of this object, also one in another process, has memory of its own.
    """

    def __init__(self):
        self._free: dict[str, deque[np.ndarray]] = {}
        self._left: deque[_Left] = deque()

    def __reduce__(self):
        return Rooms, ()

    def lend(self, name: str, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
        """Return a tensor that is not filled yet, in memory that no other tensor has.

        Parameters
        ----------
        name : str
            Memory is used again for tensors of the same name only.
        shape : tuple of int
        dtype : str
            As NumPy names it.
        """
        kind = np.dtype(dtype)
        size = kind.itemsize * math.prod(shape)
        if size < LEAST:
            plain = np.empty(shape, kind)
            return torch.from_numpy(plain)

        self._drop_left()
        free = self._free.setdefault(name, deque(maxlen=_KEPT))
        room = _taken(free, size)
        lent = room[:size].view(kind).reshape(shape)
        tensor = torch.from_numpy(lent)

        # Torch holds this very array until the storage ends or moves; a tensor that is given another storage may
        # have lent the memory to other libraries.
        storage = StorageWeakRef(tensor.untyped_storage())
        _when_gone(tensor, id, lent)
        _when_gone(lent, self._take_back, free, _Left(storage, room))
        return tensor

    def _take_back(self, free: deque[np.ndarray], left: _Left) -> None:
        """Keep memory for the next tensor; where the storage has moved, until nothing holds that any more."""
        if left.storage.expired():
            free.append(left.room)
        else:
            self._left.append(left)

    def _drop_left(self) -> None:
        """Let go of memory that a storage has left, and that nothing holds any more."""
        for _ in range(len(self._left)):
            try:
                left = self._left.popleft()
            except IndexError:  # another thread does the same
                return
            if not left.storage.expired():
                self._left.append(left)


def _when_gone(thing, call: Callable, *arguments) -> None:
    """Call a function with arguments, kept until then, when an object is gone; not when the process ends."""
    finalizer = finalize(thing, call, *arguments)
    finalizer.atexit = False


def _taken(free: deque[np.ndarray], size: int) -> np.ndarray:
    """Return memory for `size` bytes, out of what is free if that fits."""
    try:
        room = free.pop()
    except IndexError:
        return _new(size)
    # The last batch of an epoch may be smaller; a single image must not keep the memory of many.
    fits = size <= len(room) <= 2 * size
    return room if fits else _new(size)


def _new(size: int) -> np.ndarray:
    """Return new memory, uint8 (size,)."""
    whole = np.empty(size + _ALIGNED, np.uint8)
    start = -whole.ctypes.data % _ALIGNED
    return whole[start : start + size]
