"""Where a data set can lie beside a folder: below an address of an object store, reached through fsspec.

What is said here of a store holds for S3, Google Cloud Storage and their kind: an object appears whole or not at
all, and a list that is asked for after a write has it.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from synthgen.errors import FormatError, MissingExtraError, StorageError, SynthgenError, UsageError, one_line
from synthgen.extras import needed_for
from synthgen.shards.files import FULL, is_remote, storage_error

# A `Path` makes one slash of two.
_ONE_SLASH = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
# Objects that are read at a time, and the bytes that they may have together.
_BATCH = 1000
_BATCH_BYTES = 64 * 2**20
# Schemes whose objects are files of this machine: their folders have to be made.
_FOLDERS = ("file", "local")
# What a store raises for an object, or a bucket, that is not there.
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# What a store raises where it cannot make an object on the condition that there is none.
_UNCONDITIONAL = (NotImplementedError, TypeError, ValueError)


def address_of(path) -> str:
    """Return an address as it is written: two slashes after the scheme, none at the end.

    Examples
    --------
    >>> address_of(Path("s3://bucket/x/"))
    's3://bucket/x'
    """
    text = os.fspath(path)
    whole = _ONE_SLASH.sub(r"\1://", text)
    scheme, _, rest = whole.partition("://")
    return f"{scheme}://{rest.rstrip('/')}"


@lru_cache(maxsize=16)
def place_of(path) -> "Place":
    """Return the place at an address, the same one each time."""
    return Place(path)


class Place:
    """All objects whose keys begin with an address. Names are relative to it, as file names are to a folder.

    Parameters
    ----------
    address : str or Path
        For example ``s3://bucket/fractals``. Credentials are those that fsspec finds: in its configuration, in
        variables of the environment, in the files of the store's own tools.

    Raises
    ------
    UsageError
        If nobody knows the scheme.
    MissingExtraError
        If the package that reads the scheme is not installed.
    StorageError
        By all methods, if the store refuses or cannot be reached: one line that names the key.
    """

    def __init__(self, address):
        if not is_remote(address):
            raise UsageError(f"path must be an address, got {os.fspath(address)}")
        self.address = address_of(address)
        self._root = ""
        self._system: Any = None
        self._process = 0
        _ = self._store  # an unknown scheme is refused here

    def __getstate__(self):
        return {**self.__dict__, "_system": None, "_process": 0}

    @property
    def scheme(self) -> str:
        """What the address begins with."""
        return self.address.partition("://")[0]

    @property
    def is_of_this_process(self) -> bool:
        """Whether no other process sees the objects."""
        return self.scheme == "memory"

    @property
    def _store(self):
        """The file system of fsspec; connections do not survive a fork, so each process has its own."""
        if self._system is None or self._process != os.getpid():
            self._system, root = _opened(self.address)
            self._root = root.rstrip("/")
            self._process = os.getpid()
        return self._system

    def key(self, name: str) -> str:
        """Return the address of an object."""
        return f"{self.address}/{name}"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def sizes(self) -> dict[str, int]:
        """Return the names of all objects, with their sizes, from one list; an empty dict if there are none."""
        with self._failing("", "listed"):
            self._store.invalidate_cache()
            try:
                found = self._store.find(self._root, detail=True)
            except _MISSING:
                return {}

        start = len(self._root) + 1
        return {path[start:]: info["size"] for path, info in found.items() if info["type"] == "file"}

    def read(self, name: str, most: int) -> bytes:
        """Return an object; raise `FormatError` if it is missing, no file, or larger than it may be."""
        with self._failing(name, "read"):
            self._check(name, most)
            return self._store.cat_file(self._path(name))

    def _check(self, name: str, most: int) -> None:
        """Raise `FormatError` unless an object is a plain one of at most so many bytes: before it is read."""
        self._store.invalidate_cache()
        found = self._store.info(self._path(name))
        size = found["size"]
        if found["type"] != "file":
            raise FormatError(f"{self.key(name)}: must be a plain file")
        if size > most:
            raise FormatError(f"{self.key(name)}: must have at most {most:,} bytes, got {size:,}")

    def exists(self, name: str) -> bool:
        """Return whether there is an object of this name."""
        with self._failing(name, "read"):
            self._store.invalidate_cache()
            return self._store.exists(self._path(name))

    def read_all(self, sizes: Mapping[str, int], most: int) -> Iterator[tuple[str, bytes]]:
        """Yield the names and contents of small objects, which are read many at a time.

        Parameters
        ----------
        sizes : mapping
            The names, and the sizes that `sizes` said.
        most : int
            The size that each of them may have. Larger ones are left out, as are those that are missing.
        """
        for batch in _batches(sizes, most):
            paths = [self._path(name) for name in batch]
            with self._failing(batch[0], "read"):
                # Whole objects, as ranges without ends: `cat` takes brackets and stars in a path for a pattern.
                contents = self._store.cat_ranges(paths, None, None, on_error="return")

            for name, content in zip(batch, contents, strict=True):
                if isinstance(content, bytes):
                    yield name, content
                elif not isinstance(content, _MISSING):
                    raise self._failure(name, "read", content)

    def fetch(self, name: str, path: Path, most: int) -> None:
        """Write an object into a file; errors as for `read`."""
        with self._failing(name, "read"):
            self._check(name, most)
            try:
                self._store.get_file(self._path(name), os.fspath(path))
            except OSError as error:
                if error.errno in FULL:
                    raise storage_error(error, path) from None
                raise

    def put(self, path: Path, name: str) -> None:
        """Write a file into an object, whole; raise `StorageError` if the store has fewer bytes afterwards."""
        with self._failing(name, "written"):
            self._make_room(name)
            self._store.put_file(os.fspath(path), self._path(name))
            stored = self._store.info(self._path(name))["size"]

        size = path.stat().st_size
        if stored != size:
            raise StorageError(f"{self.key(name)}: must have {size:,} bytes, got {stored:,}")

    def write(self, name: str, data: bytes) -> None:
        """Write an object."""
        with self._failing(name, "written"):
            self._make_room(name)
            self._store.pipe_file(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one of this name; return whether it was written.

        Of several processes one writes it. A store that cannot promise that is asked for the name first.
        """
        with self._failing(name, "written"):
            self._make_room(name)
            try:
                self._store.pipe_file(self._path(name), data, mode="create")
                return True
            except FileExistsError:
                return False
            except _UNCONDITIONAL:
                pass
        if self.exists(name):
            return False
        self.write(name, data)
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are missing are passed over."""
        for name in names:
            with self._failing(name, "removed"):
                with suppress(*_MISSING):
                    self._store.rm_file(self._path(name))

    def _make_room(self, name: str) -> None:
        """Make the folder of an object, where the store is one of folders."""
        if self.scheme in _FOLDERS:
            folder = os.path.dirname(self._path(name))
            os.makedirs(folder, exist_ok=True)

    @contextmanager
    def _failing(self, name: str, doing: str):
        """Turn what a store raises in the block into an error of ours, which names the key."""
        try:
            yield
        except SynthgenError:
            raise
        # A store raises errors of its own, of its HTTP library and of the system.
        except Exception as error:
            raise self._failure(name, doing, error) from error

    def _failure(self, name: str, doing: str, error: Exception) -> SynthgenError:
        key = self.key(name) if name else self.address
        if isinstance(error, _MISSING) and doing == "read":
            return FormatError(f"{key}: is missing")

        reason = one_line(error)
        hint = "; check the credentials and the rights" if isinstance(error, PermissionError) else ""
        failure = StorageError(f"{key}: cannot be {doing}: {reason}{hint}")
        failure.errno = getattr(error, "errno", None) or errno.EIO
        return failure


def _batches(sizes: Mapping[str, int], most: int) -> Iterator[list[str]]:
    """Yield the names of objects that are not too large, as many at a time as take little memory together."""
    batch: list[str] = []
    held = 0
    for name, size in sizes.items():
        if size > most:
            continue
        if batch and (len(batch) == _BATCH or held + size > _BATCH_BYTES):
            yield batch
            batch = []
            held = 0

        batch.append(name)
        held += size
    if batch:
        yield batch


def _opened(address: str):
    """Return the file system of an address, and the path within it."""
    with needed_for(f"{address}: cannot be used"):
        import fsspec

    scheme = address.partition("://")[0]
    try:
        return fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise MissingExtraError(f"{address}: cannot be used: {one_line(error)}") from error
    except ValueError as error:
        if scheme in fsspec.available_protocols():
            raise UsageError(f"{address}: is no address: {one_line(error)}") from None
        known = "s3, gs, hf and other schemes that fsspec knows"
        raise UsageError(f"{address}: must begin with {known}, got {scheme}") from None
    except Exception as error:
        raise StorageError(f"{address}: cannot be used: {one_line(error)}") from error
