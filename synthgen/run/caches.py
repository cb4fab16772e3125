"""Damaged caches of Numba: found where they fail, removed, and compiled anew.

Numba keeps compiled code beside our modules, or where ``NUMBA_CACHE_DIR`` says. A file that was cut off by a full
disk or a crash makes its loader fail with whatever its bytes suggest, on each call.
"""

import warnings
from pathlib import Path

_LOADER = ("numba", "core", "caching.py")
_LOADING = ("_load_index", "_load_data", "load")


def with_sound_caches(function, *arguments):
    """Return what a function returns; remove the damaged caches that it meets, with a warning for each."""
    while True:
        try:
            return function(*arguments)
        except Exception as error:
            if not remove_damaged_cache(error):
                raise


def remove_damaged_cache(error: BaseException) -> bool:
    """Remove the cache of Numba that an error came from, and warn; return whether it came from one."""
    index = _failed_index(error)
    if index is None:
        return False
    try:
        index.unlink()
    except OSError:
        return False
    warnings.warn(f"{index}: a damaged cache of Numba was removed; its code is compiled anew", stacklevel=2)
    return True


def _failed_index(error: BaseException | None) -> Path | None:
    """Return the index file that Numba was loading when an error, or one behind it, was raised."""
    while error is not None and not isinstance(error, OSError):
        trace = error.__traceback__
        while trace is not None:
            index = _index_of(trace.tb_frame)
            if index is not None:
                return index
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return None


def _index_of(frame) -> Path | None:
    """Return the index file that a call of Numba's loader reads, or None for another call."""
    code = frame.f_code
    if code.co_name not in _LOADING or Path(code.co_filename).parts[-3:] != _LOADER:
        return None
    path = getattr(frame.f_locals.get("self"), "_index_path", None)
    return None if path is None else Path(path)
