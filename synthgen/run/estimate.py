"""A short probe before a run: time and disk that it will take."""

import hashlib
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import StorageError
from synthgen.machine import available_cpus, cpu_name, human_bytes, user_cache
from synthgen.run.draw import at_a_time, draw_samples
from synthgen.run.plan import Plan
from synthgen.run.shard import encode_sample, write_samples
from synthgen.run.target import Target
from synthgen.shards.files import sha256_of, write_atomically

# Samples are drawn for so long, and so many of them at most; of slow ones a few, or one.
_SECONDS = 0.3
_MOST = 64
_FEW = 5
# Samples that are drawn in one call are measured in so many groups or more.
_FEW_GROUPS = 8
# Samples are drawn until the error of their mean is this share of it, but for no longer than a share of the run:
# Mandelbulbs take from a third of the mean to four times as long.
_ERROR = 0.08
_SHARE_OF_RUN = 0.05
# From so many times on, the first quarter does not count.
_MANY = 16
_PATIENCE = 2.0
# A sample that took so many times the median is measured again: the first of its kind may have compiled something.
_OUTLIER = 5
# What a process takes before its first sample: the interpreter, our imports, compiled code that is loaded.
START_SECONDS = 1.5
# What a shard takes beside its samples: its file and its sidecar are brought to the disk.
_SHARD_SECONDS = 0.03
# Of the disk that is free, this part more than is needed must be left.
_SPARE = 1.02
# A shard's offsets, keys, labels or tar headers, per sample.
_OVERHEAD = {"hdf5": 60, "webdataset": 512 * 5}


