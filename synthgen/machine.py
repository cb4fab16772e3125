"""The machine at hand: its CPUs and its memory; sizes and times in words."""

import math
import os
import platform
from functools import lru_cache
from pathlib import Path

from synthgen.compiled import private_folder

# Names the OpenCL device that families draw on, by number or by a part of its name.
DEVICE_VARIABLE = "SYNTHGEN_DEVICE"

_CGROUPS = Path("/sys/fs/cgroup")


def user_cache() -> Path:
    """Return the folder of a user's caches: ``XDG_CACHE_HOME``, or ``.cache`` of the home folder.

    A user without a home, as in a container that runs under any number, has a private part of the temporary
    folder.
    """
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return private_folder("cache") or _new_folder()


def _new_folder() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp())


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """Return the name of the CPU, as the system calls it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def available_bytes() -> float:
    """Return the memory that this process may still take, in bytes; infinity where the system does not say.

    It is the smaller of what the machine has left and what the process's control group has left: a container or a
    batch job may use less than its machine holds.
    """
    return min(_machine_bytes(), _cgroup_bytes())


def _machine_bytes() -> float:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _cgroup_bytes(root: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float:
    """Return what the control groups of this process leave: each group above it may have a limit of its own."""
    left = math.inf
    for folder, names in _groups(root, membership):
        try:
            limit, used = ((folder / name).read_text().strip() for name in names[:2])
            if limit.isdecimal():
                left = min(left, int(limit) - int(used) + _reclaimable(folder / names[2]))
        except (OSError, ValueError):
            continue
    return max(0, left)


def _groups(root: Path, membership: Path):
    """Yield the folders of the memory control groups that this process is in, with the names of their files."""
    try:
        rows = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        rows = []
    for _, controllers, place in (row for row in rows if len(row) == 3):
        version_1 = "memory" in controllers.split(",")
        if controllers and not version_1:
            continue
        base = root / "memory" if version_1 else root
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes") if version_1 else ("memory.max", "memory.current")
        )
        group = base / place.lstrip("/")
        for folder in (group, *group.parents):
            yield folder, (*names, "memory.stat")
            if folder == base:
                break


def _reclaimable(statistics: Path) -> int:
    """Return the bytes of cached files that a control group gives back when memory is short."""
    try:
        rows = dict(line.split(maxsplit=1) for line in statistics.read_text().splitlines())
        return int(rows.get("inactive_file", rows.get("total_inactive_file", 0)))
    except (OSError, ValueError):
        return 0


def human_bytes(size: float) -> str:
    """Return a size for people.

    Examples
    --------
    >>> human_bytes(3_200_000_000)
    '3.2 GB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def counted(count: int, one: str, several: str | None = None) -> str:
    """Return a number of things for people; `several` is the word for more than one, if not `one` with an s.

    Examples
    --------
    >>> counted(1, "class", "classes"), counted(2000, "image")
    ('1 class', '2,000 images')
    """
    word = one if count == 1 else several or f"{one}s"
    return f"{count:,} {word}"


def human_time(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> human_time(71), human_time(8000)
    ('1 min 11 s', '2 h 13 min')
    """
    seconds = round(seconds)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
    return f"{seconds // 3600:,} h {seconds % 3600 // 60} min"
