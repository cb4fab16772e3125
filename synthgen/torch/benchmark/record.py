"""The record of a job: one JSON file, written whole or not at all. That it is there says that the job is done."""

from pathlib import Path
from typing import Any

import msgspec

from synthgen.errors import FormatError, UsageError
from synthgen.shards.files import make_folder, write_atomically
from synthgen.shards.manifest import encode_json
from synthgen.shards.reading import exists, read_whole

CONFIG = "benchmark.json"
RECORDS = "jobs"
SAMPLES = "samples"
MAPS = "maps"
DATA = "data"  # digests of the categories
# What a job may leave: folders in that of a benchmark, each with MODEL/SET/CLASS/seed-N in it; records come last.
OF_JOBS = (SAMPLES, "scores", "refined", MAPS, "models", "pictures", RECORDS)
VERSION = 1
# Of a record, bytes: that of a million test images has fewer.
_MOST_BYTES = 2**28


class Images(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of the test images, in their order: what intervals are computed from.

    Parameters
    ----------
    names : list of str
    kinds : list of str
        ``good`` for the normal ones.
    labels : list of int
        0 normal, 1 anomalous.
    scores : list of float
    """

    names: list[str]
    kinds: list[str]
    labels: list[int]
    scores: list[float]


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of a job. Reading images counts as reading alone, neither as fitting nor as predicting.

    Parameters
    ----------
    read_s, fit_s, predict_s, measure_s : float
    fit_ms_image : float
        Of fitting, for each normal image.
    predict_ms_image : float
        Of predicting in batches, for each test image; the first three batches are left out where there are more.
    latency_ms : float or None
        Median of single images.
    refine_s : float or None
        Of refining the masks of all test images; None where that was not asked for.
    limit_kept : bool
        Whether fitting ended within the time limit.
    stopped : bool
        Whether a training ended early, at the time limit, and the model was measured as it was.
    """

    read_s: float
    fit_s: float
    predict_s: float
    measure_s: float
    fit_ms_image: float
    predict_ms_image: float
    latency_ms: float | None
    refine_s: float | None = None
    limit_kept: bool = True
    stopped: bool = False


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes.

    Parameters
    ----------
    peak : int or None
        Most that was resident during the job beyond what was before; None where the system does not say.
    gpu_peak : int or None
        Most that torch held on a GPU.
    predicted : int or None
        What the model said that it would learn.
    file : int or None
        Of the file of the model; None of one that cannot be saved.
    parameters : int or None
        Numbers in the backbone.
    """

    peak: int | None = None
    gpu_peak: int | None = None
    predicted: int | None = None
    file: int | None = None
    parameters: int | None = None


class HeadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one answer of a model that gives several.

    Parameters
    ----------
    rows, thresholds, images
        As of `Record`.
    """

    rows: list[dict[str, Any]]
    thresholds: dict[str, Any]
    images: Images


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a job found, or why it failed.

    Parameters
    ----------
    format : int
    model, set, category : str
    seed : int
    fingerprint : str
        Of all that the results depend on.
    spec : dict
        The values that the fingerprint is of.
    versions : dict
        Of synthgen, torch, timm and NumPy.
    machine : dict
        Host, device, threads.
    data : dict
        ``sha256`` of the category's files, numbers of images, and lines on what was left out.
    backbone : str or None
        Fingerprint of its weights.
    rows : list of dict
        The table of `evaluate`: the whole category, then each kind.
    thresholds : dict
        Which rule gave them, and from how many images.
    images : Images or None
    times : Times or None
    memory : Memory or None
    heads : dict of str to HeadRecord
        The answers of a model that gives several of one fit, by name; `rows`, `thresholds` and `images` are those
        of the first.
    warnings : list of str
        What the model warned of while it was fitted.
    started : str
        Date and time.
    error : str or None
        Kind and message of what ended the job.
    traceback : list of str
        The last lines.
    """

    model: str
    set: str
    category: str
    seed: int
    fingerprint: str
    spec: dict[str, Any]
    format: int = VERSION
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    data: dict[str, Any] = {}
    backbone: str | None = None
    rows: list[dict[str, Any]] = []
    thresholds: dict[str, Any] = {}
    images: Images | None = None
    times: Times | None = None
    memory: Memory | None = None
    heads: dict[str, HeadRecord] = {}
    warnings: list[str] = []
    started: str = ""
    error: str | None = None
    traceback: list[str] = []

    @property
    def name(self) -> str:
        """The name of the job: model/set/category/seed."""
        return f"{self.model}/{self.set}/{self.category}/{self.seed}"

    def of_heads(self) -> "list[Record]":
        """Return a record for each answer, of the model MODEL:HEAD; of a single answer the record itself."""
        found = []
        for name, head in self.heads.items():
            model = f"{self.model}:{name}"
            own = {"rows": head.rows, "thresholds": head.thresholds, "images": head.images}
            found.append(msgspec.structs.replace(self, model=model, heads={}, **own))
        return found or [self]

    @property
    def failed(self) -> bool:
        """Whether the job ended in an error."""
        return self.error is not None


def write_record(path: Path, record: Record) -> None:
    """Write a record; it is there whole, or not at all."""
    make_folder(path.parent)
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    write_atomically(path, text + b"\n")


def read_record(path: Path) -> Record | None:
    """Return the record in a file, None if there is none.

    Raises
    ------
    FormatError
        If the file is damaged, or of a newer synthgen.
    """
    if not exists(path):
        return None
    raw = read_whole(path, _MOST_BYTES)
    try:
        record = msgspec.json.decode(raw, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        rule = "must be the whole record of a job; without the file the job is done again"
        raise FormatError(f"{path}: {rule}: {error}") from None
    if record.format != VERSION:
        raise FormatError(f"{path}: format must be {VERSION}, got {record.format}; a newer synthgen reads it")
    return record


def read_records(folder: Path) -> list[Record]:
    """Return all records of the folder of a benchmark, in the order of their paths."""
    paths = sorted((folder / RECORDS).glob("*/*/*/seed-*.json"))
    records = map(read_record, paths)
    return [record for record in records if record is not None]


class Begun(msgspec.Struct, frozen=True):
    """What a folder was begun with.

    Parameters
    ----------
    benchmark : dict
        As plain values.
    jobs : list of str
        The names of all its jobs.
    skipped : dict of str to str
        Models of which a package was not installed, and which one.
    """

    benchmark: dict[str, Any]
    jobs: list[str]
    skipped: dict[str, str] = {}


def remember(begun: Begun, folder: Path) -> None:
    """Write down what a folder is for, so that tables know which jobs are missing."""
    path = folder / CONFIG
    data = encode_json(begun)
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data)


def read_begun(folder: Path) -> Begun:
    """Return what a folder was begun with.

    Raises
    ------
    UsageError
        If it is no folder of a benchmark.
    FormatError
        If the file is damaged.
    """
    path = folder / CONFIG
    if not exists(path):
        raise UsageError(f"{folder}: must be the folder of a benchmark, got none: it has no {CONFIG}")
    raw = read_whole(path, _MOST_BYTES)
    try:
        return msgspec.json.decode(raw, type=Begun)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: must be what a benchmark was begun with: {error}") from None
