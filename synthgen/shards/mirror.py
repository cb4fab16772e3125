"""A data set of a store, read through copies on this machine: records at once, shards when they are first needed.

The copies are a cache of bounded size. Those of a data set lie in a folder that is named by the digest of its
manifest: a data set that is replaced in the store is another one here. A shard is compared with its SHA-256 before
it gets its name, so that whatever has one may be read.
"""

import hashlib
import os
import random
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from synthgen.errors import FormatError, SynthgenError, UsageError
from synthgen.machine import human_bytes, user_cache
from synthgen.shards.files import make_folder, replacing, sha256_of, storage_errors, write_atomically
from synthgen.shards.manifest import (
    CLASSES,
    DATASET,
    MAX_JSON,
    MAX_TABLE,
    RUN,
    SHARDS,
    Manifest,
    RunRecord,
    ShardEntry,
    Sidecar,
    decode_json,
    most_bytes,
    sidecar_name,
)
from synthgen.shards.mutex import FileLock, is_gone, try_lock
from synthgen.shards.places import Place, place_of
from synthgen.shards.reading import check_digest

FOLDER_VARIABLE = "SYNTHGEN_CACHE"
BYTES_VARIABLE = "SYNTHGEN_CACHE_BYTES"
_MOST_BYTES = 20 * 2**30
_NAME_LENGTH = 32
# How long another process may take to fetch a shard, in seconds.
_PATIENCE = 600.0


def cache_folder(folder=None) -> Path:
    """Return the folder of all copies: as given, as ``SYNTHGEN_CACHE`` says, or in the user's cache."""
    chosen = folder or os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    return user_cache() / "synthgen" / "sets"


def cache_bytes(most: int | None = None) -> int:
    """Return how many bytes all copies may have: as given, as ``SYNTHGEN_CACHE_BYTES`` says, or 20 GiB."""
    if most is not None:
        return most
    text = os.environ.get(BYTES_VARIABLE, "")
    if text and not text.isdecimal():
        raise UsageError(f"{BYTES_VARIABLE}: must be a number of bytes, got {text!r}")
    return int(text) if text else _MOST_BYTES


