"""From a benchmark to its jobs: one for each model, category and seed, with a fingerprint of all it depends on."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from synthgen.errors import UsageError, did_you_mean
from synthgen.extras import has_extra, install_hint
from synthgen.metrics import registry
from synthgen.shards.files import sha256_of
from synthgen.torch.benchmark.config import Benchmark, Slice, is_plugin, plain
from synthgen.torch.benchmark.record import RECORDS, Record
from synthgen.torch.benchmark.sources import Category, categories_of
from synthgen.torch.benchmark.variants import Variant, variants
from synthgen.torch.ensembles.members import member_of
from synthgen.torch.models import load

# Metrics that are measured in every job, whatever the tables show.
ALWAYS = (*registry.USUAL, "average_precision", "oracle")
_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A model to fit to a category, and to measure: JSON-able, for a worker.

    Parameters
    ----------
    model : Variant
    set : str
        Name of the data set.
    category : Category
    seed : int
    shots : int, float, Slice or None
    thresholds : str
        Which images give the thresholds.
    time_limit : float or None
        Seconds of fitting.
    metrics : tuple of str
        Columns that were asked for.
    keep : tuple of str
    threads : int or None
    device : str or None
    """

    model: Variant
    set: str
    category: Category
    seed: int
    shots: int | float | Slice | None
    thresholds: str
    time_limit: float | None
    metrics: tuple[str, ...]
    keep: tuple[str, ...]
    threads: int | None
    device: str | None

    @property
    def name(self) -> str:
        """The name of the job: model/set/category/seed."""
        return f"{self.model.name}/{self.set}/{self.category.name}/{self.seed}"

    def path(self, folder: Path, kind: str = RECORDS, suffix: str = ".json") -> Path:
        """Return the file of the job in the folder of a benchmark."""
        return folder / kind / self.model.name / self.set / self.category.name / f"seed-{self.seed}{suffix}"

    @property
    def spec(self) -> dict[str, Any]:
        """All that the results depend on, as plain values."""
        spec = {
            **_model_spec(self.model),
            "seed": self.seed,
            "category": self.category.name,
            "data": self.category.state,
            "shots": plain(self.shots),
            "thresholds": self.thresholds,
            "time_limit": self.time_limit,
            "metrics": [name for name in self.metrics if name not in (*ALWAYS, *registry.REFINED)],
        }
        # absent where nothing is refined: so it was before there was refinement
        if self.model.refine is not None:
            spec["refine"] = plain(self.model.refine)
        return spec

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `spec`."""
        text = msgspec.json.encode(self.spec, order="deterministic")
        return hashlib.sha256(text).hexdigest()


def _model_spec(model: Variant) -> dict[str, Any]:
    """Return all that a model is, and what it is made of, as plain values."""
    height, width = model.size
    spec: dict[str, Any] = {
        "kind": model.kind,
        "backbone": _backbone_state(model.backbone),
        "options": model.resolved(),
        "size": f"{width}x{height}",
        "batch": model.batch,
        "calibrate": model.calibrate,
    }
    if model.members:
        spec["members"] = [_member_spec(member) for member in model.members]
    return spec


def _member_spec(member: Variant | str) -> dict[str, Any]:
    """Return a member of an ensemble as plain values: a model, or a backbone with its layers."""
    if isinstance(member, Variant):
        return _model_spec(member)
    backbone, layers, _ = member_of(member)
    return {"backbone": _backbone_state(backbone), "layers": layers}


def failure(job: Job, reason: str, lines: list[str] | None = None) -> Record:
    """Return the record of a job that failed, for a reason, with the last lines of a traceback."""
    return Record(
        model=job.model.name,
        set=job.set,
        category=job.category.name,
        seed=job.seed,
        fingerprint=job.fingerprint,
        spec=job.spec,
        error=reason,
        traceback=lines or [],
    )


class Plan(NamedTuple):
    """The jobs of a benchmark.

    Attributes
    ----------
    jobs : list of Job
        In the order of models, sets, categories and seeds.
    missing : list of str
        A line for each thing that has to be there first.
    notes : list of str
        What was found in folders and left out.
    skipped : dict of str to str
        Models of which a package is not installed, and which one.
    """

    jobs: list[Job]
    missing: list[str]
    notes: list[str]
    skipped: dict[str, str]


def make_plan(benchmark: Benchmark, folder: Path) -> Plan:
    """Return the jobs of a benchmark whose results lie in a folder."""
    found = {name: categories_of(name, given, folder) for name, given in benchmark.sets.items()}
    missing = []
    notes = []
    for each in found.values():
        missing += each.missing
        notes += each.notes

    jobs = []
    skipped = {}
    for variant in variants(benchmark):
        lacking = _lacking(variant)
        if lacking is not None:
            skipped[variant.name] = lacking
        for seed in benchmark.seeds:
            missing += _missing_weights(variant.seeded(seed))
        for name in variant.sets:
            for category in found[name].categories:
                jobs += _of_category(benchmark, variant, name, category)
    return Plan(jobs, list(dict.fromkeys(missing)), notes, skipped)


def _lacking(variant: Variant) -> str | None:
    """Return the words on a package that a model needs and that is not installed, None if all are there."""
    for model in variant.models():
        extra = None if is_plugin(model.kind) else load(model.kind).MODEL.extra
        if extra is not None and not has_extra(extra):
            return f"{model.kind} needs {extra}, {install_hint(extra)}"
    return None


def _of_category(benchmark: Benchmark, variant: Variant, name: str, category: Category) -> list[Job]:
    """Return the jobs of one model on one category, for each seed."""
    return [
        Job(
            model=variant.seeded(seed),
            set=name,
            category=category,
            seed=seed,
            shots=benchmark.sets[name].shots,
            thresholds=benchmark.thresholds,
            time_limit=benchmark.time_limit,
            metrics=benchmark.metrics,
            keep=benchmark.keep,
            threads=benchmark.threads,
            device=benchmark.device,
        )
        for seed in benchmark.seeds
    ]


def is_file(backbone: str) -> bool:
    """Return whether a backbone names a file or a folder, and no architecture."""
    path = Path(backbone)
    return path.suffix in _WEIGHTS or "/" in backbone or path.exists()


def _missing_weights(variant: Variant) -> list[str]:
    """Return a line for each file of weights that is not there, of a model or of members that are backbones."""
    given = {"backbone": variant.backbone}
    for number, member in enumerate(variant.members):
        if isinstance(member, str):
            given[f"members.{number}"] = member_of(member).backbone

    lines = []
    for key, backbone in given.items():
        if backbone is not None and is_file(backbone) and not Path(backbone).exists():
            rule = "must be a file of weights"
            lines.append(f"models.{variant.name}.{key} {rule}, got {backbone}, which is not there")
    return lines


def _backbone_state(backbone: str | None) -> str | None:
    """Return the name of a backbone, of a file its digest: the same weights under another name are the same."""
    if backbone is None or not is_file(backbone):
        return backbone
    path = Path(backbone)
    file = path / "best.safetensors" if path.is_dir() else path
    if not file.is_file():
        return backbone
    status = file.stat()
    return _digest(str(file), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int) -> str:
    """Return the digest of a file; size and time of change tell a file from what it was before."""
    return "sha256:" + sha256_of(Path(path))


def chosen(jobs: Sequence[Job], only: Sequence[str]) -> list[Job]:
    """Return the jobs that begin with one of some names, such as ``patchcore/mvtec``; all without names.

    Raises
    ------
    UsageError
        If no job begins so.
    """
    if not only:
        return list(jobs)

    found: list[Job] = []
    for wanted in only:
        words = wanted.strip("/").split("/")
        of_name = [job for job in jobs if job.name.split("/")[: len(words)] == words]
        if not of_name:
            begun = {"/".join(job.name.split("/")[: len(words)]) for job in jobs}
            hint = did_you_mean(wanted, begun)
            raise UsageError(
                f"only must be the beginning of a job's name, such as {_example(jobs)}, got {wanted}{hint}"
            )
        found += [job for job in of_name if job not in found]
    return found


def _example(jobs: Sequence[Job]) -> str:
    return jobs[0].name.rpartition("/")[0] if jobs else "patchcore/mvtec/bottle"


def differences(here: dict, there: dict, prefix: str = "") -> list[str]:
    """Return a line for each value in which two specs differ."""
    lines = []
    for key in {**here, **there}:
        mine = here.get(key)
        other = there.get(key)
        if mine == other:
            continue
        if isinstance(mine, dict) and isinstance(other, dict):
            lines += differences(mine, other, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key} is {_short(mine)} here and {_short(other)} there")
    return lines


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
