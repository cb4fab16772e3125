"""A run from start to end: folder, lock, shards, manifest. Running it again resumes it."""

import time
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import UsageError
from synthgen.families import chosen_device
from synthgen.machine import available_cpus, human_bytes, human_time
from synthgen.recipe import load_recipe
from synthgen.run.estimate import Estimate, check_disk, drawer_of, effective_workers, probe
from synthgen.run.folder import begun_record, check_device, check_versions, readable_manifest, sweep
from synthgen.run.growth import continued
from synthgen.run.lock import part_lock
from synthgen.run.parts import Part, parse_part
from synthgen.run.plan import Plan, make_plan
from synthgen.run.pool import run_pool
from synthgen.run.progress import Progress, tell
from synthgen.run.records import begin, finish, known_sidecars, withdraw
from synthgen.run.shard import write_shard
from synthgen.shards.files import make_folder, refuse_remote, system_errors
from synthgen.shards.manifest import SHARDS, RunRecord, Sidecar


class Report(msgspec.Struct, frozen=True):
    """What a run did.

    Attributes
    ----------
    path : str
        The folder.
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


def generate(
    recipe,
    out=None,
    workers=None,
    part=None,
    progress=True,
    overwrite=False,
    device=None,
    any_device=False,
) -> Report:
    """Draw a data set, or the rest of one that was interrupted, or what a finished, smaller one lacks.

    Parameters
    ----------
    recipe : Recipe, str or Path
        As for `load_recipe`.
    out : str or Path, optional
        Folder of the data set; by default the recipe's name.
    workers : int, optional
        Processes; by default one for each CPU. 0 draws in this process. The result does not depend on it.
    part : "K/N", "auto" or (int, int), optional
        Draw only part K of N, 1-based, for job arrays. Parts may share a folder.
    progress : bool or {'auto', 'plain', 'none'}
        How to tell on stderr how far the run is.
    overwrite : bool
        Replace a data set that lies in the folder; only files that its run record lists are touched.
    device : str or int, optional
        For families that draw on OpenCL: a part of a device's name, or its number in ``synthgen doctor``; by
        default the variable ``SYNTHGEN_DEVICE``, else the best one.
    any_device : bool
        Resume a data set that was begun on another device.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        If the recipe breaks a rule, or the folder holds something else.
    LockedError
        If another process draws the same part.
    StorageError
        If the disk cannot hold the data set, or the folder cannot be written.
    """
    recipe = load_recipe(recipe)
    refuse_remote(recipe.name if out is None else out)
    folder = Path(recipe.name if out is None else out)

    if workers is not None and not 0 <= workers <= 4096:
        raise UsageError(f"workers must lie in 0..4096, got {workers}")
    part = parse_part(part, folder)
    if overwrite and part.n > 1:
        raise UsageError(
            f"overwrite must not go with part, got part {part.k}/{part.n}: it would remove what other parts drew"
        )
    with chosen_device(device), system_errors(folder):
        plan = _with_device(make_plan(recipe))
        return _generate(plan, folder, workers, part, progress, overwrite, any_device)


def _with_device(plan: Plan) -> Plan:
    """Return a plan whose record names what draws on this machine."""
    family = families.load(plan.recipe.family)
    device = families.device_of(family, plan.recipe.options)
    run = msgspec.structs.replace(plan.run, device=device.name)
    return msgspec.structs.replace(plan, run=run)


def _generate(plan: Plan, folder: Path, workers, part: Part, progress, overwrite: bool, any_device: bool) -> Report:
    start = time.monotonic()
    if not overwrite:
        plan = _with_device(continued(folder, plan))
    begun_record(folder, plan.run, overwrite)
    is_new = not folder.exists()
    make_folder(folder / SHARDS, folder)
    everything = range(plan.run.shards)

    is_done = False

    def clear_away():
        sweep(folder, plan.run, everything, records=True)
        if not is_done:
            withdraw(folder, plan.run)

    with _removed_if_empty(folder, is_new), part_lock(folder, part[:2], alone=overwrite, last=clear_away):
        begun = begin(folder, plan, part, overwrite)
        check_device(folder, readable_manifest(folder, begun) or begun, plan.run, any_device)

        mine = everything[part.k - 1 :: part.n]
        sidecars = known_sidecars(folder, begun)
        todo = [shard for shard in mine if sidecars[shard] is None]
        if todo:
            check_versions(folder, begun, todo)
            sweep(folder, begun, mine)
            total = sum(map(begun.shard_count, mine))
            _announce_and_draw(plan, folder, todo, workers, progress, total)
            sidecars = known_sidecars(folder, begun)
        finished = finish(folder, begun, sidecars)
        is_done = True

    own = sidecars[part.k - 1 :: part.n]
    return _report(folder, begun, own, todo, finished, time.monotonic() - start)


def _report(
    folder: Path, begun: RunRecord, own: list[Sidecar | None], todo: list[int], finished: bool, seconds: float
) -> Report:
    """Return what a run did; `own`: the sidecars of its part, `todo`: the shards that it drew."""
    known = [sidecar for sidecar in own if sidecar is not None]
    total = sum(sidecar.count for sidecar in known)
    drawn = sum(map(begun.shard_count, todo))
    return Report(
        path=str(folder),
        samples=begun.count,
        shards=begun.shards,
        drawn=drawn,
        resumed=total - drawn,
        seconds=round(seconds, 3),
        bytes=sum(sidecar.bytes for sidecar in known),
        finished=finished,
        fingerprint=begun.fingerprints.data,
    )


@contextmanager
def _removed_if_empty(folder: Path, is_new: bool):
    """Remove a folder that the block made, if it failed and left nothing there."""
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _announce_and_draw(plan: Plan, folder: Path, todo: list[int], workers, progress, total: int) -> None:
    """Say what a run will take, and draw shards; `total`: images of this part, drawn or not."""
    estimate = probe(plan, todo)
    check_disk(estimate, plan, folder)
    offered = effective_workers(plan, workers)
    if progress not in ("none", False):
        # More processes than CPUs do not draw faster.
        tell(describe(plan, estimate, min(offered, available_cpus())))
    _draw(plan, folder, todo, estimate.workers(offered), Progress(progress, total, total - estimate.samples))


def describe(plan: Plan, estimate: Estimate, offered: int) -> str:
    """Return the plan of a run as one line for people; `offered`: processes that may draw, 0 for this one."""
    run = plan.run
    height, width = plan.recipe.size
    images = f"{run.classes:,} classes x {run.per_class:,} images of {width}x{height}"
    for stage in run.grown_from[-1:]:
        images += f", grown from {stage.classes:,} x {stage.per_class:,}"
    shards = f"{run.shards:,} {run.storage} shards"

    size = human_bytes(estimate.bytes)
    time_needed = human_time(estimate.seconds(offered))
    to_draw = f"{estimate.samples:,} images, about {size}, {time_needed} {_who_works(plan, estimate, offered)}"
    return f"{plan.recipe.name}: {images}, {shards}; to draw: {to_draw}"


def _who_works(plan: Plan, estimate: Estimate, offered: int) -> str:
    """Return in words how many processes will draw, and how many could."""
    if drawer_of(plan).exclusive:
        return "in one process, which uses all of the device"
    workers = estimate.workers(offered)
    if workers < 2:
        return "on 1 core" if estimate.shards < 2 else f"on 1 core ({estimate.shards:,} could work)"
    idle = offered - workers
    more = f"; {idle} more would idle" if idle else f" ({estimate.shards:,} could work)"
    return f"on {workers} cores{more}"


def _draw(plan: Plan, folder: Path, shards: list[int], workers: int, progress: Progress) -> None:
    with progress:
        try:
            if workers == 0:
                for shard in shards:
                    write_shard(plan, folder, shard, progress.advance)
            else:
                run_pool(plan, folder, shards, workers, progress)
        finally:
            sweep(folder, plan.run, shards)
