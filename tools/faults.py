"""A system that fails: the n-th open, read, write, link .. in a folder ends in an error of choice.

SQLite tests itself in this way. `Faults` patches the functions of the system in this process; `calls_of` counts the
calls that a piece of work makes, and `check` makes one of them fail and says what went wrong then. The tests use a
sample of all faults, and

    python tools/faults.py [--rounds N]

tries all of them: every call of a small run, a resumed one, a finished one, a growth and a merge, with every error.
There are as many rounds as errors. In each round every call fails once, with the errors in turn, so that one round
is a sample that is spread evenly over calls and errors.
"""

import argparse
import builtins
import errno
import io
import itertools
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

_NAMES = """
    EIO ENOSPC EACCES ESTALE EMFILE EDQUOT EROFS ENOMEM EINTR ENOTSUP EINVAL EPERM ENOLCK
"""
CODES = tuple(getattr(errno, name) for name in _NAMES.split())
# Functions of the module `os`, by what they do. The first argument is a path or a descriptor.
_OS = {
    "open": "open",
    "pread": "read",
    "write": "write",
    "ftruncate": "write",
    "posix_fallocate": "reserve",
    "fsync": "fsync",
    "link": "link",
    "replace": "rename",
    "unlink": "unlink",
    "mkdir": "mkdir",
    "chmod": "chmod",
    "stat": "stat",
    "fstat": "stat",
    "statvfs": "stat",
    "listdir": "list",
    "scandir": "list",
}


class Faults:
    """Calls of the system inside a folder are counted, and some of them fail while the block runs.

    Parameters
    ----------
    root : Path
        The folder; what happens elsewhere is neither counted nor changed.
    operation : str, optional
        What fails: one of ``open``, ``read``, ``write``, ``reserve``, ``fsync``, ``link``, ``rename``, ``unlink``,
        ``mkdir``, ``chmod``, ``stat``, ``list`` and ``lock``.
    number : int, optional
        The call of this kind that fails, from 1; by default all of them.
    code : int
        The errno.

    Attributes
    ----------
    counts : Counter
        Calls of each kind.
    """

    def __init__(self, root: Path, operation: str | None = None, number: int | None = None, code: int = errno.EIO):
        self.counts = Counter()
        self._root = str(root)
        self._operation = operation
        self._number = number
        self._code = code
        self._saved = []

    def __enter__(self):
        for name, operation in _OS.items():
            if hasattr(os, name):
                self._patch(os, name, self._wrapped(getattr(os, name), operation))
        for module in (io, builtins):
            self._patch(module, "open", self._opener(io.open))
        self._patch_locks()
        self._patch_hdf5()
        return self

    def __exit__(self, *exception):
        for module, name, original in reversed(self._saved):
            setattr(module, name, original)

    def call(self, operation: str, place) -> None:
        """Count a call, and raise an `OSError` if it is the one that fails."""
        path = _path_of(place)
        if path is None or not path.startswith(self._root):
            return
        self.counts[operation] += 1
        if operation == self._operation and self._number in (None, self.counts[operation]):
            raise OSError(self._code, os.strerror(self._code), path)

    def _patch(self, module, name: str, function) -> None:
        self._saved.append((module, name, getattr(module, name)))
        setattr(module, name, function)

    def _wrapped(self, function, operation: str):
        def wrapped(place=".", *arguments, **options):
            self.call(operation, place)
            if operation == "fsync":
                return None  # the disk is not what is tested here, and it takes its time
            return function(place, *arguments, **options)

        return wrapped

    def _opener(self, function):
        def opened(file, mode="r", *arguments, **options):
            self.call("open", file)
            stream = function(file, mode, *arguments, **options)
            path = _path_of(file)
            inside = path is not None and path.startswith(self._root)
            return _Stream(stream, self, path) if inside and "b" in mode else stream

        return opened

    def _patch_locks(self) -> None:
        try:
            import fcntl
        except ImportError:
            return
        self._patch(fcntl, "flock", self._wrapped(fcntl.flock, "lock"))

    def _patch_hdf5(self) -> None:
        import h5py

        self._patch(h5py, "File", self._wrapped(h5py.File, "open"))


class _Stream:
    """A file whose reads and writes are counted; what is written may also fail when it is closed."""

    def __init__(self, stream, faults: Faults, path: str):
        self._stream = stream
        self._faults = faults
        self._path = path
        self._wrote = False

    def read(self, *arguments):
        self._faults.call("read", self._path)
        return self._stream.read(*arguments)

    def readinto(self, buffer):
        self._faults.call("read", self._path)
        return self._stream.readinto(buffer)

    def write(self, data):
        self._faults.call("write", self._path)
        self._wrote = True
        return self._stream.write(data)

    def close(self):
        wrote = self._wrote and not self._stream.closed
        self._stream.close()
        if wrote:
            self._faults.call("write", self._path)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __iter__(self):
        return iter(self._stream)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


