"""Parts of a run: K of N from the caller, or from Slurm's job arrays."""

import os
import re
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from synthgen.errors import FormatError, UsageError
from synthgen.shards.files import write_atomically
from synthgen.shards.manifest import encode_json, read_json

# In how many parts an unfinished folder is drawn. It is no part of the data set: the last part removes it.
PARTS = ".parts.json"
_MOST = 9_999_999


class _Split(msgspec.Struct, frozen=True):
    """What `PARTS` holds: the number of parts, and the numbers that a job array gave them."""

    parts: Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
    first: Annotated[int, msgspec.Meta(ge=0)] = 1
    step: Annotated[int, msgspec.Meta(ge=1)] = 1


class Part(NamedTuple):
    """Part `k` of `n`, 1-based. In a job array it is the task of number ``first + (k - 1) * step``."""

    k: int
    n: int
    first: int = 1
    step: int = 1


class _Array(NamedTuple):
    """What Slurm says of a job array, and of the task at hand."""

    task: int
    first: int
    last: int
    tasks: int
    step: int


def parse_part(part, folder: Path | None = None) -> Part:
    """Return which part to draw.

    Parameters
    ----------
    part : str, (int, int) or None
        ``"K/N"`` with 1 <= K <= N, a pair, or None for the whole. ``"auto"`` takes both from the variables that
        Slurm gives to the tasks of a job array. ``"auto/N"`` takes K from there: tasks are numbered from 1.
    folder : Path, optional
        Of the data set. Where it was begun in parts, ``"auto"`` keeps to their number, so that some tasks of an
        array can be sent again.

    Raises
    ------
    UsageError
        If the text is no part, or the array does not say which part a task is.

    Examples
    --------
    >>> parse_part("3/64")[:2]
    (3, 64)
    """
    if part is None:
        return Part(1, 1)
    text = part if isinstance(part, str) else "/".join(map(str, part))
    if text == "auto":
        return _auto_part(_array(os.environ), _recorded(folder))

    match = re.fullmatch(r"([0-9]{1,7}|auto)/([0-9]{1,7})", text)
    number, total = match.groups() if match else ("0", "0")
    n = int(total)
    if n and number == "auto":
        return _numbered(_array(os.environ), _Split(n))

    k = 0 if number == "auto" else int(number)
    if not 1 <= k <= n:
        raise UsageError(f"part must be K/N with 1 <= K <= N, auto or auto/N, got {text!r}")
    return Part(k, n)


def record_parts(folder: Path, part: Part) -> None:
    """Write down in how many parts a folder is drawn, for tasks that are sent again."""
    split = _Split(part.n, part.first, part.step)
    if _recorded(folder) != split:
        write_atomically(folder / PARTS, encode_json(split))


def _recorded(folder: Path | None) -> _Split | None:
    if folder is None:
        return None
    path = folder / PARTS
    if not path.exists():
        return None
    try:
        return read_json(path, _Split)
    except FormatError:
        return None


def _array(environ) -> _Array:
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
    try:
        task, first, count = (int(environ[name]) for name in names)
        step = int(environ.get("SLURM_ARRAY_TASK_STEP", 1))
        even_last = first + (count - 1) * step
        last = int(environ.get("SLURM_ARRAY_TASK_MAX", even_last))
    except (KeyError, ValueError):
        needed = ", ".join(names)
        raise UsageError(f"part auto needs {needed} as numbers: run it in a Slurm job array") from None
    return _Array(task, first, last, count, max(step, 1))


def _auto_part(array: _Array, recorded: _Split | None) -> Part:
    """Return the part of a task: as the folder was begun, or else as the array is."""
    if recorded is not None:
        return _numbered(array, recorded)

    even_last = array.first + (array.tasks - 1) * array.step
    is_even = array.last == even_last
    is_alone = array.tasks == 1 and array.first > 1
    if not is_even or is_alone:
        tasks = f"tasks {array.first} to {array.last} ({array.tasks} of them)"
        raise UsageError(
            "part auto needs an array of even steps, or a folder that was begun in parts: "
            f"{tasks} do not say of how many parts the data set is; auto/N does"
        )
    return _numbered(array, _Split(array.tasks, array.first, array.step))


def _numbered(array: _Array, split: _Split) -> Part:
    """Return the part of a task by its number; all tasks of an array must have one."""
    last = split.first + (split.parts - 1) * split.step
    number, rest = divmod(array.task - split.first, split.step)
    has_part = rest == 0 and 0 <= number < split.parts
    lies_within = split.first <= array.first and array.last <= last
    if has_part and lies_within:
        return Part(number + 1, split.parts, split.first, split.step)

    tasks = f"from {split.first} to {last} in even steps of {split.step}"
    rule = f"a task {tasks}, one for each of {split.parts} parts"
    found = f"task {array.task} of an array from {array.first} to {array.last}"
    raise UsageError(f"part auto must be {rule}, got {found}")
