"""A finished data set, read sample by sample."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from synthgen.errors import FormatError
from synthgen.sample import Sample, parse_key
from synthgen.shards.codecs import decode
from synthgen.shards.files import is_remote
from synthgen.shards.manifest import CLASSES, MAX_CLASSES, Manifest, read_manifest
from synthgen.shards.mirror import Mirror
from synthgen.shards.opened import OpenShards
from synthgen.shards.reading import check_digest, read_lines

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def open_dataset(path, cache=None, cache_bytes: int | None = None) -> "Dataset":
    """Open a finished data set of any format.

    Parameters
    ----------
    path : str or Path
        The folder, or an address such as ``s3://bucket/fractals`` or ``hf://datasets/me/fractals``, which fsspec
        opens. Shards are fetched from there whole when they are first needed, and compared with their SHA-256.
    cache : str or Path, optional
        Folder for the copies of what is fetched; by default the variable ``SYNTHGEN_CACHE``, else
        ``synthgen/sets`` in the user's cache.
    cache_bytes : int, optional
        Bytes that all copies in that folder may have; by default the variable ``SYNTHGEN_CACHE_BYTES``, else
        20 GiB. The copies used longest ago are removed.

    Returns
    -------
    Dataset

    Raises
    ------
    FormatError
        If the folder is not a data set, is not finished, is damaged or of an unknown version.
    StorageError
        If the system, or the store, cannot read it.
    """
    if is_remote(path):
        mirror = Mirror(path, cache, cache_bytes)
        return Dataset(mirror.folder, mirror)
    return Dataset(Path(path))


class Dataset:
    """A sequence of samples in stored order, which mixes the classes. Made by `synthgen.open`.

    Shards are opened when they are first needed, at most 512 at a time, fewer where the system allows few open
    files. Keys and labels are compared with the plan then, bytes with their checksums when they are read: a damaged
    sample is an error and never a wrong one. The object can be pickled and used after a fork: reading shares no
    state between processes.

    Attributes
    ----------
    path : Path
        The folder; of a data set in a store that of the copies.
    manifest : Manifest
        ``dataset.json``: recipe, fingerprints, fields, shards.
    mirror : Mirror or None
        What fetches the shards of a data set in a store.
    """

    def __init__(self, path: Path, mirror: Mirror | None = None):
        self.path = path
        self.mirror = mirror
        self.manifest: Manifest = read_manifest(path) if mirror is None else mirror.manifest
        self._specs = {name: entry.spec() for name, entry in self.manifest.fields.items()}
        self._places = self.manifest.arrangement
        self._shards = OpenShards(path, self.manifest, mirror)
        self._classes: list[dict] | None = None

    def __len__(self) -> int:
        return self.manifest.count

    def __getitem__(self, i: int) -> Sample:
        """Return sample `i` of the stored order, all of it decoded."""
        shard, row = self.locate(i)
        key = shard.key(row)
        label = shard.label(row)
        params = self._params(shard, row)

        fields = {}
        for name in self._specs:
            fields[name] = self._decode(shard, row, name)
        image = fields.pop("image")
        return Sample(key, image, label, fields, params)

    def __iter__(self) -> Iterator[Sample]:
        for i in range(len(self)):
            yield self[i]

    def __repr__(self):
        return f"Dataset({self.source!r}, {len(self)} samples, {self.manifest.classes} classes)"

    @property
    def source(self) -> str:
        """The folder, or the address, that the data set was opened from."""
        return str(self.path) if self.mirror is None else self.mirror.place.address

    @property
    def classes(self) -> list[dict]:
        """The class table: a dict with ``id``, ``name`` and the formula's parameters for each class."""
        if self._classes is None:
            self._classes = self._read_classes()
        return self._classes

    def _read_classes(self) -> list[dict]:
        if self.mirror is not None:
            self.mirror.fetch_classes()
        path = self.path / CLASSES
        place = f"{self.source}/{CLASSES}"
        digest = hashlib.sha256()
        table = []
        # Further lines are those of classes that are being added.
        lines = islice(read_lines(path, MAX_CLASSES), self.manifest.classes)
        for k, line in enumerate(lines):
            row = _class_of(line, k, place)
            table.append(row)
            digest.update(line + b"\n")

        if len(table) != self.manifest.classes:
            raise FormatError(f"{place}: must have {self.manifest.classes} classes, got {len(table)}")
        check_digest(place, digest.hexdigest(), self.manifest.classes_sha256)
        return table

    def find(self, label: int, index: int) -> int:
        """Return the position of a sample in the stored order; raise IndexError if there is none such."""
        classes = self.manifest.classes
        per_class = self.manifest.per_class
        is_there = 0 <= label < classes and 0 <= index < per_class
        if not is_there:
            raise IndexError(f"no sample of class {label}, index {index}: there are {classes} x {per_class}")

        return int(self._places.positions(label, index))

    def label(self, i: int) -> int:
        """Return the class of sample `i` without decoding anything."""
        shard, row = self.locate(i)
        return shard.label(row)

    def encoded(self, i: int, name: str) -> bytes:
        """Return the stored bytes of one field of sample `i`, compared with their checksum; for fast readers."""
        shard, row = self.locate(i)
        return shard.read(row, name)

    def params(self, i: int) -> dict:
        """Return the parameters of sample `i`."""
        return self._params(*self.locate(i))

    def _params(self, shard, row: int) -> dict:
        key = shard.key(row)
        data = shard.read(row, "params")
        try:
            params = msgspec.json.decode(data, type=dict)
        except _NOT_JSON as error:
            raise FormatError(f"{self.source}: params of {key} are damaged: {error}") from None

        numbers = (params.get("class"), params.get("index"))
        if numbers != parse_key(key):
            raise FormatError(f"{self.source}: params of {key} must have its class and index")
        return params

    def field(self, i: int, name: str) -> np.ndarray:
        """Return one field of sample `i`, decoded."""
        shard, row = self.locate(i)
        return self._decode(shard, row, name)

    def _decode(self, shard, row: int, name: str) -> np.ndarray:
        data = shard.read(row, name)
        try:
            return decode(data, self._specs[name], checked=True, codec=self.manifest.fields[name].codec)
        except FormatError as error:
            key = shard.key(row)
            raise FormatError(f"{self.source}: {name} of {key}: {error}") from None

    def locate(self, i: int):
        """Return (shard reader, row) of sample `i`."""
        count = self.manifest.count
        if not -count <= i < count:
            raise IndexError(f"sample {i} of {count}")
        position = i + count if i < 0 else i
        number, row = self._places.place(position)
        return self._shards[number], row


def _class_of(line: bytes, k: int, place: str) -> dict:
    """Return what line `k` of the class table says; raise `FormatError` if it does not say that it is class `k`."""
    try:
        row = msgspec.json.decode(line, type=dict)
    except _NOT_JSON as error:
        raise FormatError(f"{place}: line {k + 1} is damaged: {error}") from None

    known = row.get("id")
    if known != k or not isinstance(row.get("name"), str):
        raise FormatError(f"{place}: line {k + 1} must be class {k} with a name, got {known!r}")
    return row
