"""What a run does wherever its shards go: it says what it will take, draws them, and reports what it did."""

import msgspec

from synthgen.errors import StorageError, UsageError
from synthgen.machine import available_cpus, counted, human_bytes, human_time
from synthgen.run.estimate import Estimate, check_disk, drawer_of
from synthgen.run.executors import Executor
from synthgen.run.parts import Part
from synthgen.run.plan import Plan
from synthgen.run.progress import Progress, tell
from synthgen.run.target import Target
from synthgen.shards.manifest import RunRecord, Sidecar


class Report(msgspec.Struct, frozen=True):
    """What a run did.

    Attributes
    ----------
    path : str
        The folder, or the address.
    samples, shards : int
        Of the whole data set.
    drawn, resumed : int
        Samples drawn now; samples of this part that were there already.
    seconds : float
        Wall time.
    bytes : int
        Size of the finished shards of this part.
    finished : bool
        Whether all parts are there and the manifest is written.
    fingerprint : str
        Data fingerprint.
    """

    path: str
    samples: int
    shards: int
    drawn: int
    resumed: int
    seconds: float
    bytes: int
    finished: bool
    fingerprint: str


class Work(msgspec.Struct, frozen=True):
    """How a run is done.

    Attributes
    ----------
    executor : Executor
    part : Part
    progress : bool or {'auto', 'plain', 'none'}
    overwrite : bool
        Replace what lies there.
    any_device : bool
        Accept shards of several devices.
    """

    executor: Executor
    part: Part
    progress: bool | str
    overwrite: bool
    any_device: bool

    def shards_of(self, run: RunRecord) -> range:
        """Return the shards of the part."""
        return range(run.shards)[self.part.k - 1 :: self.part.n]

    def draw(self, plan: Plan, target: Target, todo: list[int]) -> None:
        """Say what a run will take, and draw shards."""
        estimate = self.executor.probe(plan, todo)
        offered = self.executor.offered(plan)
        workers = estimate.workers(offered)
        check_disk(estimate, plan, target, max(1, workers))

        if self.progress not in ("none", False):
            line = self._announced(plan, estimate, offered)
            tell(line)
        with self._progress_of(plan, estimate) as progress:
            self.executor.run(plan, target, todo, offered, progress)

    def _progress_of(self, plan: Plan, estimate: Estimate) -> Progress:
        """Return a progress over all samples of the part, some of which may be there already."""
        shards = self.shards_of(plan.run)
        total = sum(map(plan.run.shard_count, shards))
        done = total - estimate.samples
        return Progress(self.progress, total, done)

    def _announced(self, plan: Plan, estimate: Estimate, offered: int) -> str:
        """Return the line that says what a run will take."""
        if not self.executor.has_many_devices:
            # More processes than CPUs do not draw faster.
            offered = min(offered, available_cpus())
        return describe(plan, estimate, offered, self.executor.shares_device(plan))

    def check_arrived(self, place, run: RunRecord, sidecars: list[Sidecar | None], todo: list[int]) -> None:
        """Raise `StorageError` unless all shards that were drawn are there: nodes may see other folders."""
        lost = [run.shard_name(shard) for shard in todo if sidecars[shard] is None]
        if lost:
            found = f"{len(lost)} of {len(todo)} are missing, for example {lost[0]}"
            rule = "all workers must see it, and nothing else may remove shards"
            raise StorageError(f"{place}: must have all shards that were drawn, {found}: {rule}")

    def check_devices(self, place, run: RunRecord, sidecars: list[Sidecar | None]) -> None:
        """Refuse shards of several devices, where these draw a little differently."""
        is_exact = run.tolerance == 0
        if is_exact or self.any_device or not self.executor.has_many_devices:
            return

        found = {sidecar.device for sidecar in sidecars if sidecar is not None}
        if len(found) < 2:
            return

        names = "; ".join(sorted(found))
        difference = f"images differ by up to {run.tolerance:g} gray levels on average between devices"
        raise UsageError(
            f"{place}: must be drawn on one kind of device, got {names}; {difference}: --any-device accepts them"
        )

    def report(self, path, begun: RunRecord, sidecars, todo: list[int], finished: bool, seconds: float) -> Report:
        """Return what a run did; `sidecars`: those of all shards, `todo`: the shards that it drew."""
        known = []
        for shard in self.shards_of(begun):
            sidecar = sidecars[shard]
            if sidecar is not None:
                known.append(sidecar)

        total = sum(sidecar.count for sidecar in known)
        drawn = sum(map(begun.shard_count, todo))
        return Report(
            path=str(path),
            samples=begun.count,
            shards=begun.shards,
            drawn=drawn,
            resumed=total - drawn,
            seconds=round(seconds, 3),
            bytes=sum(sidecar.bytes for sidecar in known),
            finished=finished,
            fingerprint=begun.fingerprints.data,
        )


def describe(plan: Plan, estimate: Estimate, offered: int, shares_device: bool | None = None) -> str:
    """Return the plan of a run as one line for people.

    Parameters
    ----------
    plan : Plan
    estimate : Estimate
    offered : int
        Processes that may draw, 0 for this one.
    shares_device : bool, optional
        Whether several may draw at a time; by default as on this machine.
    """
    run = plan.run
    height, width = plan.recipe.size
    classes = counted(run.classes, "class", "classes")
    images = f"{classes} x {counted(run.per_class, 'image')} of {width}x{height}"
    for stage in run.grown_from[-1:]:
        images += f", grown from {stage.classes:,} x {stage.per_class:,}"
    shards = counted(run.shards, f"{run.storage} shard")

    size = human_bytes(estimate.bytes)
    seconds = estimate.seconds(offered)
    time_needed = human_time(seconds)

    if shares_device is None:
        drawer = drawer_of(plan)
        shares_device = not drawer.exclusive
    who = "in one process, which uses all of the device"
    if shares_device:
        who = _who_works(estimate, offered)

    to_draw = f"{counted(estimate.samples, 'image')}, about {size}, {time_needed} {who}"
    return f"{plan.recipe.name}: {images}, {shards}; to draw: {to_draw}"


def _who_works(estimate: Estimate, offered: int) -> str:
    """Return in words how many processes will draw, and how many could."""
    workers = estimate.workers(offered)
    threads = estimate.threads(offered)
    if offered < 2:
        return "on 1 core" if estimate.shards < 2 else f"on 1 core ({estimate.shards:,} could work)"

    cores = workers * threads
    idle = offered - cores
    more = f"; {idle} more would idle" if idle else ""
    if threads > 1:
        processes = counted(workers, "process", "processes")
        return f"on {cores} cores, {processes} of {threads} threads{more}"
    could = "" if idle else f" ({estimate.shards:,} could work)"
    return f"on {counted(cores, 'core')}{could}{more}"