class Mirror:
    """The copies of one data set of a store.

    Parameters
    ----------
    address : str
        Of the data set, for example ``s3://bucket/fractals``.
    cache : str or Path, optional
        Folder of all copies, also of other data sets.
    most : int, optional
        Bytes that all copies in that folder may have. Those used longest ago are removed.

    Attributes
    ----------
    place : Place
    manifest : Manifest
    folder : Path
        What a reader of folders reads, once `fetch` has been called for a shard.

    Raises
    ------
    FormatError
        If no finished data set lies there.
    UsageError
        If the cache cannot hold the largest shard.
    StorageError
        If the store cannot be read, or the cache cannot be written.
    """

    def __init__(self, address, cache=None, most: int | None = None):
        self.place: Place = place_of(address)
        self._root = cache_folder(cache).absolute()
        self._most = cache_bytes(most)
        self._following: dict[int, int] = {}
        self._coming: dict[int, threading.Thread] = {}

        raw = _read_manifest(self.place)
        self.manifest: Manifest = decode_json(raw, Manifest, self.place.key(DATASET))
        self._check_bound()

        digest = hashlib.sha256(raw).hexdigest()
        self.folder = self._root / digest[:_NAME_LENGTH]
        make_folder(self.folder / SHARDS)
        write_atomically(self.folder / DATASET, raw)

    def __getstate__(self):
        return {**self.__dict__, "_coming": {}}

    def _check_bound(self) -> None:
        largest = max(entry.bytes for entry in self.manifest.shard_list)
        if largest > self._most:
            rule = f"cache_bytes must hold a shard of {self.place.address}"
            raise UsageError(f"{rule}: {human_bytes(largest)}, got {human_bytes(self._most)}")

    def expect(self, shards: Sequence[int]) -> None:
        """Say in which order shards will be read: while one is read the next one is fetched."""
        self._following = dict(pairwise(shards))

    def fetch(self, shard: int) -> None:
        """Bring a shard into the folder, unless it lies there.

        Raises
        ------
        FormatError
            If the object is missing, or its bytes are not those that the manifest names. The message has its key.
        StorageError
            If the store cannot be read, or the disk is full.
        """
        coming = self._coming.pop(shard, None)
        if coming is not None:
            coming.join()
        self._fetch(shard)

        following = self._following.get(shard)
        if following is not None and following not in self._coming:
            self._begin(following)

    def _begin(self, shard: int) -> None:
        """Fetch a shard beside what this thread does."""
        thread = threading.Thread(target=self._try_to_fetch, args=(shard,), daemon=True)
        self._coming[shard] = thread
        thread.start()

    def _try_to_fetch(self, shard: int) -> None:
        # Whoever needs the shard meets the error again.
        with suppress(SynthgenError):
            self._fetch(shard)

    def _fetch(self, shard: int) -> None:
        entry = self.manifest.shard_list[shard]
        path = self.folder / SHARDS / entry.name
        if not _is_used(path, entry):
            with _alone(path):
                if not _is_used(path, entry):
                    self._download(entry, path)

    def _download(self, entry: ShardEntry, path: Path) -> None:
        name = f"{SHARDS}/{entry.name}"
        key = self.place.key(name)
        self._make_room(entry.bytes)
        with replacing(path) as temporary:
            self.place.fetch(name, temporary, entry.bytes)
            size = temporary.stat().st_size
            if size != entry.bytes:
                raise FormatError(f"{key}: must have {entry.bytes} bytes, got {size}")
            check_digest(key, sha256_of(temporary), entry.sha256)

    def _make_room(self, needed: int) -> None:
        """Remove the copies that were used longest ago, as far as the bound or a full disk asks for it."""
        copies = []
        for path in self._root.glob(f"*/{SHARDS}/train-*"):
            with suppress(OSError):  # another process removed it
                status = path.stat()
                copies.append((status.st_mtime, status.st_size, path))

        held = sum(size for _, size, _ in copies)
        free = shutil.disk_usage(self._root).free
        allowed = min(self._most, held + free)
        for _, size, path in sorted(copies):
            if held + needed <= allowed:
                return
            with suppress(OSError):
                path.unlink()
            held -= size

    def forget(self, shard: int) -> None:
        """Remove the copy of a shard."""
        entry = self.manifest.shard_list[shard]
        path = self.folder / SHARDS / entry.name
        with storage_errors(path):
            path.unlink(missing_ok=True)

    def fetch_sidecar(self, shard: int) -> None:
        """Bring the sidecar of a shard into the folder."""
        name = sidecar_name(self.manifest, shard)
        self._fetch_record(f"{SHARDS}/{name}", most_bytes(Sidecar))

    def fetch_run(self) -> None:
        """Bring the run record into the folder."""
        self._fetch_record(RUN, MAX_JSON)

    def fetch_classes(self) -> None:
        """Bring the class table into the folder."""
        self._fetch_record(CLASSES, MAX_TABLE)

    def _fetch_record(self, name: str, most: int) -> None:
        with replacing(self.folder / name) as temporary:
            self.place.fetch(name, temporary, most)


def _read_manifest(place: Place) -> bytes:
    """Return the bytes of a manifest; the error for a place without one says what is there."""
    try:
        return place.read(DATASET, MAX_JSON)
    except FormatError:
        there = place.sizes()
        if DATASET in there:
            raise

    if RUN not in there:
        raise FormatError(f"{place.address}: is not a synthgen data set: it has no {DATASET}")

    run = decode_json(place.read(RUN, MAX_JSON), RunRecord, place.key(RUN))
    finished = [f"{SHARDS}/{sidecar_name(run, shard)}" for shard in range(run.shards)]
    state = f"{len(there.keys() & set(finished))} of {run.shards} shards"
    raise FormatError(f"{place.address}: is not finished: {state}; run the command that began it again to resume")


def _is_used(path: Path, entry: ShardEntry) -> bool:
    """Return whether a copy is there, and note that it is used."""
    try:
        if path.stat().st_size != entry.bytes:
            return False
        os.utime(path)
    except OSError:
        return False
    return True


@contextmanager
def _alone(path: Path):
    """Let one process at a time fetch a shard: others wait, and find it there."""
    lock = _awaited(path.with_name(f".{path.name}.lock"))
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _awaited(path: Path) -> FileLock | None:
    """Return the lock of a shard, or None where there is nobody to wait for any longer.

    That is a dead holder whose lock another process keeps, or one that takes too long. The shard is fetched twice
    then, which does no harm.
    """
    end = time.monotonic() + _PATIENCE
    while (lock := try_lock(path)) is None:
        if is_gone(path) or time.monotonic() > end:
            return None
        # Those who wait must not all look at the same moments.
        time.sleep(random.uniform(0.01, 0.05))
    return lock