def _path_of(place) -> str | None:
    """Return the path of a path or a descriptor."""
    if isinstance(place, int):
        try:
            return os.readlink(f"/proc/self/fd/{place}")
        except OSError:
            return None
    return os.fsdecode(os.fspath(place)) if isinstance(place, (str, bytes, os.PathLike)) else None


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder: name -> content."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def calls_of(work: Callable[[Path], object], folder: Path) -> Iterator[tuple[str, int]]:
    """Run a piece of work in a folder and yield each call that it makes: what it does, and its number."""
    with Faults(folder) as faults:
        work(folder)
    for operation, count in faults.counts.items():
        for number in range(1, count + 1):
            yield operation, number


def check(
    work: Callable[[Path], object],
    folder: Path,
    expected: dict[str, bytes],
    operation: str,
    number: int | None,
    code: int,
) -> str | None:
    """Do a piece of work while a call fails, then once more undisturbed; return what is wrong, or None.

    Right is: the files that were to be made, or one line that names a place in the folder and advises nothing that
    deletes; and after the second time the right files and no others.
    """
    from synthgen.errors import SynthgenError

    message = None
    try:
        with Faults(folder, operation, number, code):
            work(folder)
    except SynthgenError as error:
        message = str(error)
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        return f"{type(error).__name__} in place of an error of ours: {error}"

    if message is None and _differing(folder, expected, leftovers=True):
        return f"files differ without an error: {_differing(folder, expected, leftovers=True)}"
    if message is not None and ("\n" in message or str(folder) not in message):
        return f"the message is no line that names a file: {message!r}"
    if message is not None and any(word in message for word in ("damaged", "delete", "remove")):
        return f"the message blames the files: {message!r}"

    work(folder)
    differing = _differing(folder, expected)
    return f"files differ after a second run: {differing} (the first said: {message})" if differing else None


def _differing(folder: Path, expected: dict[str, bytes], leftovers: bool = False) -> list[str]:
    """Return the files that are not as expected; `leftovers`: unfinished files and locks may be there."""
    found = files_of(folder)
    names = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
    if leftovers:
        names = {name for name in names if not name.endswith((".tmp", ".lock", ".held"))}
    return sorted(names)


def works(storage: str) -> dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]]:
    """Return pieces of work by name: a function that prepares a folder, and the work itself."""
    import synthgen
    from synthgen.recipe import Recipe
    from synthgen.run import merge

    values = {
        "family": "fractals", "classes": 2, "per_class": 2, "size": 16, "points": 100, "systems": 2,
        "storage": {"format": storage, "shard_size": 2},
    }  # fmt: skip
    recipe = Recipe.from_dict(values)
    larger = Recipe.from_dict({**values, "classes": 3, "per_class": 3})

    def draw(folder: Path, **options) -> None:
        synthgen.generate(recipe, folder, workers=0, progress=False, **options)

    def grow(folder: Path) -> None:
        synthgen.generate(larger, folder, workers=0, progress=False)

    def half(folder: Path) -> None:
        draw(folder, part="1/2")

    def parts(folder: Path) -> None:
        for k in (1, 2):
            draw(folder.with_name(f"{folder.name}-part-{k}"), part=f"{k}/2")

    def bring_together(folder: Path) -> None:
        merge([folder.with_name(f"{folder.name}-part-{k}") for k in (1, 2)], folder)

    def nothing(folder: Path) -> None:
        pass

    return {
        "a run": (nothing, draw),
        "a resumed run": (half, draw),
        "a finished run": (draw, draw),
        "a growth": (draw, grow),
        "a merge": (parts, bring_together),
    }


def faults_of(name: str, storage: str, folder: Path) -> Iterator[tuple[str, int, int]]:
    """Yield all faults of a piece of work, round by round: operation, number of the call, errno."""
    prepare, work = works(storage)[name]
    prepare(folder)
    calls = list(calls_of(work, folder))
    for round_ in range(len(CODES)):
        for place, (operation, number) in enumerate(calls):
            code = CODES[(place + round_) % len(CODES)]
            yield operation, number, code


def try_fault(name: str, storage: str, place: Path, fault: tuple[str, int | None, int]) -> str | None:
    """Prepare a new folder in `place`, and return what one fault does wrong there, or None."""
    prepare, work = works(storage)[name]
    reference = place / "reference" / "data"
    if not reference.exists():
        prepare(reference)
        work(reference)

    folder = Path(tempfile.mkdtemp(dir=place)) / "data"
    prepare(folder)
    problem = check(work, folder, files_of(reference), *fault)
    shutil.rmtree(folder.parent)
    return problem


def main() -> int:
    """Try all faults, or those of some rounds; return 1 if one of them did something wrong."""
    parser = argparse.ArgumentParser(description="Make each call of the system fail, with each error.")
    parser.add_argument("--rounds", type=int, default=len(CODES), help="make every call fail so many times")
    rounds = parser.parse_args().rounds

    tried = wrong = 0
    for storage, name in itertools.product(("hdf5", "webdataset"), works("hdf5")):
        with tempfile.TemporaryDirectory() as place:
            faults = list(faults_of(name, storage, Path(place) / "counted" / "data"))
            tried_here = len(faults) * rounds // len(CODES)
            for fault in faults[:tried_here]:
                problem = try_fault(name, storage, Path(place), fault)
                tried += 1
                wrong += problem is not None
                if problem is not None:
                    operation, number, code = fault
                    print(f"{name}, {storage}, {operation} {number} {errno.errorcode[code]}: {problem}", flush=True)
    print(f"{tried} faults, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
