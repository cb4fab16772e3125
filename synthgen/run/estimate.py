"""A short probe before a run: time and disk that it will take."""

import hashlib
import os
import shutil
import statistics
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import StorageError
from synthgen.machine import available_cpus, cpu_name, human_bytes
from synthgen.run.draw import draw_sample
from synthgen.run.plan import Plan
from synthgen.run.shard import encode_sample
from synthgen.shards.files import write_atomically

_SECONDS = 0.3
_MOST = 64
# Of the disk that is free, this part more than is needed must be left.
_SPARE = 1.02
# A shard's offsets, keys, labels or tar headers, per sample.
_OVERHEAD = {"hdf5": 60, "webdataset": 512 * 5}


class Estimate(msgspec.Struct, frozen=True):
    """What a run will take.

    Attributes
    ----------
    seconds_per_sample : float
        On one core.
    bytes_per_sample : float
        On disk.
    samples : int
        How many samples the estimate is for.
    """

    seconds_per_sample: float
    bytes_per_sample: float
    samples: int

    @property
    def bytes(self) -> int:
        """Disk that the samples take."""
        size = self.samples * self.bytes_per_sample
        return int(size)

    def seconds(self, workers: int) -> float:
        """Time that the samples take."""
        spent = self.samples * self.seconds_per_sample
        return spent / max(1, workers)


def probe(plan: Plan, samples: int | None = None, least: int = 5) -> Estimate:
    """Draw a few samples spread over the data set, and return what `samples` of them (default: all) will take.

    At least `least` are drawn, however long they take.

    The first use of a family on a machine also compiles its code here, once, before any worker starts.
    """
    run = plan.run
    count = min(_MOST, run.count)
    ids = plan.order.forward(range(count))
    chosen = [divmod(number, run.per_class) for number in ids.tolist()]
    _draw_and_measure(plan, chosen[0])

    sizes: list[int] = []
    times: list[float] = []
    for sample in chosen:
        if sum(times) >= _SECONDS and len(times) >= least:
            break
        start = time.perf_counter()
        size = _draw_and_measure(plan, sample)
        times.append(time.perf_counter() - start)
        sizes.append(size)

    # the median: now and then a sample is the first of its kind and compiles
    seconds = statistics.median(times)
    mean_size = statistics.mean(sizes)
    wanted = run.count if samples is None else samples
    return Estimate(seconds, mean_size, wanted)


def _draw_and_measure(plan: Plan, sample: tuple[int, int]) -> int:
    """Draw the sample (label, index) and return the bytes that it takes."""
    drawn = draw_sample(plan.recipe, *sample)
    columns, params = encode_sample(drawn, plan.run.fields)
    stored = [*columns.values(), params]
    return sum(map(len, stored)) + _OVERHEAD[plan.run.storage]


def remembered_probe(plan: Plan) -> Estimate:
    """Return what `probe` does, from the user's cache where the same was probed on this machine before."""
    path = _cache_path(plan)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Estimate)
    except (OSError, msgspec.DecodeError):
        estimate = probe(plan, least=2)
    # It is only a cache: where it cannot be written, nothing is lost.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(estimate))
    return estimate


def _cache_path(plan: Plan) -> Path:
    """Return the file that remembers what a plan takes on this machine."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "synthgen" / "probes"

    drawer = _drawer(plan)
    prints = plan.run.fingerprints
    key = "\n".join([prints.data, prints.storage, drawer.name, cpu_name()])
    digest = hashlib.sha256(key.encode())
    name = digest.hexdigest()[:32]
    return folder / f"{name}.json"


def _drawer(plan: Plan):
    """Return the device that draws a plan on this machine."""
    family = families.load(plan.recipe.family)
    return families.device_of(family, plan.recipe.options)


def check_disk(estimate: Estimate, plan: Plan, out: Path) -> None:
    """Refuse a run that the disk cannot hold; say how many images a class would fit."""
    above = (out, *out.absolute().parents)
    place = next(path for path in above if path.is_dir())
    free = shutil.disk_usage(place).free
    needed = estimate.bytes * _SPARE
    if needed <= free:
        return

    fitting = int(plan.run.per_class * free / needed)
    advice = f"--per-class {fitting} would fit" if fitting else "not even one image a class would fit"
    size = human_bytes(estimate.bytes)
    raise StorageError(f"{out}: needs about {size} of disk, {human_bytes(free)} are free; {advice}")


def effective_workers(plan: Plan, workers: int | None) -> int:
    """Return how many processes will draw: as many as asked for, by default one for each CPU.

    Where one process uses the whole device, there is only one.
    """
    workers = available_cpus() if workers is None else workers
    return min(workers, 1) if _drawer(plan).exclusive else workers
