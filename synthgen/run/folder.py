"""The folder of a data set: whose it is, what begins it, and what `--overwrite` removes."""

from fnmatch import fnmatch
from pathlib import Path

import msgspec

from synthgen import families
from synthgen.errors import SynthgenError, UsageError
from synthgen.run.plan import Plan
from synthgen.shards.files import storage_error, write_atomically
from synthgen.shards.manifest import (
    CLASSES,
    DATASET,
    RUN,
    SHARDS,
    RunRecord,
    encode_json,
    read_run,
    sidecar_path,
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


def check_device(folder: Path, begun: RunRecord, run: RunRecord, any_device: bool) -> None:
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


def file_names(folder: Path, run: RunRecord, shards) -> list[str]:
    """Return the names of shards and of their sidecars."""
    return [name for s in shards for name in (run.shard_name(s), sidecar_path(folder, run, s).name)]


def remove_listed(folder: Path) -> None:
    """Remove what the run record of a folder lists, but not the record: after a kill the rest can be removed."""
    run = read_run(folder)
    if run is None:
        return
    names = [f"{SHARDS}/{name}" for name in file_names(folder, run, range(run.shards))]
    for name in (DATASET, *names, CLASSES):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, folder / name) from None


def write_records(folder: Path, plan: Plan, overwrite: bool) -> RunRecord:
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
