"""Reading an export back: bytes against its record, pixels against the data sets that it was made of."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from synthgen.errors import FormatError, SynthgenError, UsageError
from synthgen.layouts.export.record import Record, digest_of, read_record, record_path
from synthgen.layouts.export.tree import FileRow
from synthgen.shards.dataset import Dataset, open_dataset
from synthgen.shards.reading import read_whole

_MOST_BYTES = 2**34


class Findings(msgspec.Struct, frozen=True):
    """What a check found.

    Attributes
    ----------
    files : int
        How many were compared with the record.
    images, masks : int
        How many were decoded; their pixels add up to those of the data set.
    problems : list of (str, str)
        Path and reason of each fault.
    """

    files: int
    images: int
    masks: int
    problems: list[tuple[str, str]]

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.problems


def check(out) -> Findings:
    """Compare a finished export with its record, and its pixels with those of its data sets.

    Images are decoded by Pillow here and by our own decoder in the data set, so that an error in either shows.

    Parameters
    ----------
    out : str or Path

    Raises
    ------
    UsageError
        If there is no finished export.
    """
    out = Path(out)
    found = read_record(out)
    if found is None:
        raise UsageError(f"{out}: must be a finished export, there is no {record_path(out).name}")
    record, rows = found
    return _Check(out, record).run(rows)


class _Check:
    """A check that is under way."""

    def __init__(self, out: Path, record: Record):
        self.out = out
        self.decoded = {"image": 0, "mask": 0}
        self.sources: list[Dataset | None] = [_opened(each.path, each.data) for each in record.data_sets]

    def run(self, rows: Iterator[FileRow]) -> Findings:
        """Return what is wrong with the files of the record, and with those that it does not list."""
        problems = []
        listed = set()
        for row in rows:
            listed.add(row.path)
            reason = self._wrong(row)
            if reason:
                problems.append((row.path, reason))
        for stranger in sorted(set(_files_below(self.out)) - listed):
            problems.append((stranger, "is not of this export"))
        return Findings(len(listed), self.decoded["image"], self.decoded["mask"], problems)

    def _wrong(self, row: FileRow) -> str | None:
        """Return what is wrong with a file, or None."""
        try:
            data = read_whole(self.out / row.path, min(row.bytes + 1, _MOST_BYTES))
        except SynthgenError as error:
            return str(error).removeprefix(f"{self.out / row.path}: ")
        if len(data) != row.bytes or digest_of(data) != row.sha256:
            return "has other bytes than the record says"
        return self._wrong_pixels(row, data)

    def _wrong_pixels(self, row: FileRow, data: bytes) -> str | None:
        expected = row.total
        if expected is None and row.role == "image" and row.path.endswith(".png"):
            expected = self._sum_in_data_set(row)
        if expected is None:
            return None

        pixels = _decoded(data)
        found = int(np.count_nonzero(pixels)) if row.role == "mask" else int(pixels.sum(dtype=np.int64))
        self.decoded[row.role] += 1
        if found != expected:
            return f"must have pixels that add up to {expected}, got {found}"
        return None

    def _sum_in_data_set(self, row: FileRow) -> int | None:
        """Return the sum of the pixels of an image in its data set; None where that is no longer there."""
        if row.data_set is None or row.place is None:
            return None
        dataset = self.sources[row.data_set]
        return None if dataset is None else int(dataset.field(row.place, "image").sum(dtype=np.int64))


def _opened(path: str, fingerprint: str) -> Dataset | None:
    """Return a data set, or None where it is gone or another lies in its place."""
    try:
        dataset = open_dataset(path)
    except FormatError:
        return None
    return dataset if dataset.manifest.fingerprints.data == fingerprint else None


def _decoded(data: bytes) -> np.ndarray:
    """Return the pixels of a file, palettes as colors."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        plain = image.convert("RGB") if image.mode == "P" else image
        return np.asarray(plain)


def _files_below(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it."""
    for place, _, names in os.walk(folder):
        for name in names:
            yield Path(place, name).relative_to(folder).as_posix()
