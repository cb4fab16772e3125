"""A run from start to end: folder, lock, shards, manifest. Running it again resumes it."""

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from synthgen.errors import UsageError
from synthgen.families import chosen_device
from synthgen.machine import counted
from synthgen.recipe import load_recipe
from synthgen.run.executors import Crew, Executor, executor_of
from synthgen.run.folder import begun_record, check_device, check_versions, readable_manifest, sweep
from synthgen.run.growth import continued, remove_growth
from synthgen.run.lock import part_lock
from synthgen.run.parts import Part, parse_part
from synthgen.run.plan import Plan, make_plan
from synthgen.run.progress import tell
from synthgen.run.records import begin, finish, known_sidecars, withdraw
from synthgen.run.store import draw_into_store
from synthgen.run.target import Target
from synthgen.run.work import Report, Work
from synthgen.shards.files import is_remote, make_folder, system_errors
from synthgen.shards.manifest import SHARDS, RunRecord, Sidecar
from synthgen.shards.places import place_of


def generate(
    recipe,
    out=None,
    workers=None,
    part=None,
    progress=True,
    overwrite=False,
    device=None,
    any_device=False,
    scratch=None,
    executor="local",
    address=None,
    cpus_per_task=1,
    gpus_per_task=0,
    drop_growth=False,
) -> Report:
    """Draw a data set, or the rest of one that was interrupted, or what a finished, smaller one lacks.

    Parameters
    ----------
    recipe : Recipe, str or Path
        As for `load_recipe`.
    out : str or Path, optional
        Folder of the data set, or an address such as ``s3://bucket/fractals``; by default the recipe's name.
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
    scratch : str or Path, optional
        Where shards are drawn that go to an address; by default the system's folder for temporary files.
    executor : {'local', 'ray'}
        Who draws: processes of this machine, or tasks of a Ray cluster. The result does not depend on it.
    address : str, optional
        Of a Ray cluster, ``"auto"`` for the one that this machine belongs to; by default one is begun here.
    cpus_per_task, gpus_per_task : float
        What a task of Ray takes.
    drop_growth : bool
        Where a finished data set was growing, remove first what was added to it: the finished one stays. For growth
        that cannot be finished, since other libraries began it.

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
        If the disk cannot hold the data set, or the folder or the store cannot be written.
    """
    recipe = load_recipe(recipe)
    out = recipe.name if out is None else out
    place = place_of(out) if is_remote(out) else None
    folder = Path(out)
    crew = Crew(executor, workers, address, cpus_per_task, gpus_per_task)
    part = check_request(out, crew, part, overwrite, scratch, drop_growth)
    with chosen_device(device), system_errors(out), executor_of(crew) as draws:
        work = Work(draws, part, progress, overwrite, any_device)
        plan = _with_device(make_plan(recipe), draws)
        if place is None:
            return _withdrawn(plan, folder, work, drop_growth) or _draw_into_folder(plan, folder, work)
        return draw_into_store(plan, place, work, scratch)


def check_request(
    out, crew: Crew, part=None, overwrite: bool = False, scratch=None, drop_growth: bool = False
) -> Part:
    """Return the part that is to be drawn; raise `UsageError` unless what `generate` is asked for goes together."""
    crew.check()
    is_folder = not is_remote(out)
    part = parse_part(part, Path(out) if is_folder else None)
    if overwrite and part.n > 1:
        raise UsageError(
            f"overwrite must not go with part, got part {part.k}/{part.n}: it would remove what other parts drew"
        )
    if scratch is not None and is_folder:
        raise UsageError(f"scratch must go with an address, such as s3://bucket/x, got out {os.fspath(out)}")
    if drop_growth:
        _check_drop(part, overwrite, is_folder)
    return part


def _check_drop(part: Part, overwrite: bool, is_folder: bool) -> None:
    """Refuse to remove a growth where other parts draw it, where all is removed, and where nothing grows."""
    if part.n > 1:
        found = f"part {part.k}/{part.n}: it would remove what other parts drew"
    elif overwrite:
        found = "overwrite, which removes all"
    elif not is_folder:
        found = "an address: a data set in a store does not grow"
    else:
        return
    raise UsageError(f"drop_growth must not go with {found}")


def _withdrawn(plan: Plan, folder: Path, work: Work, drop: bool) -> Report | None:
    """Remove a growth that is to be dropped; return the report if the plan asks for no more than what is left."""
    start = time.monotonic()
    kept = remove_growth(folder, plan) if drop else None
    if kept is None:
        return None
    if work.progress not in ("none", False):
        classes = counted(kept.classes, "class", "classes")
        tell(f"{folder}: what was added is removed: {classes} x {counted(kept.per_class, 'image')} stay")
    if kept.count < plan.run.count:
        return None
    return work.report(folder, kept, known_sidecars(folder, kept), [], True, time.monotonic() - start)


def _with_device(plan: Plan, executor: Executor) -> Plan:
    """Return a plan whose record names what draws."""
    run = msgspec.structs.replace(plan.run, device=executor.device(plan.recipe))
    return msgspec.structs.replace(plan, run=run)


def _draw_into_folder(plan: Plan, folder: Path, work: Work) -> Report:
    start = time.monotonic()
    overwrite = work.overwrite
    grown = plan if overwrite else continued(folder, plan)
    if grown is not plan:
        plan = _with_device(grown, work.executor)
    begun_record(folder, plan.run, overwrite)
    is_new = not folder.exists()
    make_folder(folder / SHARDS, folder)

    is_done = False

    def clear_away():
        sweep(folder, plan.run, range(plan.run.shards), records=True)
        if not is_done:
            withdraw(folder, plan.run)

    with _removed_if_empty(folder, is_new), part_lock(folder, work.part[:2], alone=overwrite, last=clear_away):
        begun = begin(folder, plan, work.part, overwrite)
        check_device(folder, readable_manifest(folder, begun) or begun, plan.run, work.any_device)

        sidecars = known_sidecars(folder, begun)
        todo = [shard for shard in work.shards_of(begun) if sidecars[shard] is None]
        if todo:
            check_versions(folder, begun, todo)
            sidecars = _drawn(plan, folder, work, begun, todo)
        finished = finish(folder, begun, sidecars)
        is_done = True

    return work.report(folder, begun, sidecars, todo, finished, time.monotonic() - start)


def _drawn(plan: Plan, folder: Path, work: Work, begun: RunRecord, todo: list[int]) -> list[Sidecar | None]:
    """Draw shards into a folder and return the sidecars of all shards."""
    sweep(folder, begun, work.shards_of(begun))
    try:
        work.draw(plan, Target(str(folder.absolute())), todo)
    finally:
        sweep(folder, plan.run, todo)

    sidecars = known_sidecars(folder, begun)
    work.check_arrived(folder, begun, sidecars, todo)
    work.check_devices(folder, begun, sidecars)
    return sidecars


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
