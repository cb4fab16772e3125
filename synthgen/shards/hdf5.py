"""HDF5 shards: one contiguous byte column for each field, with offsets and checksums. No filter, no time stamps.

Contiguous columns let the reader take a sample's bytes from the file by itself: HDF5 is asked once for the place of
each column, and neither its lock nor its handles are in the way of forked or threaded readers.
"""

import io
import tempfile
from array import array
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthgen.errors import FormatError, SynthgenError
from synthgen.sample import format_key
from synthgen.shards.checksums import check_bytes, checksum
from synthgen.shards.files import RawFile, read_error, reserve
from synthgen.shards.reading import Stream
from synthgen.shards.spans import Span

SUFFIX = "h5"
# A column waits in memory up to this size, then in an unnamed temporary file next to the shard: a writer's memory
# does not grow with the shard.
_SPOOL_BYTES = 48 * 2**20
_BLOCK = 4 * 2**20
_PARAMS = "params"
_LIBVER = "v110"
# More than label and key of a sample take, and more than the structure of a file takes.
_ROW_BYTES = 64
_ROOM = 2**16
# What HDF5 raises where a file is not what it should be.
_DAMAGE = (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, OverflowError)


class _Spool:
    """One column in the making: its bytes, where each sample ends, and the checksum of each."""

    def __init__(self, folder: Path):
        place = str(folder)
        self.file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=place)  # noqa: SIM115 - see `Writer.close`
        self.offsets = array("Q", [0])
        self.checksums = array("I")

    def add(self, data: bytes, check: int) -> None:
        """Append the bytes of one sample."""
        end = self.offsets[-1] + len(data)
        self.file.write(data)
        self.offsets.append(end)
        self.checksums.append(check)

    def size(self) -> int:
        """Return the bytes that the column will take in the file."""
        offsets = 8 * len(self.offsets)
        checksums = 4 * len(self.checksums)
        return self.offsets[-1] + offsets + checksums


class Writer:
    """Writes one HDF5 shard.

    Parameters
    ----------
    path : Path
        The file to make.
    fields : dict
        Name -> `FieldEntry`, in the order of the manifest.
    version : int
        Version of the format.
    """

    def __init__(self, path: Path, fields: dict, version: int):
        self._path = path
        self._version = version
        self._spools = {name: _Spool(path.parent) for name in (*fields, _PARAMS)}
        self._labels = array("q")
        self._keys: list[bytes] = []

    def add(self, label: int, index: int, columns: dict[str, bytes], params: bytes) -> None:
        """Append one sample: the encoded bytes of its fields, and its parameters as JSON."""
        key = format_key(label, index).encode()
        parts = {**columns, _PARAMS: params}
        for name, data in parts.items():
            check = checksum(key, name, data)
            self._spools[name].add(data, check)

        self._labels.append(label)
        self._keys.append(key)

    def finish(self) -> None:
        """Write the file."""
        import h5py  # late: it takes 0.1 s, and `synthgen --help` passes through here

        self._reserve()
        with h5py.File(self._path, "r+", libver=_LIBVER) as file:
            file.attrs["synthgen_format"] = self._version
            file.attrs["count"] = len(self._keys)
            for name, spool in self._spools.items():
                _write_column(file, name, spool)
            labels = np.array(self._labels, dtype="<i8")
            keys = np.array(self._keys, dtype="S")
            file.create_dataset("label", data=labels)
            file.create_dataset("key", data=keys)

    def _reserve(self) -> None:
        """Make an empty HDF5 file that already owns all the disk it will need.

        HDF5 does not survive a disk that fills up under it: it may end the process by a segmentation fault. So the
        disk is taken before, where a failure is a plain OSError. HDF5 cuts off what it did not use.
        """
        columns = sum(spool.size() for spool in self._spools.values())
        rows = _ROW_BYTES * len(self._keys)
        with open(self._path, "wb") as file:
            file.write(_empty_file())
            reserve(file, columns + rows + _ROOM)

    def close(self) -> None:
        """Give up the temporary columns."""
        for spool in self._spools.values():
            spool.file.close()