class Estimate(msgspec.Struct, frozen=True):
    """What a run will take.

    Attributes
    ----------
    seconds_per_sample : float
        On one core: drawing, encoding and writing.
    bytes_per_sample : float
        On disk.
    samples, shards : int
        How many the estimate is for.
    shared : float
        Share of a sample's time that threads of one process divide among them.
    """

    seconds_per_sample: float
    bytes_per_sample: float
    samples: int
    shards: int
    shared: float = 0.0

    @property
    def bytes(self) -> int:
        """Disk that the samples take."""
        size = self.samples * self.bytes_per_sample
        return int(size)

    @property
    def cpu_seconds(self) -> float:
        """Time that all processes together take, but for what each takes to start."""
        of_samples = self.samples * self.seconds_per_sample
        of_shards = self.shards * _SHARD_SECONDS
        return of_samples + of_shards

    def workers(self, offered: int) -> int:
        """Return how many of the offered processes will work: none has less than a shard."""
        return min(offered, self.shards)

    def threads(self, offered: int) -> int:
        """Return how many of the offered cores each process can use, where there are fewer processes than cores."""
        workers = max(1, self.workers(offered))
        return max(1, offered // workers) if self.shared else 1

    def seconds(self, offered: int) -> float:
        """Return the time that a run takes: shards are drawn in rounds.

        In the last one some cores may have no shard. They idle, but for threads that share the pictures of others.
        """
        if self.shards == 0:
            return 0.0
        workers = max(1, self.workers(offered))
        rounds = math.ceil(self.shards / workers)
        of_a_round = self.cpu_seconds / self.shards
        start = START_SECONDS if offered else 0.0

        in_last_round = self.shards - (rounds - 1) * workers
        threads = max(1, offered // in_last_round)
        saved = self.shared * (1 - 1 / threads)
        return start + (rounds - saved) * of_a_round


def probe(plan: Plan, todo: Sequence[int] | None = None) -> Estimate:
    """Draw a few samples spread over the data set, and return what some shards, by default all, will take.

    The times are those of cores that are free: where other programs run, drawing takes longer. The first use of a
    family on a machine also compiles its code here, once, before any worker starts.
    """
    run = plan.run
    shards = range(run.shards) if todo is None else todo
    samples = sum(map(run.shard_count, shards))
    groups = _groups(plan, shards)
    _drawn(plan, groups[0])

    times: list[float] = []
    encoded: list = []
    begin = time.perf_counter()
    for group in groups:
        has_waited = time.perf_counter() - begin >= _PATIENCE
        if _is_enough(times, samples) or (times and has_waited):
            break
        drawn, seconds = _timed(plan, group)
        encoded += drawn
        times.append(seconds)

    _measure_outliers_again(plan, groups, times)
    first = statistics.mean(_warm(times))
    drawing = _with_classes_known(plan, groups[: len(times)], samples, first)
    writing = _writing_seconds(plan, encoded)
    size = statistics.mean(map(_size, encoded))
    return Estimate(
        seconds_per_sample=drawing + writing,
        bytes_per_sample=size + _OVERHEAD[run.storage],
        samples=samples,
        shards=len(shards),
        shared=_shared(plan),
    )


def _shared(plan: Plan) -> float:
    """Return the share of a sample's time that threads divide among them."""
    family = families.load(plan.recipe.family)
    return families.shared_of(family, plan.recipe.options, plan.recipe.size)


def _groups(plan: Plan, shards: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Return label and index of the samples to draw, in groups as large as a run draws them in one call."""
    together = at_a_time(plan.recipe)
    most = max(_MOST, _FEW_GROUPS * together)
    chosen = _spread(plan, shards, most)
    size = min(together, math.ceil(len(chosen) / _FEW_GROUPS))
    return [chosen[first : first + size] for first in range(0, len(chosen), size)]


def _is_enough(times: list[float], samples: int) -> bool:
    """Return whether times tell the mean well enough; of samples that differ much, more are drawn."""
    if len(times) < _FEW or sum(times) < _SECONDS:
        return False

    mean = statistics.mean(times)
    error = statistics.stdev(times) / math.sqrt(len(times))
    # a probe is short beside its run
    is_long = sum(times) > _SHARE_OF_RUN * samples * mean
    return is_long or error < _ERROR * mean


def _warm(times: list[float]) -> list[float]:
    """Return the later times: the first ones still warm up, if there are many. Of few, none can be spared."""
    begin = 0 if len(times) < _MANY else len(times) // 4
    return times[begin:]


def _spread(plan: Plan, shards: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Return label and index of the samples to draw: the first ones of shards that are spread over all of them."""
    places = plan.run.arrangement
    step = math.ceil(len(shards) / most)
    some = shards[::step]
    each = math.ceil(most / len(some))

    first: list[int] = []
    for shard in some:
        positions = places.positions_of(shard)
        first += positions[:each]

    labels, indices = places.samples(first[:most])
    pairs = zip(labels.tolist(), indices.tolist(), strict=True)
    return list(pairs)


def _measure_outliers_again(plan: Plan, groups: list[list[tuple[int, int]]], times: list[float]) -> None:
    most = _OUTLIER * statistics.median(times)
    for k, seconds in enumerate(times):
        if seconds > most:
            _, again = _timed(plan, groups[k])
            times[k] = min(seconds, again)


def _with_classes_known(plan: Plan, groups: list[list[tuple[int, int]]], samples: int, first: float) -> float:
    """Return the time of a sample in a run, where most classes have been drawn before.

    The first sample of a class may take longer, by `first` in all. Each process draws that of each class once.
    """
    share = plan.run.classes * available_cpus() / samples
    if share >= 1:
        return first

    later = [_later_of(plan, group) for group in groups]
    times = [_timed(plan, group)[1] for group in later]
    _measure_outliers_again(plan, later, times)
    again = statistics.mean(times)
    return again + share * max(0.0, first - again)


def _later_of(plan: Plan, group: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return other samples of the same classes."""
    return [(label, (index + 1) % plan.run.per_class) for label, index in group]


def _timed(plan: Plan, group: list[tuple[int, int]]) -> tuple[list, float]:
    """Draw and encode samples; return them, and the time that each takes on cores that are free."""
    begin_real = time.perf_counter()
    begin_own = time.process_time()
    drawn = _drawn(plan, group)

    own = time.process_time() - begin_own
    real = time.perf_counter() - begin_real
    drawer = drawer_of(plan)
    if drawer.beside:
        return drawn, real / len(group)
    # The threads of one that uses all cores take more time of their own than passes, unless others take theirs.
    spent = min(own, real) if drawer.exclusive else own
    return drawn, spent / len(group)


def _drawn(plan: Plan, group: list[tuple[int, int]]) -> list:
    """Draw and encode samples; return (label, index, encoded sample) of each."""
    labels, indices = zip(*group, strict=True)
    samples = draw_samples(plan.recipe, labels, indices)
    rows = zip(group, samples, strict=True)
    return [(*numbers, encode_sample(sample, plan.run.fields)) for numbers, sample in rows]


def _size(encoded) -> int:
    """Return the bytes of an encoded sample."""
    _, _, (columns, params) = encoded
    stored = [*columns.values(), params]
    return sum(map(len, stored))


def _writing_seconds(plan: Plan, encoded: list) -> float:
    """Return the time that it takes to write a sample into a shard, beside others."""
    start = time.process_time()
    # It is only an estimate: where no temporary file can be written, drawing is what counts.
    with suppress(OSError, StorageError), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard"
        write_samples(path, plan.run, encoded, lambda samples: None)
        sha256_of(path)
    seconds = time.process_time() - start
    return seconds / len(encoded)


def remembered_probe(plan: Plan) -> Estimate:
    """Return what `probe` does, from the user's cache where the same was probed on this machine before."""
    path = _cache_path(plan)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Estimate)
    except (OSError, msgspec.DecodeError):
        estimate = probe(plan)
    # It is only a cache: where it cannot be written, nothing is lost.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(estimate))
    return estimate


def _cache_path(plan: Plan) -> Path:
    """Return the file that remembers what a plan takes on this machine."""
    folder = user_cache() / "synthgen" / "probes"

    drawer = drawer_of(plan)
    prints = plan.run.fingerprints
    key = "\n".join([prints.data, prints.storage, drawer.name, cpu_name()])
    digest = hashlib.sha256(key.encode())
    name = digest.hexdigest()[:32]
    return folder / f"{name}.json"


def drawer_of(plan: Plan):
    """Return the device that draws a plan on this machine."""
    family = families.load(plan.recipe.family)
    return families.device_of(family, plan.recipe.options)


def check_disk(estimate: Estimate, plan: Plan, target: Target, at_a_time: int) -> None:
    """Refuse a run that the disk cannot hold; say of a whole new one how many images a class would fit.

    Of shards that go into a store the disk holds those that are drawn at a time.
    """
    free = _free_bytes(Path(target.folder))
    if target.address is not None:
        _check_scratch(estimate, target, at_a_time, free)
        return
    needed = estimate.bytes * _SPARE
    if needed <= free:
        return

    size = human_bytes(estimate.bytes)
    lack = f"{target.folder}: needs about {size} of disk, {human_bytes(free)} are free"
    raise StorageError(f"{lack}; {_smaller_run(plan, estimate, free / needed)}")


def _smaller_run(plan: Plan, estimate: Estimate, share: float) -> str:
    """Return what to do where the disk holds this share of a run."""
    # Of what was begun, or is a part, another number of images would be other data.
    if plan.run.grown_from or estimate.samples < plan.run.count:
        return "make room, and run the same command again"
    fitting = int(plan.run.per_class * share)
    return f"--per-class {fitting} would fit" if fitting else "not even one image a class would fit"


def _free_bytes(folder: Path) -> int:
    """Return how much the disk has free on which a folder lies, or will lie."""
    above = (folder, *folder.absolute().parents)
    place = next(path for path in above if path.is_dir())
    return shutil.disk_usage(place).free


def _check_scratch(estimate: Estimate, target: Target, at_a_time: int, free: int) -> None:
    """Refuse to draw more shards at a time than a scratch folder can hold: each beside its columns."""
    of_a_shard = 2 * estimate.bytes / max(1, estimate.shards)
    needed = of_a_shard * at_a_time * _SPARE
    if needed > free:
        size = human_bytes(needed)
        raise StorageError(
            f"scratch {target.folder}: needs about {size} for {at_a_time} shards at a time, {human_bytes(free)} "
            "are free; fewer workers, or another --scratch, need less"
        )


def effective_workers(plan: Plan, workers: int | None) -> int:
    """Return how many processes will draw: as many as asked for, by default one for each CPU.

    Where one process uses the whole device, there is only one.
    """
    workers = available_cpus() if workers is None else workers
    return min(workers, 1) if drawer_of(plan).exclusive else workers
