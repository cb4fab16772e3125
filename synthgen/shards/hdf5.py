"""HDF5 shards: one contiguous byte column for each field, with offsets. No filter, no time stamps.

Contiguous columns let the reader take a sample's bytes from the file by itself: HDF5 is asked once for the place of
each column, and neither its lock nor its handles are in the way of forked or threaded readers.
"""

import os
import tempfile
from pathlib import Path

import numpy as np

from synthgen.errors import FormatError
from synthgen.sample import format_key
from synthgen.shards.files import RawFile

SUFFIX = "h5"
# A column waits in memory up to this size, then in an unnamed temporary file next to the shard: a writer's memory
# does not grow with the shard.
_SPOOL_BYTES = 48 * 2**20
_BLOCK = 4 * 2**20
_PARAMS = "params"
_LIBVER = "v110"
# More than the structure of a file takes, labels and keys aside.
_ROOM = 2**16


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
        names = [*fields, _PARAMS]
        self._spools = {
            name: tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=path.parent)  # noqa: SIM115 - see `close`
            for name in names
        }
        self._offsets = {n: [0] for n in names}
        self._labels: list[int] = []
        self._keys: list[bytes] = []

    def add(self, label: int, index: int, columns: dict[str, bytes], params: bytes) -> None:
        """Append one sample: the encoded bytes of its fields, and its parameters as JSON."""
        for name, data in (*columns.items(), (_PARAMS, params)):
            self._spools[name].write(data)
            self._offsets[name].append(self._offsets[name][-1] + len(data))
        self._labels.append(label)
        self._keys.append(format_key(label, index).encode())

    def finish(self) -> None:
        """Write the file."""
        import h5py  # late: it takes 0.1 s, and `synthgen --help` passes through here

        self._reserve()
        with h5py.File(self._path, "r+", libver=_LIBVER) as file:
            file.attrs["synthgen_format"] = self._version
            file.attrs["count"] = len(self._keys)
            for name, spool in self._spools.items():
                self._write_column(file, name, spool)
            file.create_dataset("label", data=np.array(self._labels, dtype="<i8"))
            file.create_dataset("key", data=np.array(self._keys, dtype="S"))

    def _reserve(self) -> None:
        """Make an empty HDF5 file that already owns all the disk it will need.

        HDF5 does not survive a disk that fills up under it: it may end the process by a segmentation fault. So the
        disk is taken before, where a failure is a plain OSError. HDF5 cuts off what it did not use.
        """
        import h5py

        with h5py.File("empty", "w", driver="core", backing_store=False, libver=_LIBVER) as file:
            file.flush()
            empty = file.id.get_file_image()
        samples = len(self._keys)
        columns = sum(ends[-1] + 8 * (samples + 1) for ends in self._offsets.values())
        with open(self._path, "wb") as file:
            file.write(empty)
            file.flush()
            os.posix_fallocate(file.fileno(), 0, columns + 64 * samples + _ROOM)

    def _write_column(self, file, name, spool):
        offsets = np.array(self._offsets[name], dtype="<u8")
        column = file.create_dataset(name, shape=(int(offsets[-1]),), dtype="u1")
        spool.seek(0)
        at = 0
        while block := spool.read(_BLOCK):
            column[at : at + len(block)] = np.frombuffer(block, dtype="u1")
            at += len(block)
        file.create_dataset(f"{name}_offsets", data=offsets)

    def close(self) -> None:
        """Give up the temporary columns."""
        for spool in self._spools.values():
            spool.close()


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
    """

    def __init__(self, path: Path, fields: dict, count: int, version: int):
        import h5py

        self._file = RawFile(path)
        self.count = count
        try:
            with h5py.File(path, "r") as file:
                found = int(file.attrs["synthgen_format"]), int(file.attrs["count"])
                if found != (version, count):
                    raise FormatError(
                        f"{path}: must be of version {version} with {count} samples, got version {found[0]} "
                        f"with {found[1]}"
                    )
                self._columns = {n: self._place(file, n, "|u1", None) for n in (*fields, _PARAMS)}
                self._ends = {n: self._place(file, f"{n}_offsets", "<u8", count + 1) for n in self._columns}
                self._labels = self._place(file, "label", "<i8", count)
                self._key_size = getattr(file.get("key"), "dtype", np.dtype("S1")).itemsize
                self._keys = self._place(file, "key", f"|S{self._key_size}", count)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, OverflowError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path}: is not a whole HDF5 shard: {error}") from None

    def _place(self, file, name: str, dtype: str, length: int | None) -> tuple[int, int]:
        """Return offset in the file and length of a one-dimensional contiguous data set."""
        import h5py

        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"{self._file.path}: {name} must lie in the file itself")
        item = file[name]
        shape, offset = item.shape, item.id.get_offset()
        if item.dtype.str != dtype or len(shape) != 1 or (length is not None and shape[0] != length):
            raise FormatError(
                f"{self._file.path}: {name} must be {dtype} of length {length}, got {item.dtype} {shape}"
            )
        if shape[0] and offset is None:
            raise FormatError(f"{self._file.path}: {name} must be contiguous and unfiltered")
        return offset or 0, int(shape[0])

    def read(self, i: int, name: str) -> bytes:
        """Return the stored bytes of a field (or ``params``) of sample `i`."""
        start, size = self._columns[name]
        begin, end = np.frombuffer(self._file.read(self._ends[name][0] + 8 * i, 16), dtype="<u8").tolist()
        if not begin <= end <= size:
            raise FormatError(f"{self._file.path}: offsets of {name} {i} are damaged: {begin}..{end} of {size}")
        return self._file.read(start + begin, end - begin)

    def label(self, i: int) -> int:
        """Return the class of sample `i`."""
        return int.from_bytes(self._file.read(self._labels[0] + 8 * i, 8), "little", signed=True)

    def key(self, i: int) -> str:
        """Return the key of sample `i`."""
        raw = self._file.read(self._keys[0] + self._key_size * i, self._key_size)
        return raw.rstrip(b"\0").decode("ascii", "replace")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