def _empty_file() -> bytes:
    """Return an empty HDF5 file, without the time at which it was made, which h5py 3.11 notes by default."""
    from h5py import h5f, h5fd, h5p

    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_LATEST)

    # In memory, through a stream: the core driver's `get_file_image` fails before h5py 3.16 (h5py issue 2558).
    stream = io.BytesIO()
    access.set_fileobj_driver(h5fd.fileobj_driver, stream)
    h5f.create(b"empty", h5f.ACC_TRUNC, creation, access).close()
    return stream.getvalue()


def _write_column(file, name: str, spool: _Spool) -> None:
    size = spool.offsets[-1]
    column = file.create_dataset(name, shape=(size,), dtype="u1")
    spool.file.seek(0)
    at = 0
    while block := spool.file.read(_BLOCK):
        end = at + len(block)
        column[at:end] = np.frombuffer(block, dtype="u1")
        at = end

    offsets = np.array(spool.offsets, dtype="<u8")
    checksums = np.array(spool.checksums, dtype="<u4")
    file.create_dataset(f"{name}_offsets", data=offsets)
    file.create_dataset(f"{name}_crc32", data=checksums)


class _Place(NamedTuple):
    """Where a one-dimensional data set lies in the file."""

    offset: int
    length: int
    dtype: np.dtype


class _Column(NamedTuple):
    """The bytes of a field, and for each sample where they end and their checksum."""

    start: int
    size: int
    offsets: np.ndarray
    checksums: np.ndarray


