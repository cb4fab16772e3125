"""The results in the folder of a benchmark: which cells there are, which are missing, which failed, and why."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.benchmark.record import Begun, Record, read_begun, read_records

ALL = "all"
SAMPLES = "samples"


class Cell(NamedTuple):
    """A category of a data set."""

    set: str
    category: str

    def __str__(self) -> str:
        return f"{self.set}/{self.category}"


class Results:
    """All records of a benchmark, and the jobs that have none yet.

    Parameters
    ----------
    folder : Path
    begun : Begun
    records : list of Record

    Attributes
    ----------
    benchmark : Benchmark
    models : list of str
        In the order of the configuration.
    cells : list of Cell
    seeds : list of int
    records : dict of str to Record
        By the name of the job.
    """

    def __init__(self, folder: Path, begun: Begun, records: Iterable[Record]):
        self.folder = folder
        self.benchmark = Benchmark.from_dict(begun.benchmark, str(folder))
        self.jobs = begun.jobs
        self.records = {record.name: record for record in records}
        self._samples: dict[tuple, dict[str, np.ndarray]] = {}

        parts = [name.split("/") for name in self.jobs]
        self.models = list(dict.fromkeys(model for model, _, _, _ in parts))
        self.cells = list(dict.fromkeys(Cell(name, category) for _, name, category, _ in parts))
        self.seeds = list(dict.fromkeys(int(seed) for _, _, _, seed in parts))

    def record(self, model: str, cell: Cell, seed: int) -> Record | None:
        """Return the record of a job that did not fail, None if there is none."""
        record = self.records.get(f"{model}/{cell}/{seed}")
        return None if record is None or record.failed else record

    def of_model(self, model: str, cells: Iterable[Cell]) -> list[Record]:
        """Return all records of a model on some cells, also those that failed."""
        names = [f"{model}/{cell}/{seed}" for cell in cells for seed in self.seeds]
        return [self.records[name] for name in names if name in self.records]

    def value(self, model: str, cell: Cell, seed: int, metric: str, kind: str = ALL) -> float | None:
        """Return what a job measured, None if it has no value there."""
        record = self.record(model, cell, seed)
        if record is None:
            return None
        row = next((row for row in record.rows if row["kind"] == kind), {})
        return row.get(metric)

    def mean_of_seeds(self, model: str, cell: Cell, metric: str, kind: str = ALL) -> float | None:
        """Return the mean over all seeds, None if one of them has no value."""
        values = [self.value(model, cell, seed, metric, kind) for seed in self.seeds]
        return mean(values)

    def samples(self, model: str, cell: Cell, metric: str) -> np.ndarray | None:
        """Return a metric of resamples of the test images, the mean over the seeds, (R,); None if it has none."""
        of_seeds = []
        for seed in self.seeds:
            values = self._samples_of(model, cell, seed).get(metric)
            if values is None or self.record(model, cell, seed) is None:
                return None
            of_seeds.append(values)
        return np.mean(of_seeds, axis=0)

    def _samples_of(self, model: str, cell: Cell, seed: int) -> dict[str, np.ndarray]:
        """Return all metrics of resamples of a job; they are read once."""
        key = (model, cell, seed)
        if key not in self._samples:
            place = self.folder / SAMPLES / model / cell.set / cell.category
            self._samples[key] = read_samples(place / f"seed-{seed}.npz")
        return self._samples[key]

    def pool(self, name: str) -> list[Cell]:
        """Return the cells of a pool."""
        sets = self.pools[name]
        return [cell for cell in self.cells if cell.set in sets]

    @cached_property
    def pools(self) -> dict[str, tuple[str, ...]]:
        """The data sets of each pool."""
        return self.benchmark.pooled()

    @property
    def missing(self) -> list[str]:
        """The names of jobs without a record."""
        return [name for name in self.jobs if name not in self.records]

    @property
    def failures(self) -> list[Record]:
        """The records of jobs that failed, in the order of the jobs."""
        found = [self.records[name] for name in self.jobs if name in self.records]
        return [record for record in found if record.failed]

    @cached_property
    def metrics(self) -> list[str]:
        """The names of all values that the records have, in their order."""
        names: dict[str, Any] = {}
        for record in self.records.values():
            for row in record.rows:
                names |= row
        return [name for name in names if name not in ("kind", "normal", "anomalous")]

    def warnings(self) -> list[str]:
        """Return lines on what makes numbers hard to compare: other data, other versions, notes of the readers."""
        lines = []
        for cell in self.cells:
            found = [record for record in self.records.values() if (record.set, record.category) == tuple(cell)]
            digests = {record.data["sha256"] for record in found if record.data}
            if len(digests) > 1:
                lines.append(f"{cell}: models saw {len(digests)} different sets of files")

        whole = [record for record in self.records.values() if not record.failed]
        for key in ("synthgen", "torch"):
            versions = sorted({record.versions.get(key, "unknown") for record in whole})
            if len(versions) > 1:
                lines.append(f"records were made by several versions of {key}: {', '.join(versions)}")
        notes = [note for record in whole for note in record.data.get("notes", [])]
        return lines + list(dict.fromkeys(notes))


def read_results(folder) -> Results:
    """Return the results in the folder of a benchmark.

    Raises
    ------
    UsageError
        If it is no such folder.
    FormatError
        If a record is damaged.
    """
    folder = Path(folder)
    begun = read_begun(folder)
    return Results(folder, begun, read_records(folder))


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of values, None where one is missing or there is none."""
    given = list(values)
    if not given or None in given:
        return None
    return float(np.mean([value for value in given if value is not None]))


def spread(values: Iterable[float | None]) -> float | None:
    """Return the standard deviation (n - 1) of values, None where one is missing or fewer than two are there."""
    given = list(values)
    if len(given) < 2 or None in given:
        return None
    return float(np.std([value for value in given if value is not None], ddof=1))


def read_samples(path: Path) -> dict[str, np.ndarray]:
    """Return the metrics of resamples in a file, each (R,); none if there is no such file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError):
        return {}
