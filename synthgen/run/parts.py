"""Parts of a run: K of N from the caller, or from the job array that a process is a task of."""

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


class _Scheduler(NamedTuple):
    """Which variables tell the tasks of a job array what they are.

    A name that is None says that the scheduler does not tell. `base` is the number of the first task, where that is
    not told.
    """

    name: str
    task: str
    first: str | None = None
    last: str | None = None
    tasks: str | None = None
    step: str | None = None
    base: int = 1


_SCHEDULERS = (
    _Scheduler(
        "Slurm",
        task="SLURM_ARRAY_TASK_ID",
        first="SLURM_ARRAY_TASK_MIN",
        last="SLURM_ARRAY_TASK_MAX",
        tasks="SLURM_ARRAY_TASK_COUNT",
        step="SLURM_ARRAY_TASK_STEP",
    ),
    _Scheduler(
        "SGE",
        task="SGE_TASK_ID",
        first="SGE_TASK_FIRST",
        last="SGE_TASK_LAST",
        step="SGE_TASK_STEPSIZE",
    ),
    _Scheduler("LSF", task="LSB_JOBINDEX", last="LSB_JOBINDEX_END", step="LSB_JOBINDEX_STEP"),
    _Scheduler("PBS", task="PBS_ARRAY_INDEX"),
    _Scheduler("Torque", task="PBS_ARRAYID"),
    _Scheduler("AWS Batch", task="AWS_BATCH_JOB_ARRAY_INDEX", tasks="AWS_BATCH_JOB_ARRAY_SIZE", base=0),
    _Scheduler("Kubernetes", task="JOB_COMPLETION_INDEX", base=0),
)
# What schedulers set in jobs that belong to no array.
_NO_TASK = {"SGE_TASK_ID": "undefined", "LSB_JOBINDEX": "0"}


class _Array(NamedTuple):
    """What a scheduler says of a job array, and of the task at hand; `last` and `tasks` None where it does not."""

    scheduler: _Scheduler
    task: int
    first: int
    last: int | None
    tasks: int | None
    step: int


def parse_part(part, folder: Path | None = None) -> Part:
    """Return which part to draw.

    Parameters
    ----------
    part : str, (int, int) or None
        ``"K/N"`` with 1 <= K <= N, a pair, or None for the whole. ``"auto"`` takes both from the variables that
        Slurm, SGE, LSF and AWS Batch give to the tasks of a job array. ``"auto/N"`` takes K from there, also from
        those of PBS, Torque and Kubernetes, which do not tell N. Tasks are numbered from 1, those of AWS Batch and
        Kubernetes from 0.
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
        array = _array(os.environ)
        return _numbered(array, _Split(n, array.scheduler.base))

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
    """Return what the scheduler says of the array that this process is a task of."""
    for scheduler in _SCHEDULERS:
        task = environ.get(scheduler.task)
        none = _NO_TASK.get(scheduler.task)
        if task not in (None, none):
            return _array_of(scheduler, environ)

    names = ", ".join(scheduler.name for scheduler in _SCHEDULERS)
    raise UsageError(f"part auto needs a job array of one of {names}: no variable of theirs is set")


def _array_of(scheduler: _Scheduler, environ) -> _Array:
    def number(name: str) -> int:
        try:
            return int(environ[name])
        except (KeyError, ValueError):
            raise UsageError(
                f"part auto needs {name} as a number: run it in a {scheduler.name} job array"
            ) from None

    task = number(scheduler.task)
    first = scheduler.base
    if scheduler.first is not None:
        first = number(scheduler.first)

    step = 1
    if scheduler.step is not None and scheduler.step in environ:
        step = max(number(scheduler.step), 1)

    tasks = None
    last = None
    if scheduler.tasks is not None:
        tasks = number(scheduler.tasks)
        last = first + (tasks - 1) * step
    if scheduler.last is not None and scheduler.last in environ:
        last = number(scheduler.last)
    if tasks is None and last is not None:
        tasks = (last - first) // step + 1

    return _Array(scheduler, task, first, last, tasks, step)


def _auto_part(array: _Array, recorded: _Split | None) -> Part:
    """Return the part of a task: as the folder was begun, or else as the array is."""
    if recorded is not None:
        return _numbered(array, recorded)

    if array.tasks is None or array.last is None:
        raise UsageError(f"part auto must be auto/N: {array.scheduler.name} does not say of how many parts")

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
    lies_within = array.last is None or (split.first <= array.first and array.last <= last)
    if has_part and lies_within:
        return Part(number + 1, split.parts, split.first, split.step)

    tasks = f"from {split.first} to {last} in even steps of {split.step}"
    rule = f"a task {tasks}, one for each of {split.parts} parts"
    found = f"task {array.task}"
    if array.last is not None:
        found += f" of an array from {array.first} to {array.last}"
    raise UsageError(f"part auto must be {rule}, got {found}")