class Reader:
    """Reads the samples of one HDF5 shard.

    Parameters
    ----------
    path : Path
        The shard.
    fields : dict
        Name -> `FieldEntry`.
    count : int
        Samples that the shard must have.
    version : int
        Version of the format that the shard must have.

    Raises
    ------
    FormatError
        If the file is damaged, of another version, or not laid out as FORMAT.md says.
    StorageError
        If the system cannot read the file.
    """

    def __init__(self, path: Path, fields: dict, count: int, version: int):
        import h5py

        self._file = RawFile(path)
        self.count = count
        # What is looked up for each sample, read when it is first needed: 12 bytes a sample and field.
        self._columns: dict[str, _Column] = {}
        try:
            with h5py.File(Stream(self._file), "r") as file:
                self._check_head(file, version)
                self._places = self._find(file, [*fields, _PARAMS])
        except SynthgenError:
            raise
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno:
                raise read_error(error, path) from None
            reason, _, _ = str(error).partition("\n")
            raise FormatError(f"{path}: is not a whole HDF5 shard: {reason}") from None

    def _check_head(self, file, version: int) -> None:
        found = int(file.attrs["synthgen_format"])
        count = int(file.attrs["count"])
        if (found, count) != (version, self.count):
            rule = f"must be of version {version} with {self.count} samples"
            raise FormatError(f"{self._file.path}: {rule}, got version {found} with {count}")

    def _find(self, file, names: list[str]) -> dict[str, _Place]:
        """Return where all data sets of a shard lie."""
        places = {}
        for name in names:
            offsets = f"{name}_offsets"
            checksums = f"{name}_crc32"
            places[name] = self._place(file, name, "|u1", None)
            places[offsets] = self._place(file, offsets, "<u8", self.count + 1)
            places[checksums] = self._place(file, checksums, "<u4", self.count)
        places["label"] = self._place(file, "label", "<i8", self.count)
        places["key"] = self._place(file, "key", "|S", self.count)
        return places

    def _place(self, file, name: str, dtype: str, length: int | None) -> _Place:
        """Return where a contiguous data set lies; its type must begin as `dtype` does."""
        import h5py

        # Not file[name]: opening a shard takes twice as long with it.
        where = f"{self._file.path}: {name}"
        stored_name = name.encode()
        link = file.id.links.get_info(stored_name)
        if link.type != h5py.h5l.TYPE_HARD:
            raise FormatError(f"{where} must lie in the file itself")
        item = h5py.h5d.open(file.id, stored_name)
        shape = item.shape
        found = item.dtype
        offset = item.get_offset()

        has_length = len(shape) == 1 and length in (None, shape[0])
        if not has_length or not found.str.startswith(dtype):
            raise FormatError(f"{where} must be {dtype} of length {length}, got {found} {shape}")
        if shape[0] and offset is None:
            raise FormatError(f"{where} must be contiguous and unfiltered")
        return _Place(offset or 0, int(shape[0]), found)

    def _rows(self, name: str, first: int = 0, count: int | None = None) -> np.ndarray:
        """Return a data set, or `count` rows of it."""
        place = self._places[name]
        size = place.dtype.itemsize
        start = place.offset + size * first
        count = place.length if count is None else count
        data = self._file.read(start, size * count)
        return np.frombuffer(data, place.dtype)

    @cached_property
    def _keys(self) -> np.ndarray:
        return self._rows("key")

    @cached_property
    def _labels(self) -> np.ndarray:
        return self._rows("label")

    def _column(self, name: str) -> _Column:
        place = self._places[name]
        offsets = self._rows(f"{name}_offsets")
        checksums = self._rows(f"{name}_crc32")
        column = _Column(place.offset, place.length, offsets, checksums)
        self._columns[name] = column
        return column

    def check_rows(self, first: int, keys: np.ndarray, labels: np.ndarray) -> None:
        """Compare keys and labels of the rows from `first` on with those of the plan; raise `FormatError`."""
        found_keys = self._rows("key", first, len(keys))
        found_labels = self._rows("label", first, len(keys))
        wrong_keys = found_keys != keys
        wrong_labels = found_labels != labels
        wrong = wrong_keys | wrong_labels
        if not wrong.any():
            return

        row = int(wrong.argmax())
        expected = keys[row].decode()
        key = found_keys[row].decode("ascii", "replace")
        label = found_labels[row]
        rule = f"sample {first + row} must be {expected}"
        raise FormatError(f"{self._file.path}: {rule}, got {key} of class {label}")

    def read(self, i: int, name: str) -> bytes:
        """Return the stored bytes of a field (or ``params``) of sample `i`, compared with their checksum."""
        begin, end = self._ends(i, name)
        start = self._columns[name].start + begin
        data = self._file.read(start, end - begin)
        self._check(i, name, data)
        return data

    def span(self, rows: np.ndarray, name: str) -> Span:
        """Return where a field of some samples is stored.

        Parameters
        ----------
        rows : ndarray of int64, (n,)
            In any order; they may repeat.
        name : str
        """
        column = self._columns.get(name) or self._column(name)
        begins = column.offsets[rows].astype(np.int64)
        ends = column.offsets[rows + 1].astype(np.int64)
        is_right = (begins >= 0) & (begins <= ends) & (ends <= column.size)
        if not is_right.all():
            wrong = rows[is_right.argmin()]
            self._ends(int(wrong), name)

        begins += column.start
        ends += column.start
        files = [self._file] * len(rows)
        keys = self._keys[rows]
        checksums = column.checksums[rows]
        return Span(files, name, keys, checksums, begins, ends)

    def _ends(self, i: int, name: str) -> tuple[int, int]:
        """Return where in its column a sample begins and ends; raise `FormatError` if that cannot be."""
        column = self._columns.get(name) or self._column(name)
        begin, end = column.offsets[i : i + 2].tolist()
        if not begin <= end <= column.size:
            found = f"{begin}..{end} of {column.size}"
            raise FormatError(f"{self._file.path}: offsets of {name} {i} are damaged: {found}")
        return begin, end

    def _check(self, i: int, name: str, data) -> None:
        key = self._keys.item(i)
        expected = self._columns[name].checksums.item(i)
        check_bytes(self._file.path, key, name, data, expected)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Return the classes of some samples, int64."""
        return self._labels[rows]

    def label(self, i: int) -> int:
        """Return the class of sample `i`."""
        return self._labels.item(i)

    def key(self, i: int) -> str:
        """Return the key of sample `i`."""
        key = self._keys.item(i)
        return key.decode("ascii", "replace")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
