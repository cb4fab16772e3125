"""Batches: the samples of a share are read and decoded in one call, into one tensor for each part of an item."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.sample import semantic_map
from synthgen.shards.codecs import RAW, planes_shape
from synthgen.shards.dataset import Dataset
from synthgen.shards.runs import Share, shares_of
from synthgen.shards.spans import Span
from synthgen.torch.data.fetching import read_raw
from synthgen.torch.data.items import SEMANTIC
from synthgen.torch.data.planes import decode_into
from synthgen.torch.data.pngs import Form, compile_now, decode_pngs, form_of
from synthgen.torch.data.rooms import Rooms
from synthgen.torch.data.threads import MOST_THREADS, Threads

CHECKS = ("crc", "none")
_IMAGE = "image"
_LABEL = "label"
# So many shares for each of several threads: one that is held up leaves little to wait for.
_SHARES = 2


class BatchReader:
    """Reads batches of a data set.

    Parameters
    ----------
    dataset : Dataset
    fields : sequence of str
        Names of the fields beside image and label.
    threads : int
        Threads that decode a batch.
    check : {'crc', 'none'}
        Whether stored bytes are compared with their checksums.

    Raises
    ------
    UsageError
        If an argument breaks a rule.
    """

    def __init__(self, dataset: Dataset, fields: Sequence[str], threads: int, check: str):
        if not 1 <= threads <= MOST_THREADS:
            raise UsageError(f"threads must lie in 1..{MOST_THREADS}, got {threads}")
        if check not in CHECKS:
            known = " or ".join(map(repr, CHECKS))
            raise UsageError(f"check must be {known}, got {check!r}")

        self._dataset = dataset
        self._fields = fields
        self._threads = Threads(threads)
        self._is_checked = check == "crc"
        self._rooms = Rooms()

        self._entries = dataset.manifest.fields
        self._specs = {name: entry.spec() for name, entry in self._entries.items()}
        stored = [name for name in dict.fromkeys(fields) if name != SEMANTIC]
        self._forms = {name: self._form_of(name) for name in (_IMAGE, *stored)}
        # Here, not with the first batch: workers that are forked from this process, in each epoch anew, would each
        # spend 1.2 s of CPU time on it.
        if any(self._forms.values()):
            compile_now()

    def _form_of(self, name: str) -> Form | None:
        spec = self._specs[name]
        codec = self._entries[name].codec
        if name != _IMAGE and len(spec.shape) == 3:
            return None  # compiled code wants the channels first
        return form_of(name, spec, codec, self._is_checked)

    def read(self, positions: Sequence[int], shared: bool = False) -> list[torch.Tensor]:
        """Return the samples at some positions.

        Parameters
        ----------
        positions : sequence of int
            At least one.
        shared : bool
            Whether the tensors lie in memory that is sent to another process without a copy.

        Returns
        -------
        list of Tensor
            The images, uint8 (N, C, H, W), the labels, int64 (N,), and the fields, (N, ..) each.

        Raises
        ------
        FormatError
            If a sample is damaged.
        IndexError
            If there is no such position.
        """
        count = len(positions)
        threads = self._threads.count
        shares = shares_of(self._dataset, positions, 1 if threads == 1 else _SHARES * threads)
        names = (_IMAGE, _LABEL, *self._fields)
        tensors = {name: self._empty(name, count, shared) for name in names}
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}

        def fill(share: Share) -> None:
            self._fill(share, positions, arrays)

        self._threads.each(fill, shares)
        return [tensors[name] for name in names]

    def _empty(self, name: str, count: int, shared: bool) -> torch.Tensor:
        """Return the tensor that a part of the items goes into."""
        shape, dtype = self._form_of_tensor(name)
        whole = (count, *shape)
        return _shared(whole, dtype) if shared else self._rooms.lend(name, whole, dtype)

    def _form_of_tensor(self, name: str) -> tuple[tuple[int, ...], str]:
        """Return shape and type of a part of one item."""
        if name == _LABEL:
            return (), "int64"
        if name == SEMANTIC:
            return self._specs["instances"].shape, "int32"

        spec = self._specs[name]
        shape = planes_shape(spec) if name == _IMAGE else spec.shape
        return shape, spec.dtype

    def _fill(self, share: Share, positions: Sequence[int], arrays: dict[str, np.ndarray]) -> None:
        """Read and decode a share of a batch."""
        arrays[_LABEL][share.places] = share.labels()
        for name in self._forms:
            self._fill_stored(share, name, arrays[name])

        if SEMANTIC in self._fields:
            for place in share.places.tolist():
                arrays[SEMANTIC][place] = self._semantic(positions[place])

    def _fill_stored(self, share: Share, name: str, values: np.ndarray) -> None:
        """Read and decode a field: most samples in one compiled call, in the plain way what that call leaves."""
        spec = self._specs[name]
        span = share.span(name)
        planes = values if name == _IMAGE else _planes_of(values)
        if self._is_raw(name):
            span.check_sizes(planes[0].nbytes)

        rooms = planes if spec.kind == "image" else values
        for k in self._left(span, share.places, planes):
            place = share.places[k]
            self._decode(span, k, rooms[place])

    def _left(self, span: Span, places: np.ndarray, planes: np.ndarray) -> Iterable[int]:
        """Decode what can be decoded in one compiled call; return which samples of the share are left."""
        form = self._forms[span.name]
        if form is None:
            return range(len(places))

        stored = span.stored()
        fill = read_raw if self._is_raw(span.name) else decode_pngs
        left = fill(stored, form, places, planes)
        return np.flatnonzero(left)

    def _is_raw(self, name: str) -> bool:
        return self._entries[name].codec == RAW

    def _decode(self, span: Span, k: int, out: np.ndarray) -> None:
        """Read and decode a sample by itself."""
        name = span.name
        spec = self._specs[name]
        codec = self._entries[name].codec
        data = span.read(k)
        if self._is_checked:
            span.check(k, data)

        try:
            decode_into(data, spec, codec, out)
        except FormatError as error:
            key = span.key(k)
            raise FormatError(f"{self._dataset.source}: {name} of {key}: {error}") from None

    def _semantic(self, position: int) -> np.ndarray:
        instances = self._dataset.field(position, "instances")
        objects = self._dataset.params(position)["objects"]
        return semantic_map(instances, objects)


def _planes_of(values: np.ndarray) -> np.ndarray:
    """Return fields, (N, H, W) or (N, H, W, C), with the channels before the rows; the memory is the same."""
    return values[:, None] if values.ndim == 3 else np.moveaxis(values, -1, 1)


def _shared(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Return a tensor that is not filled yet, in shared memory, as torch's own collate function makes it."""
    kind = torch.from_numpy(np.empty(0, dtype)).dtype
    storage = torch.UntypedStorage._new_shared(kind.itemsize * int(np.prod(shape)), device="cpu")
    empty: Any = torch.empty(0, dtype=kind)
    return empty.set_(storage, 0, shape)
