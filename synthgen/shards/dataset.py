"""A finished data set, read sample by sample."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from synthgen.errors import FormatError
from synthgen.sample import Sample, format_key, parse_key
from synthgen.shards.codecs import decode
from synthgen.shards.manifest import CLASSES, FORMATS, SHARDS, VERSION, Manifest, read_manifest
from synthgen.shards.order import Permutation

# Shards held open at a time by one process; each takes a file descriptor, of which most systems allow 1,024.
_OPEN_SHARDS = 512


def open_dataset(path) -> "Dataset":
    """Open a finished data set of any format.

    Parameters
    ----------
    path : str or Path
        The folder.

    Returns
    -------
    Dataset

    Raises
    ------
    FormatError
        If the folder is not a data set, is not finished, is damaged or of an unknown version.
    """
    return Dataset(Path(path))


def open_shard(folder: Path, manifest, shard: int):
    """Return the reader of one shard: ``read(i, field)``, ``label(i)``, ``key(i)``, ``close()``."""
    path = folder / SHARDS / manifest.shard_name(shard)
    module = FORMATS[manifest.storage]
    return module.Reader(path, manifest.fields, manifest.shard_count(shard), VERSION)


class Dataset:
    """A sequence of samples in stored order, which mixes the classes. Made by `synthgen.open`.

    Shards are opened when they are first needed, at most 512 at a time. The object can be pickled and used after
    a fork: reading shares no state between processes.

    Attributes
    ----------
    path : Path
    manifest : Manifest
        ``dataset.json``: recipe, fingerprints, fields, shards.
    """

    def __init__(self, path: Path):
        self.path = path
        self.manifest: Manifest = read_manifest(path)
        self._specs = {name: entry.spec() for name, entry in self.manifest.fields.items()}
        self._open = OrderedDict()
        self._classes: list[dict] | None = None

    def __getstate__(self):
        return {**self.__dict__, "_open": OrderedDict()}

    def __len__(self) -> int:
        return self.manifest.count

    def __getitem__(self, i: int) -> Sample:
        """Return sample `i` of the stored order, all of it decoded."""
        shard, row = self.locate(i)
        key = shard.key(row)
        label, index = parse_key(key)
        if shard.label(row) != label:
            raise FormatError(f"{self.path}: label of {key} must be {label}, got {shard.label(row)}")
        params = self._params(shard, row)
        fields = {name: self._decode(shard, row, name) for name in self._specs}
        image = fields.pop("image")
        return Sample(format_key(label, index), image, label, fields, params)

    def __iter__(self) -> Iterator[Sample]:
        for i in range(len(self)):
            yield self[i]

    def __repr__(self):
        return f"Dataset({str(self.path)!r}, {len(self)} samples, {self.manifest.classes} classes)"

    @property
    def classes(self) -> list[dict]:
        """The class table: a dict with ``id``, ``name`` and the formula's parameters for each class."""
        if self._classes is None:
            self._classes = self._read_classes()
        return self._classes

    def _read_classes(self) -> list[dict]:
        path = self.path / CLASSES
        try:
            lines = path.read_bytes().splitlines()
            table = [msgspec.json.decode(line, type=dict) for line in lines]
        except OSError as error:
            raise FormatError(f"{path}: cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FormatError(f"{path}: is damaged: {error}") from None
        if len(table) != self.manifest.classes or any(
            row.get("id") != k or not isinstance(row.get("name"), str) for k, row in enumerate(table)
        ):
            raise FormatError(
                f"{path}: must have the classes 0..{self.manifest.classes - 1} in order, got {len(table)}"
            )
        return table

    def find(self, label: int, index: int) -> int:
        """Return the position of a sample in the stored order; raise IndexError if there is none such."""
        m = self.manifest
        if not (0 <= label < m.classes and 0 <= index < m.per_class):
            raise IndexError(f"no sample of class {label}, index {index}: there are {m.classes} x {m.per_class}")
        return int(Permutation(m.count, m.seed).inverse(label * m.per_class + index))

    def label(self, i: int) -> int:
        """Return the class of sample `i` without decoding anything."""
        shard, row = self.locate(i)
        return shard.label(row)

    def encoded(self, i: int, name: str) -> bytes:
        """Return the stored bytes of one field of sample `i`; what fast readers build on."""
        shard, row = self.locate(i)
        return shard.read(row, name)

    def params(self, i: int) -> dict:
        """Return the parameters of sample `i`."""
        return self._params(*self.locate(i))

    def _params(self, shard, row: int) -> dict:
        key = shard.key(row)
        try:
            params = msgspec.json.decode(shard.read(row, "params"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FormatError(f"{self.path}: params of {key} are damaged: {error}") from None
        if not isinstance(params, dict) or (params.get("class"), params.get("index")) != parse_key(key):
            raise FormatError(f"{self.path}: params of {key} must have its class and index")
        return params

    def field(self, i: int, name: str) -> np.ndarray:
        """Return one field of sample `i`, decoded."""
        shard, row = self.locate(i)
        return self._decode(shard, row, name)

    def _decode(self, shard, row: int, name: str) -> np.ndarray:
        try:
            return decode(shard.read(row, name), self._specs[name])
        except FormatError as error:
            raise FormatError(f"{self.path}: {name} of {shard.key(row)}: {error}") from None

    def locate(self, i: int):
        """Return (shard reader, row) of sample `i`."""
        count = self.manifest.count
        if not -count <= i < count:
            raise IndexError(f"sample {i} of {count}")
        number, row = divmod(i + count if i < 0 else i, self.manifest.shard_size)
        shard = self._open.get(number)
        if shard is None:
            self._open[number] = shard = open_shard(self.path, self.manifest, number)
            if len(self._open) > _OPEN_SHARDS:
                self._open.popitem(last=False)  # not closed here: another thread may be reading from it
        return shard, row
