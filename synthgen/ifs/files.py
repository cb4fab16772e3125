"""Systems that come from a file of the user's: NumPy's npz or JSON, never a pickle."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError, one_line
from synthgen.ifs.system import MAX_MAPS, System
from synthgen.options import parse_json

SUFFIXES = (".npz", ".json")
MAX_BYTES = 2**30


def load_systems(path) -> tuple[System, ...]:
    """Return the systems of a file; a process reads it again only where its size or its time has changed.

    Parameters
    ----------
    path : str or Path
        JSON: a list of systems, each a list of maps, each two rows of three numbers: A with b as last column. Npz:
        ``maps``, (N, 2, 3), the maps of all systems one after the other, and ``counts``, (M,), how many each has;
        or ``maps``, (M, n, 2, 3), where all have as many.

    Returns
    -------
    tuple of System

    Raises
    ------
    UsageError
        If the file is missing, of another kind, damaged, or holds anything else.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        given = suffix or "no suffix"
        raise UsageError(f"{path}: systems must come from an .npz or .json file, got {given}")
    if not path.is_file():
        raise UsageError(f"{path}: systems must be a file, got nothing there")

    facts = path.stat()
    size = facts.st_size
    if size > MAX_BYTES:
        raise UsageError(f"{path}: systems must have at most {MAX_BYTES:,} bytes, got {size:,}")
    stamp = facts.st_mtime_ns, size
    return _loaded(path.absolute(), stamp)


@lru_cache(maxsize=2)
def _loaded(path: Path, stamp: tuple[int, int]) -> tuple[System, ...]:
    """Return the systems of a file as it was at a time."""
    read = _from_json if path.suffix.lower() == ".json" else _from_npz
    try:
        parts = read(path)
    except UsageError:
        raise
    except Exception as error:  # a damaged file makes its reader raise anything
        raise UsageError(f"{path}: systems must be readable, got: {one_line(error, 80)}") from error

    if not parts:
        raise UsageError(f"{path}: systems must be at least one, got none")
    return tuple(_checked(path, number, maps) for number, maps in enumerate(parts))


def _from_json(path: Path) -> list:
    systems = parse_json(path.read_bytes(), str(path))
    if not isinstance(systems, list):
        given = type(systems).__name__
        raise UsageError(f"{path}: systems must be a list, got {given}")
    return systems


def _from_npz(path: Path) -> list:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if "maps" not in arrays:
        given = ", ".join(arrays) or "none"
        raise UsageError(f"{path}: systems must have an array maps, got {given}")

    maps = arrays["maps"]
    counts = arrays.get("counts")
    if counts is None:
        return list(maps)

    total = counts.sum()
    if total != len(maps) or counts.min(initial=1) < 1:
        raise UsageError(f"{path}: counts must be at least 1 and add up to {len(maps)} maps, got {total}")
    ends = np.cumsum(counts)
    return np.split(maps, ends[:-1])


def _checked(path: Path, number: int, maps) -> System:
    """Return a system of a file; refuse what is none."""
    try:
        return System(maps)
    except (UsageError, ValueError, TypeError) as error:
        rule = f"must be 1 to {MAX_MAPS} maps of 2 x 3 finite numbers"
        raise UsageError(f"{path}: system {number} {rule}, got: {one_line(error, 80)}") from None
