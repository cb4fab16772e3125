"""Runs that are killed and resumed: the folder ends as that of an undisturbed run, to the byte."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from attacks.damage import one_of
from attacks.isolated import shortened
from attacks.trials import Finding, Outcome, Trial

ARGUMENTS = (
    "fractals", "--classes", "6", "--per-class", "20", "--size", "48", "--points", "30000", "--shard-size", "10",
    "--workers", "2", "--progress", "none",
)  # fmt: skip
SECONDS = 300
INTERRUPTED = 130
_VICTIMS = ("parent", "worker", "worker, then parent", "all", "SIGINT", "SIGTERM")


class Kills:
    """Kills a run once or twice, in parts or whole, resumes it, and compares the folders."""

    kind = "kills"
    count = 209

    def __init__(self, folder: Path):
        self.folder = folder
        whole = folder / "whole"
        drawing(whole, None).finish()
        self.wanted = contents_of(whole)

    def trial(self, rng: np.random.Generator) -> Trial:
        """Disturb a run, complete it, and look at what lies in the folder."""
        folder = self.folder / f"killed-{rng.integers(2**32):08x}"
        times = int(rng.integers(1, 3))
        said = []
        findings = []

        for _ in range(times):
            part = any_part(rng)
            victim = one_of(rng, _VICTIMS)
            after = int(rng.integers(-6, 12))

            said.append(f"{victim} of part {part or 'all'} after {after}")
            findings.append(disturb(folder, part, victim, after))

        for part in [*remaining_parts(rng), None]:
            findings.append(drawing(folder, part).finish())
        findings.append(self._compared(folder))

        shutil.rmtree(folder)
        return Trial("; ".join(said), findings, weight=times)

    def _compared(self, folder: Path) -> Finding:
        found = contents_of(folder)
        names = sorted(found.keys() | self.wanted.keys())
        differing = [name for name in names if found.get(name) != self.wanted.get(name)]

        if differing:
            return Finding("folder", Outcome.WRONG, f"differs from an undisturbed one: {', '.join(differing)}")
        return Finding("folder", Outcome.RIGHT, "")


def any_part(rng) -> str | None:
    """Return a part of a small number of them, or None for the whole."""
    parts = one_of(rng, (1, 2, 3, 8))
    if parts == 1:
        return None
    return f"{rng.integers(1, parts + 1)}/{parts}"


def remaining_parts(rng) -> list[str | None]:
    """Return the parts that complete a data set, in any order; none to leave all to the run of the whole."""
    parts = one_of(rng, (0, 2, 3))
    order = rng.permutation(parts) + 1
    return [f"{part}/{parts}" for part in order]


def contents_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, hidden ones too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def drawing(folder: Path, part: str | None) -> "Run":
    """Start a command that draws the data set, or a part of it."""
    name = f"run of part {part}" if part else "run"
    more = ("--part", part) if part else ()
    return Run(name, *ARGUMENTS, *more, "--out", str(folder))


class Run:
    """A command that has been started, in a folder."""

    def __init__(self, name: str, *arguments: str, home: Path | None = None):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "synthgen", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
            start_new_session=True,
        )

    def finish(self, allowed: tuple[int, ...] = (0,)) -> Finding:
        """Wait for the end; return what came of it."""
        try:
            _, errors = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            return Finding(self.name, Outcome.HANG, f"not done after {SECONDS} s")

        code = self.process.returncode
        if "Traceback" in errors:
            return Finding(self.name, Outcome.TRACEBACK, shortened(errors[-200:]))
        if code not in allowed:
            return Finding(self.name, Outcome.WRONG, f"exit code {code}: {shortened(errors)}")
        return Finding(self.name, Outcome.RIGHT, "")


def disturb(folder: Path, part: str | None, victim: str, after: int) -> Finding:
    """Start a run and kill it, or some of it, after so many shards; below 0: that many tenths of a second."""
    run = drawing(folder, part)
    process = run.process
    if after < 0:
        wait(process, lambda: False, -after / 10)
    else:
        wait(process, lambda: finished(folder) >= after, 20)

    # Before the first line of ours the system answers a signal, and nothing is begun.
    early = [-number for number in (signal.SIGINT, signal.SIGTERM) if not answers(process.pid, number)]
    workers = children(process.pid)
    for target, number in _targets(victim, process.pid, workers):
        kill(target, number)
    # A killed worker is replaced, and its run goes on; a run may be over before the signal comes.
    finding = run.finish((0, INTERRUPTED, -signal.SIGKILL, *early))

    end = time.monotonic() + 10
    while living(process.pid):
        if time.monotonic() > end:
            return Finding(run.name, Outcome.HANG, "its workers outlive it by 10 s")
        time.sleep(0.02)
    return finding


def answers(pid: int, number: int) -> bool:
    """Return whether a process has a handler of its own for a signal; one that has ended has none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    mask = int(caught.split()[1], 16)
    return bool(mask >> (number - 1) & 1)


def living(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    processes = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    return [pid for pid in processes if group_of(pid) == group]


def group_of(pid: int) -> int | None:
    """Return the group of a process, None of one that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None

    state, _, group = text.rpartition(")")[2].split()[:3]
    return None if state == "Z" else int(group)


def _targets(victim: str, parent: int, workers: list[int]) -> list[tuple[int, int]]:
    """Return processes and signals."""
    some = [(pid, signal.SIGKILL) for pid in workers[:1]]
    every = [(pid, signal.SIGKILL) for pid in workers]
    own = (parent, signal.SIGKILL)
    return {
        "parent": [own],
        "worker": some,
        "worker, then parent": [*some, own],
        "all": [own, *every],
        "SIGINT": [(parent, signal.SIGINT)],
        "SIGTERM": [(parent, signal.SIGTERM)],
    }[victim]


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process, which may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait(process, condition, seconds: float) -> None:
    """Wait for a condition, at most so long, and not beyond the end of a process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None or condition():
            return
        time.sleep(0.005)


def finished(folder: Path) -> int:
    """Return how many shards a run has finished."""
    shards = folder.glob("shards/train-*.h5")
    return len(list(shards))


def children(pid: int) -> list[int]:
    """Return the workers of a process."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(word) for word in text.split()]
