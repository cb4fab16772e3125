"""The errors that synthgen raises.

A message names the place, the rule and the value: ``recipes/a.yaml: per_class must be >= 1, got 0``.
Each child also inherits the builtin that a caller would expect to catch.
"""


class SynthgenError(Exception):
    """Root of all errors of this package; the command line prints it as one line."""


class UsageError(SynthgenError, ValueError):
    """What the caller asked for cannot be: an option, a recipe, a folder that holds something else."""


class FormatError(SynthgenError, ValueError):
    """A file is damaged, unfinished, of an unknown version, or not ours."""


class StorageError(SynthgenError, OSError):
    """The disk is full, or a file may not be written."""


class LockedError(SynthgenError, BlockingIOError):
    """Another process writes the same part of the data set."""


class WorkerError(SynthgenError, RuntimeError):
    """A worker process died twice on the same shard."""


class DeviceError(SynthgenError, RuntimeError):
    """A compute device is missing, out of memory, or cannot build its kernels."""


class MissingExtraError(SynthgenError, ImportError):
    """An optional dependency is not installed; the message names the extra that installs it."""


def one_line(error: BaseException, most: int = 200) -> str:
    """Return what an error says in one line of at most so many characters, or its kind if it says nothing.

    Examples
    --------
    >>> one_line(ValueError("a line\\n  and another"))
    'a line and another'
    >>> one_line(MemoryError())
    'MemoryError'
    """
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:most]
