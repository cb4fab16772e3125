"""Calls of the system that fail: the right bytes or samples, or one line that names the file and blames nobody.

The harness that makes calls fail is `tools/faults.py`.
"""

import errno
import itertools
import shutil
from functools import partial
from pathlib import Path

import faults
import numpy as np

import synthgen
from attacks.damage import one_of
from attacks.data_sets import Original, read_all, read_stream, read_tensors
from attacks.isolated import isolated
from attacks.trials import Refused, Trial, Wrong

_FORMATS = ("hdf5", "webdataset")
_BLAME = ("damaged", "delete", "remove")


class Faults:
    """Makes one call of a run, a merge or a reader fail."""

    kind = "faults"
    count = 1000

    def __init__(self, folder: Path):
        self.folder = folder
        self.originals = [Original(folder / name, {"format": name}) for name in _FORMATS]
        names = faults.works("hdf5")
        self.works = list(itertools.product(_FORMATS, names))
        self.faults = {}
        self.calls = {}

    def trial(self, rng: np.random.Generator) -> Trial:
        """Make a call fail, of one that writes or of one that reads."""
        if rng.random() < 0.3:
            return self._reading(rng)
        return self._writing(rng)

    def _writing(self, rng) -> Trial:
        storage, name = one_of(rng, self.works)
        fault = one_of(rng, self._faults_of(storage, name))
        operation, number, code = fault

        # A place keeps the files that one piece of work ends with.
        place = self.folder / f"trials-{storage}-{name}"
        place.mkdir(exist_ok=True)
        steps = {name: lambda: _judge(faults.try_fault(name, storage, place, fault))}
        what = f"{storage}: {operation} {number} {errno.errorcode[code]}"
        return Trial(what, isolated(steps))

    def _faults_of(self, storage: str, name: str) -> list[tuple[str, int, int]]:
        """Return all faults that a piece of work can meet."""
        key = (storage, name)
        if key not in self.faults:
            place = self.folder / "counted"
            place.mkdir()
            self.faults[key] = list(faults.faults_of(name, storage, place / "data"))
            shutil.rmtree(place)
        return self.faults[key]

    def _reading(self, rng) -> Trial:
        original = one_of(rng, self.originals)
        name = one_of(rng, list(_READERS))
        operation, number = one_of(rng, self._calls_of(original, name))
        code = one_of(rng, faults.CODES)

        step = partial(_read, _READERS[name], original, operation, number, code)
        what = f"reading {original.folder.name}: {operation} {number} {errno.errorcode[code]}"
        return Trial(what, isolated({name: step}))

    def _calls_of(self, original: Original, name: str) -> list[tuple[str, int]]:
        """Return all calls that a reader makes."""
        key = (original.folder, name)
        if key not in self.calls:
            read = partial(_READERS[name], original=original)
            self.calls[key] = list(faults.calls_of(read, original.folder))
        return self.calls[key]


def _judge(problem: str | None) -> None:
    """Raise what a problem of the harness amounts to."""
    if problem is None:
        return
    if "in place of an error of ours" in problem:
        raise RuntimeError(problem)
    raise Wrong(problem)


def _read(read, original: Original, operation: str, number: int, code: int) -> None:
    """Read while a call fails; an error must name a place and blame no file."""
    try:
        with faults.Faults(original.folder, operation, number, code):
            read(original.folder, original)
    except synthgen.SynthgenError as error:
        text = str(error)
        if any(word in text for word in _BLAME):
            raise Wrong(f"the message blames the files: {text}") from None
        if str(original.folder) not in text:
            raise Wrong(f"the message names no file: {text}") from None
        raise Refused(text) from None


def _verify(folder: Path, original: Original) -> None:
    """Check a healthy data set while a call fails: what cannot be read is unread, and no file is damaged."""
    report = synthgen.verify(folder, pixels=True)
    if report.problems:
        raise Wrong(f"a healthy file is blamed: {report.problems[0]}")
    if report.unread:
        raise synthgen.SynthgenError(f"{folder}: {report.unread[0]}")


_READERS = {"open": read_all, "ShardDataset": read_tensors, "StreamDataset": read_stream, "verify": _verify}
