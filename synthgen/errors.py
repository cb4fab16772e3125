"""The errors that synthgen raises.

A message names the place, the rule and the value: ``recipes/a.yaml: per_class must be >= 1, got 0``.
Each child also inherits the builtin that a caller would expect to catch.
"""

import collections.abc
import difflib


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


def error_of(kind: str, message: str) -> SynthgenError:
    """Return an error of ours that another process reported, by the name of its class.

    Examples
    --------
    >>> error_of("StorageError", "d: the disk is full")
    StorageError('d: the disk is full')
    """
    children = {child.__name__: child for child in SynthgenError.__subclasses__()}
    known = children.get(kind, SynthgenError)
    return known(message)


def did_you_mean(name, known: collections.abc.Iterable[str]) -> str:
    """Return the end of a message on a name that is not known: the one that was meant, or nothing.

    Examples
    --------
    >>> did_you_mean("fractal", ["stains", "fractals"])
    '; did you mean fractals?'
    >>> did_you_mean("x", ["stains", "fractals"])
    ''
    """
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


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
