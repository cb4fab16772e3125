"""The results in the folder of a benchmark: which cells there are, which are missing, which failed, and why."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synthgen.torch.benchmark.config import Benchmark
from synthgen.torch.benchmark.record import SAMPLES, Begun, Record, read_begun, read_records

ALL = "all"
_COUNTS = ("kind", "normal", "anomalous")  # of a row, beside its metrics


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
        In the order of the configuration; MODEL:HEAD for each answer of a model that gives several.
    cells : list of Cell
    seeds : list of int
    records : dict of str to Record
        By the name of the job, with MODEL:HEAD in it for an answer.
    """

    def __init__(self, folder: Path, begun: Begun, records: Iterable[Record]):
        self.folder = folder
        self.benchmark = Benchmark.from_dict(begun.benchmark, str(folder))
        self.jobs = begun.jobs
        self._skipped = begun.skipped
        self._of_jobs = {record.name: record for record in records}
        self._samples: dict[tuple, dict[str, np.ndarray]] = {}
        self.records = {record.name: record for record in self.in_order}

        models: dict[str, dict[str, bool]] = {}
        cells = {}
        seeds = {}
        for job in self.jobs:
            model, name, category, seed = job.split("/")
            models.setdefault(model, {})
            cells[Cell(name, category)] = True
            seeds[int(seed)] = True
            record = self._of_jobs.get(job)
            if record is not None:
                models[model] |= {f"{model}:{head}": True for head in record.heads}
        self.models = [name for model, heads in models.items() for name in heads or [model]]
        self.cells = list(cells)
        self.seeds = list(seeds)

    @property
    def in_order(self) -> list[Record]:
        """All records in the order of the jobs, one for each answer of a model that gives several."""
        found = []
        for name in self.jobs:
            if name in self._of_jobs:
                found += self._of_jobs[name].of_heads()
        return found

    def record(self, model: str, cell: Cell, seed: int) -> Record | None:
        """Return the record of a job that did not fail, None if there is none."""
        name = f"{model}/{cell}/{seed}"
        record = self.records.get(name)
        if record is None or record.failed:
            return None
        return record

    def of_model(self, model: str, cells: Iterable[Cell]) -> list[Record]:
        """Return all records of a model on some cells, also those that failed."""
        whole, _, _ = model.partition(":")
        found = []
        for cell in cells:
            for seed in self.seeds:
                record = self.records.get(f"{model}/{cell}/{seed}") or self.records.get(f"{whole}/{cell}/{seed}")
                if record is not None:
                    found.append(record)
        return found

    def of_cell(self, cell: Cell) -> list[Record]:
        """Return all records of a category."""
        return [record for record in self.records.values() if (record.set, record.category) == cell]

    def value(self, model: str, cell: Cell, seed: int, metric: str, kind: str = ALL) -> float | None:
        """Return what a job measured, None if it has no value there."""
        record = self.record(model, cell, seed)
        if record is None:
            return None
        for row in record.rows:
            if row["kind"] == kind:
                return row.get(metric)
        return None

    def mean_of_seeds(self, model: str, cell: Cell, metric: str, kind: str = ALL) -> float | None:
        """Return the mean over all seeds, None if one of them has no value."""
        values = [self.value(model, cell, seed, metric, kind) for seed in self.seeds]
        return mean(values)

    def samples(self, model: str, cell: Cell, metric: str) -> np.ndarray | None:
        """Return a metric of resamples of the test images, the mean over the seeds, (R,); None if it has none."""
        of_seeds = []
        for seed in self.seeds:
            samples = self._samples_of(model, cell, seed)
            is_there = self.record(model, cell, seed) is not None
            if metric not in samples or not is_there:
                return None
            of_seeds.append(samples[metric])
        return np.mean(of_seeds, axis=0)

    def _samples_of(self, model: str, cell: Cell, seed: int) -> dict[str, np.ndarray]:
        """Return all metrics of resamples of a job; they are read once."""
        key = (model, cell, seed)
        if key not in self._samples:
            whole, _, head = model.partition(":")
            place = self.folder / SAMPLES / whole / cell.set / cell.category
            ending = f".{head}.npz" if head else ".npz"
            self._samples[key] = read_samples(place / f"seed-{seed}{ending}")
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
        """The names of jobs without a record, but for those of models that are skipped."""
        return [name for name in self._undone if name.partition("/")[0] not in self.skipped]

    @property
    def skipped(self) -> dict[str, str]:
        """Models with jobs that were left out as a package was not installed, and which one."""
        left = {name.partition("/")[0] for name in self._undone}
        return {model: lacking for model, lacking in self._skipped.items() if model in left}

    @property
    def _undone(self) -> list[str]:
        return [name for name in self.jobs if name not in self._of_jobs]

    @property
    def failures(self) -> list[Record]:
        """The records of jobs that failed, in the order of the jobs."""
        return [record for record in self.in_order if record.failed]

    @cached_property
    def metrics(self) -> list[str]:
        """The names of all values that the records have, in their order."""
        names: dict[str, Any] = {}
        for record in self.records.values():
            for row in record.rows:
                names |= row
        return [name for name in names if name not in _COUNTS]

    def warnings(self) -> list[str]:
        """Return lines on what makes numbers hard to compare: other data, other versions, notes of the readers."""
        lines = []
        for cell in self.cells:
            digests = {record.data["sha256"] for record in self.of_cell(cell) if record.data}
            if len(digests) > 1:
                lines.append(f"{cell}: models saw {len(digests)} different sets of files")

        whole = [record for record in self.records.values() if not record.failed]
        for key in ("synthgen", "torch"):
            versions = {record.versions.get(key, "unknown") for record in whole}
            if len(versions) > 1:
                listed = ", ".join(sorted(versions))
                lines.append(f"records were made by several versions of {key}: {listed}")

        for record in whole:
            lines += [f"{record.name}: {line}" for line in record.warnings]
            notes = record.data.get("notes", [])
            lines += [note for note in notes if note not in lines]
        return lines


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
    known = _all_known(values)
    if not known:
        return None
    return float(np.mean(known))


def spread(values: Iterable[float | None]) -> float | None:
    """Return the standard deviation (n - 1) of values, None where one is missing or fewer than two are there."""
    known = _all_known(values)
    if len(known) < 2:
        return None
    return float(np.std(known, ddof=1))


def _all_known(values: Iterable[float | None]) -> list[float]:
    """Return values of which none is missing; none of them where one is."""
    known = []
    for value in values:
        if value is None:
            return []
        known.append(value)
    return known


def read_samples(path: Path) -> dict[str, np.ndarray]:
    """Return the metrics of resamples in a file, each (R,); none if there is no such file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError):
        return {}
