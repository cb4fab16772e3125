"""Opening shards: what is in a shard is compared with the plan before a sample is read from it."""

import errno
from collections import OrderedDict
from pathlib import Path

from synthgen.errors import FormatError, StorageError
from synthgen.sample import format_keys
from synthgen.shards.manifest import FORMATS, SHARDS, VERSION, RunRecord
from synthgen.shards.mirror import Mirror

# Rows that are compared at a time: memory does not grow with what a manifest promises.
_ROWS = 2**16
# Shards held open at a time by one process, and the share of the file descriptors that it may have.
_MOST_OPEN = 512
_SHARE_OPEN = 4
# How often a shard is fetched whose copy is gone before it is opened.
_TRIES = 3
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


def open_shard(folder: Path, manifest: RunRecord, shard: int):
    """Return the reader of one shard: ``read(i, field)``, ``label(i)``, ``key(i)``, ``close()``.

    Keys and labels are compared with the plan here (0.7 microseconds a sample), checksums when bytes are read.

    Raises
    ------
    FormatError
        If the shard is missing, damaged, or holds other samples.
    StorageError
        If the system cannot read it.
    """
    path = folder / SHARDS / manifest.shard_name(shard)
    module = FORMATS[manifest.storage]
    reader = module.Reader(path, manifest.fields, manifest.shard_count(shard), VERSION)
    check_order(reader, manifest, shard)
    return reader


def check_order(reader, manifest: RunRecord, shard: int) -> None:
    """Raise `FormatError` unless a shard holds the samples that the plan puts there, in order."""
    places = manifest.arrangement
    positions = places.positions_of(shard)
    for first in range(0, reader.count, _ROWS):
        labels, indices = places.samples(positions[first : first + _ROWS])
        keys = format_keys(labels, indices)
        reader.check_rows(first, keys, labels)


class OpenShards:
    """The shards of a data set that this process holds open: those used last.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    mirror : Mirror, optional
        Brings a shard into the folder before it is opened.
    """

    def __init__(self, folder: Path, manifest: RunRecord, mirror: Mirror | None = None):
        self._mirror = mirror
        self._folder = folder
        self._manifest = manifest
        self._most = _most_open()
        self._readers: OrderedDict = OrderedDict()

    def __getstate__(self):
        return {**self.__dict__, "_readers": OrderedDict()}

    def __getitem__(self, shard: int):
        """Return the reader of a shard, opened if it is not; errors as for `open_shard`."""
        reader = self._readers.get(shard)
        if reader is None:
            reader = self._open(shard)
            self._readers[shard] = reader
            if len(self._readers) > self._most:
                self._readers.popitem(last=False)  # not closed here: another thread may be reading from it
        return reader

    def _open(self, shard: int):
        try:
            return self._fetched(shard)
        except StorageError as error:
            if error.errno not in _NO_DESCRIPTORS or not self._readers:
                raise

        # Others took the descriptors: give up ours, and try again.
        self._readers.clear()
        return self._fetched(shard)

    def _fetched(self, shard: int):
        """Return the reader of a shard that is fetched before, where it lies in a store."""
        if self._mirror is None:
            return open_shard(self._folder, self._manifest, shard)

        for _ in range(_TRIES):
            self._mirror.fetch(shard)
            self._close_removed()
            try:
                return open_shard(self._folder, self._manifest, shard)
            except FormatError as error:
                # Another process may need the room in the cache, and remove the copy just now.
                failure = error
                if self._path(shard).exists():
                    break
        raise failure

    def _close_removed(self) -> None:
        """Give up the shards whose copies were removed: the disk has room only when nobody holds them open."""
        for shard in list(self._readers):
            if not self._path(shard).exists():
                self._readers.pop(shard, None)

    def _path(self, shard: int) -> Path:
        return self._folder / SHARDS / self._manifest.shard_name(shard)


def _most_open() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return _MOST_OPEN
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MOST_OPEN if soft == resource.RLIM_INFINITY else soft // _SHARE_OPEN
    return max(1, min(_MOST_OPEN, limit))
