"""A run from start to end: folder, lock, shards, manifest. Running it again resumes it."""

import os
import sys
import time
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import SynthgenError, UsageError
from synthgen.mandelbulb.devices import ENVIRONMENT_VARIABLE
from synthgen.recipe import load_recipe
from synthgen.run.estimate import Estimate, check_disk, effective_workers, human_bytes, human_time, probe
from synthgen.run.lock import check_unlocked, part_lock
from synthgen.run.plan import Plan, make_plan, parse_part
from synthgen.run.pool import run_pool
from synthgen.run.progress import Progress
from synthgen.run.shard import write_shard
from synthgen.shards.files import make_folder, remove_temporaries, storage_error, write_atomically
from synthgen.shards.manifest import (
    CLASSES,
    DATASET,
    RUN,
    SHARDS,
    RunRecord,
    encode_json,
    read_run,
    read_sidecar,
    sidecar_path,
    write_manifest,
)


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
    """Draw a data set, or the rest of one that was interrupted.

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
    plan = make_plan(recipe)
    folder = Path(recipe.name if out is None else out)
    k, n = parse_part(part)
    if workers is not None and not 0 <= workers <= 4096:
        raise UsageError(f"--workers must lie in 0..4096, got {workers}")
    if overwrite and (k, n) != (1, 1):
        raise UsageError(f"--overwrite must not go with --part, got {k}/{n}: it would remove what other parts drew")
    with chosen_device(device):
        return _generate(plan, folder, workers, (k, n), progress, overwrite, any_device)


def _generate(plan: Plan, folder: Path, workers, part, progress, overwrite: bool, any_device: bool) -> Report:
    start = time.monotonic()
    k, n = part
    check_folder(folder, plan.run, overwrite)
    device = families.load(plan.recipe.family).device(plan.recipe.options)
    plan = msgspec.structs.replace(plan, run=msgspec.structs.replace(plan.run, device=device.name))
    mine = range(k - 1, plan.run.shards, n)
    make_folder(folder / SHARDS, folder)
    with part_lock(folder, (k, n)):
        check_unlocked(folder, (k, n), same_split=not overwrite)
        if overwrite:
            _remove(folder)
        begun = _write_records(folder, plan, overwrite)
        check_folder(folder, plan.run, overwrite=False)  # another part may have begun other data meanwhile
        _check_device(folder, begun, plan.run, any_device)
        todo = [s for s in mine if read_sidecar(folder, plan.run, s) is None]
        left, total = (sum(map(plan.run.shard_count, shards)) for shards in (todo, mine))
        if todo:
            remove_temporaries(folder / SHARDS, _file_names(folder, plan.run, todo))
            workers = min(effective_workers(plan, workers), len(todo))
            estimate = probe(plan, left)
            check_disk(estimate, plan, folder)
            if progress not in ("none", False):
                print(describe(plan, estimate, workers), file=sys.stderr, flush=True)
            _draw(plan, folder, todo, workers, Progress(progress, total, total - left))
        finished = write_manifest(folder, begun) is not None
        sizes = [read_sidecar(folder, plan.run, s).bytes for s in mine]
    return Report(
        path=str(folder),
        samples=plan.run.count,
        shards=plan.run.shards,
        drawn=left,
        resumed=total - left,
        seconds=round(time.monotonic() - start, 3),
        bytes=sum(sizes),
        finished=finished,
        fingerprint=plan.run.fingerprints.data,
    )


def describe(plan: Plan, estimate: Estimate, workers: int) -> str:
    """Return the plan of a run as one line for people."""
    run = plan.run
    return (
        f"{plan.recipe.name}: {run.classes:,} classes x {run.per_class:,} images of "
        f"{plan.recipe.size[1]}x{plan.recipe.size[0]}, {run.shards:,} {run.storage} shards; to draw: "
        f"{estimate.samples:,} images, about {human_bytes(estimate.bytes)}, "
        f"{human_time(estimate.seconds(workers))} on {max(1, workers)} core{'s' if workers > 1 else ''}"
    )


def check_folder(folder: Path, run: RunRecord, overwrite: bool) -> None:
    """Refuse a folder that holds something else."""
    try:
        _check_folder(folder, run, overwrite)
    except OSError as error:
        if isinstance(error, SynthgenError):
            raise
        raise storage_error(error, folder) from None


def _check_folder(folder: Path, run: RunRecord, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: must be a folder, got a file")
    found = read_run(folder) if folder.is_dir() else None
    if found is None:
        strangers = [p.name for p in folder.iterdir() if not _is_ours(p)] if folder.is_dir() else []
        if strangers:
            raise UsageError(
                f"{folder}: must be empty or hold this data set, got {len(strangers)} other files, "
                f"for example {sorted(strangers)[0]}"
            )
        return
    if found.fingerprints == run.fingerprints or overwrite:
        return
    what, hint = "other data", "choose another --out, or --overwrite to replace it"
    if found.fingerprints.data == run.fingerprints.data:
        changed = [
            f"{name} {found.versions.get(name)} -> {v}"
            for name, v in run.versions.items()
            if found.versions.get(name) != v
        ]
        how = ", ".join(changed) or "format, codec or shard size"
        what = f"the same data, stored in another way ({how})"
    raise UsageError(
        f"{folder}: holds {what}: fingerprints {found.fingerprints.short} there, "
        f"{run.fingerprints.short} here; {hint}"
    )


@contextmanager
def chosen_device(device):
    """Make a device the one that families draw on, here and in workers that are started meanwhile."""
    before = os.environ.get(ENVIRONMENT_VARIABLE)
    if device is not None:
        os.environ[ENVIRONMENT_VARIABLE] = str(device)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(ENVIRONMENT_VARIABLE, None)
        else:
            os.environ[ENVIRONMENT_VARIABLE] = before


def _check_device(folder: Path, begun: RunRecord, run: RunRecord, any_device: bool) -> None:
    """Refuse to go on with a data set on a device that would draw it a little differently."""
    if run.tolerance and begun.device != run.device and not any_device:
        raise UsageError(
            f"{folder}: was begun on {begun.device}, this is {run.device}; images differ by up to "
            f"{run.tolerance:g} gray levels on average between devices: --any-device goes on all the same"
        )


def _is_ours(path: Path) -> bool:
    """Whether a file may lie in a folder before its run record does: another part may just be starting."""
    if path.name == SHARDS:
        return not any(path.iterdir())
    return path.name.startswith(".part-") or fnmatch(path.name, ".*.tmp")


def _file_names(folder: Path, run: RunRecord, shards) -> list[str]:
    return [name for s in shards for name in (run.shard_name(s), sidecar_path(folder, run, s).name)]


def _remove(folder: Path) -> None:
    """Remove what the run record of a folder lists, but not the record: after a kill the rest can be removed."""
    run = read_run(folder)
    if run is None:
        return
    names = [f"{SHARDS}/{name}" for name in _file_names(folder, run, range(run.shards))]
    for name in (DATASET, *names, CLASSES):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, folder / name) from None


def _write_records(folder: Path, plan: Plan, overwrite: bool) -> RunRecord:
    """Write run record and class table, where they are not there yet; return the record that counts.

    Of several parts that begin at once, one writes the record, and the others find it.
    """
    family, recipe = families.load(plan.recipe.family), plan.recipe
    write_atomically(folder / RUN, encode_json(plan.run), replace=overwrite)
    if not (folder / CLASSES).exists():
        rows = (
            {"id": label, **family.describe_class(recipe.options, recipe.seed, label)}
            for label in range(recipe.classes)
        )
        write_atomically(folder / CLASSES, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return read_run(folder)


def _draw(plan: Plan, folder: Path, shards: list[int], workers: int, progress: Progress) -> None:
    with progress:
        try:
            if workers == 0:
                for shard in shards:
                    write_shard(plan, folder, shard, progress.advance)
            else:
                run_pool(plan, folder, shards, workers, progress)
        finally:
            remove_temporaries(folder / SHARDS, _file_names(folder, plan.run, shards))
