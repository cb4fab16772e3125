"""Batches: the bytes of neighbors are read in one go, and decoded into one tensor for each part of an item."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from synthgen.errors import FormatError, UsageError
from synthgen.sample import semantic_map
from synthgen.shards.codecs import RAW, planes_shape
from synthgen.shards.dataset import Dataset
from synthgen.shards.runs import Run, runs_of
from synthgen.shards.spans import Stored
from synthgen.torch.data.items import SEMANTIC
from synthgen.torch.data.planes import decode_into
from synthgen.torch.data.pngs import Form, compile_now, decode_pngs, form_of
from synthgen.torch.data.threads import MOST_THREADS, Threads

CHECKS = ("crc", "none")
_IMAGE = "image"
_LABEL = "label"
# So many parts for each thread: one that is held up leaves little to wait for.
_PARTS = 2


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

        self._entries = dataset.manifest.fields
        self._specs = {name: entry.spec() for name, entry in self._entries.items()}
        self._is_raw = self._entries[_IMAGE].codec == RAW
        stored = [name for name in dict.fromkeys(fields) if name != SEMANTIC]
        self._decoded = stored if self._is_raw else [_IMAGE, *stored]
        self._forms = {name: self._form_of(name) for name in self._decoded}

    def __getstate__(self):
        # What is sent goes to a worker: each would compile for itself.
        compile_now()
        return self.__dict__

    def _form_of(self, name: str) -> Form | None:
        spec = self._specs[name]
        codec = self._entries[name].codec
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
        runs = list(runs_of(self._dataset, positions))
        count = len(positions)
        names = (_IMAGE, _LABEL, *self._fields)
        tensors = {name: self._empty(name, count, shared) for name in names}
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}

        def fill(part: list[Run]) -> None:
            for run in part:
                self._fill(run, positions, arrays)

        self._threads.each(fill, self._parts(runs))
        return [tensors[name] for name in names]

    def _parts(self, runs: list[Run]) -> list[list[Run]]:
        """Return the runs in parts, which threads share out among themselves."""
        parts = min(len(runs), _PARTS * self._threads.count)
        ends = [len(runs) * part // parts for part in range(parts + 1)]
        return [runs[start:stop] for start, stop in pairwise(ends)]

    def _empty(self, name: str, count: int, shared: bool) -> torch.Tensor:
        """Return the tensor that a part of the items goes into."""
        if name == _LABEL:
            return _tensor((count,), "int64", shared)
        if name == SEMANTIC:
            return _tensor((count, *self._specs["instances"].shape), "int32", shared)

        spec = self._specs[name]
        shape = planes_shape(spec) if name == _IMAGE else spec.shape
        return _tensor((count, *shape), spec.dtype, shared)

    def _fill(self, run: Run, positions: Sequence[int], arrays: dict[str, np.ndarray]) -> None:
        """Read and decode a run."""
        arrays[_LABEL][run.places] = run.reader.labels(run.rows)
        if self._is_raw:
            self._fill_raw(run, arrays[_IMAGE])
        for name in self._decoded:
            self._fill_decoded(run, name, arrays[name])

        if SEMANTIC in self._fields:
            for place in run.places:
                arrays[SEMANTIC][place] = self._semantic(positions[place])

    def _fill_raw(self, run: Run, images: np.ndarray) -> None:
        """Read raw images to where they belong."""
        span = run.reader.span(run.rows, _IMAGE)
        span.check_sizes(images[0].nbytes)
        begins = span.begins.tolist()
        for k, place in enumerate(run.places):
            buffer = memoryview(images[place].reshape(-1))
            span.file.read_into(begins[k], buffer)
            if self._is_checked:
                span.check(k, buffer)

    def _fill_decoded(self, run: Run, name: str, values: np.ndarray) -> None:
        """Read and decode a field: most samples in one compiled call, in the plain way what that call leaves."""
        span = run.reader.span(run.rows, name)
        stored = span.read()
        for k in self._left(stored, run, name, values):
            data = stored.piece(k)
            if self._is_checked:
                span.check(k, data)
            self._decode(run, k, name, data, values)

    def _left(self, stored: Stored, run: Run, name: str, values: np.ndarray) -> Iterable[int]:
        """Decode what can be decoded in one compiled call; return which samples of the run are left."""
        form = self._forms[name]
        if form is None:
            return range(len(run.places))

        images = values if name == _IMAGE else values[:, None]
        places = np.array(run.places)
        left = decode_pngs(stored, form, places, images)
        return np.flatnonzero(left)

    def _decode(self, run: Run, k: int, name: str, data: memoryview, values: np.ndarray) -> None:
        spec = self._specs[name]
        codec = self._entries[name].codec
        place = run.places[k]
        try:
            decode_into(data, spec, codec, values[place])
        except FormatError as error:
            key = run.reader.key(run.rows[k])
            raise FormatError(f"{self._dataset.source}: {name} of {key}: {error}") from None

    def _semantic(self, position: int) -> np.ndarray:
        instances = self._dataset.field(position, "instances")
        objects = self._dataset.params(position)["objects"]
        return semantic_map(instances, objects)


def _tensor(shape: tuple[int, ...], dtype: str, shared: bool) -> torch.Tensor:
    """Return a tensor that is not filled yet."""
    kind = torch.from_numpy(np.empty(0, dtype)).dtype
    if not shared:
        return torch.empty(shape, dtype=kind)

    # As torch's own collate function does it.
    storage = torch.UntypedStorage._new_shared(kind.itemsize * int(np.prod(shape)), device="cpu")
    empty: Any = torch.empty(0, dtype=kind)
    return empty.set_(storage, 0, shape)
