"""The images of a job: those for fitting, for thresholds and for testing; and proof that jobs saw equal files."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from synthgen.errors import UsageError
from synthgen.layouts import ImageSet, open_held_out, open_normal, open_test_set, visa
from synthgen.layouts.own import NAME as OWN
from synthgen.layouts.own import recognises as is_own
from synthgen.shards.dataset import open_dataset
from synthgen.shards.files import make_folder, sha256_of, write_atomically
from synthgen.torch.benchmark.config import Slice, is_calibrated
from synthgen.torch.benchmark.jobs import Job
from synthgen.torch.benchmark.record import DATA
from synthgen.torch.benchmark.sources import files_of
from synthgen.torch.evaluation.limits import divided
from synthgen.torch.models.options import LEAST_IMAGES

HELD_OUT = "held-out"
_LEAST_HELD = 5
_SHARE_HELD = 0.1


class Images(NamedTuple):
    """The images of a job.

    Attributes
    ----------
    fitting : ImageSet
    held : ImageSet or None
        Normal images that the model is not fitted to.
    test : ImageSet
    notes : list of str
        What was left out, and what else a reader of the table should know.
    """

    fitting: ImageSet
    held: ImageSet | None
    test: ImageSet
    notes: list[str]


def opened(job: Job) -> Images:
    """Return the images of a job.

    Raises
    ------
    UsageError
        If there are none, or images for fitting are also tested.
    """
    normal = open_normal(job.category.normal)
    test = open_test_set(job.category.test)
    _check_apart(normal, test, job)

    notes = normal.left_out + test.left_out + _without_split(test, job)
    places = _chosen(len(normal), job.shots)
    if len(places) < len(normal):
        normal = normal.chosen(places)

    fitting, held = _held_out(normal, job)
    return Images(fitting, held, test, list(dict.fromkeys(notes)))


def _without_split(test: ImageSet, job: Job) -> list[str]:
    """Return a line on a category of VisA that is not divided as published."""
    beside = Path(job.category.test).parent / visa.SPLITS
    if test.layout != visa.NAME or beside.is_dir():
        return []
    return [f"{job.category.test}: no {visa.SPLITS} beside it, so nine tenths by name are fitted: not VisA's split"]


def _check_apart(normal: ImageSet, test: ImageSet, job: Job) -> None:
    """Refuse to fit a model to the images that it is tested on."""
    own = [source.place for source in normal.sources if source.layout == OWN]
    tested = [source.place for source in test.sources if source.layout == OWN]
    both = set(own) & set(tested)
    if not both:
        names = {entry.name for entry in normal.entries} if not own else set()
        both = {entry.name for entry in test.entries if not entry.label and entry.name in names}
    if both:
        rule = "must name other images: those for fitting are also tested"
        raise UsageError(f"sets.{job.set}.normal {rule}, {min(both)} among them")


def _chosen(count: int, shots: int | float | Slice | None) -> range:
    """Return the places of the images that `shots` leaves."""
    places = range(count)
    if shots is None:
        return places
    if isinstance(shots, Slice):
        return places[slice(shots.start, shots.stop, shots.step)]
    most = shots if isinstance(shots, int) else max(1, round(shots * count))
    return places[:most]


def _held_out(normal: ImageSet, job: Job) -> tuple[ImageSet, ImageSet | None]:
    """Return the images for fitting, and those for thresholds or for an ensemble to be calibrated on."""
    calibrates = any(is_calibrated(model.kind) for model in job.model.models())
    if job.thresholds == "test" and not calibrates:
        return normal, None

    kept = open_held_out(job.category.normal)
    if kept is not None:
        return normal, kept
    return divided(normal, held_share(len(normal)), job.seed)


def held_share(count: int) -> float:
    """Return the share of so many normal images that is held out: a tenth, or five images."""
    return held_count(count) / count if count else 0.0


def held_count(count: int) -> int:
    """Return how many of so many normal images are held out; none of very few.

    Examples
    --------
    >>> held_count(9), held_count(20), held_count(200)
    (0, 5, 20)
    """
    if count < LEAST_IMAGES:
        return 0
    return max(_LEAST_HELD, round(_SHARE_HELD * count))


def contents(job: Job, images: Images, folder: Path) -> dict:
    """Return what the record of a job says of its data: a digest of all files, and how the images are used.

    Files are read once for all jobs of a category; the digest is kept in the folder of the benchmark.
    """
    places = dict.fromkeys([job.category.normal, job.category.test])
    digest = hashlib.sha256()
    for number, place in enumerate(places):
        cache = folder / DATA / job.set / f"{job.category.name}-{number}.json"
        digest.update(_digest_of(Path(place), cache).encode())

    held = 0 if images.held is None else len(images.held)
    kinds: dict[str, int] = {}
    for entry in images.test.entries:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
        digest.update(f"{Path(entry.name).name} {entry.label}\n".encode("utf-8", "surrogateescape"))
    return {
        "sha256": digest.hexdigest(),
        "fitted": len(images.fitting),
        "held": held,
        "tested": kinds,
        "layout": images.test.layout,
        "notes": images.notes,
    }


class _Kept(msgspec.Struct):
    """A digest that was computed before, and what the files were like then."""

    state: str
    sha256: str


def _digest_of(place: Path, cache: Path) -> str:
    """Return the digest of all files of a folder, from the cache where nothing has changed since."""
    if is_own(place):
        return open_dataset(place).manifest.fingerprints.data

    files = files_of(place)
    state = _state(files)
    kept = _read(cache)
    if kept is not None and kept.state == state:
        return kept.sha256

    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(place).as_posix()
        line = f"{name}\0{sha256_of(path)}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    make_folder(cache.parent)
    write_atomically(cache, msgspec.json.encode(_Kept(state, digest.hexdigest())))
    return digest.hexdigest()


def _state(files: list[Path]) -> str:
    """Return a digest of names, sizes and times."""
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _read(cache: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
