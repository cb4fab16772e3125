"""The folder of a data set: whose it is, what it was begun with, and what `overwrite` removes.

What a folder was begun with stands in ``run.json``, once more in ``dataset.json`` when it is finished, and its
fingerprints stand in every sidecar. So any one of these files may be damaged, and the others tell.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from synthgen.cards import is_beside_data, unchanged_cards
from synthgen.errors import FormatError, UsageError
from synthgen.machine import counted
from synthgen.run.differences import in_words
from synthgen.run.lock import is_lock
from synthgen.run.parts import PARTS
from synthgen.shards.files import read_error, remove_temporaries, storage_errors, temporaries
from synthgen.shards.manifest import (
    CLASSES,
    DATASET,
    RUN,
    SHARDS,
    Manifest,
    RunRecord,
    Sidecar,
    encode_json,
    read_json,
    sidecar_path,
    version_changes,
)

# What may differ between records of the same data: a name, how the storage was asked for, who began it.
_LOOSE = ("recipe", "device")
_LOOSE_IN_RECIPE = ("synthgen", "name", "storage")


def begun_record(folder: Path, run: RunRecord, overwrite: bool = False) -> RunRecord | None:
    """Return the run record that a folder was begun with, or None if nothing was begun there.

    Parameters
    ----------
    folder : Path
    run : RunRecord
        What is to be drawn there.
    overwrite : bool
        Other data is to be replaced: its record is returned.

    Raises
    ------
    UsageError
        If the folder holds other data, or files that are not ours.
    FormatError
        If no file tells whose the shards in the folder are.
    """
    if not folder.is_dir():
        if os.path.lexists(folder):
            raise UsageError(f"{folder}: must be a folder, got a file")
        return None

    found = current_records(folder)
    is_growing = len(found) > 1 and found[0].grows_from(found[1])
    if is_growing and not agree(found[0], run):
        return _growing_to_other_data(folder, found[0], run, overwrite)

    # An equal record first: the others may have another name.
    own = encode_json(run)
    for record in sorted(found, key=lambda record: encode_json(record) != own):
        if agree(record, run):
            return record
        if run.grows_from(record):
            return run

    # Of two records that agree, or a manifest beside a damaged record, no sidecar knows better.
    is_told = len(found) == 1 and os.path.lexists(folder / DATASET)
    sidecar = None if is_told else _last_sidecar(folder, run)
    has_grown = any(record.grows_from(run) for record in found)
    if sidecar is not None and not has_grown and _is_of(sidecar, run):
        return msgspec.structs.replace(run, device=sidecar.device) if run.tolerance else run

    if found and is_reserved(folder):
        return _of_other_data(folder, found[0], run, overwrite)
    _check_strangers(folder, sidecar is not None or overwrite)
    return None


def _is_of(sidecar: Sidecar, run: RunRecord) -> bool:
    return sidecar.fingerprints == run.stage_of(sidecar.shard).fingerprints


def current_records(folder: Path) -> list[RunRecord]:
    """Return the records that can be read: that of ``run.json``, then that of the manifest, if it is another one.

    A record of a data set that is to grow, of which no shard was drawn yet, is left out: it reserves nothing.
    """
    records, _ = readable_records(folder)
    if len(records) < 2 or not records[0].grows_from(records[1]):
        return records

    growing, finished = records
    added = range(finished.shards, growing.shards)
    return records if _any_shard(folder, growing, added) else [finished]


def is_reserved(folder: Path) -> bool:
    """Return whether there is a shard, or anything but an unfinished file, among the shards of a folder."""
    if os.path.lexists(folder / DATASET):
        return True
    place = folder / SHARDS
    return place.is_dir() and any(not path.name.endswith(".tmp") for path in _listed(place))


def _any_shard(folder: Path, run: RunRecord, shards: Iterable[int]) -> bool:
    """Return whether a folder has one of the shards, or a sidecar of one."""
    place = folder / SHARDS
    if not place.is_dir():
        return False
    there = {path.name for path in _listed(place)}
    return not there.isdisjoint(file_names(folder, run, shards))


def _growing_to_other_data(folder: Path, growing: RunRecord, run: RunRecord, overwrite: bool) -> RunRecord:
    """Return the record of a folder that is on its way to other data, if that is to be replaced."""
    if overwrite:
        return growing
    target = f"{counted(growing.classes, 'class', 'classes')} x {counted(growing.per_class, 'image')}"
    name = growing.recipe["name"]
    changes = ", ".join(version_changes(growing.versions, run.versions))
    hint = f"finish that first with the libraries that began it ({changes})" if changes else "finish that first"
    raise UsageError(
        f"{folder}: is growing to {target} of {name}, and some of them are there: {hint}, or --drop-growth removes "
        "what was added"
    )


def check_versions(folder: Path, run: RunRecord, shards: Iterable[int]) -> None:
    """Refuse to draw shards of an earlier stage again with other libraries than those that drew them."""
    for shard in shards:
        stage = run.stage_of(shard)
        changes = version_changes(stage.versions, run.versions)
        if changes:
            name = run.shard_name(shard)
            rule = "must be drawn again by the libraries that drew it"
            found = ", ".join(changes)
            raise UsageError(f"{folder}: {name} {rule}: {found}")


def check_device(folder: Path, begun: RunRecord, run: RunRecord, any_device: bool) -> None:
    """Refuse to go on with a data set on a device that would draw it a little differently."""
    if run.tolerance and begun.device != run.device and not any_device:
        difference = f"images differ by up to {run.tolerance:g} gray levels on average between devices"
        raise UsageError(
            f"{folder}: was begun on {begun.device}, this is {run.device}; {difference}: --any-device goes on all "
            "the same"
        )


def readable_manifest(folder: Path, run: RunRecord) -> Manifest | None:
    """Return the manifest of a finished folder, or None where it is missing, damaged or of other data.

    In a folder that grows to `run` it is that of the data set that is there.
    """
    manifest, _ = _readable(folder / DATASET, Manifest)
    if manifest is None:
        return None
    is_known = agree(manifest, run) or run.grows_from(manifest)
    return manifest if is_known else None


def file_names(folder: Path, run: RunRecord, shards: Iterable[int]) -> list[str]:
    """Return the names of shards and of their sidecars."""
    names = []
    for shard in shards:
        sidecar = sidecar_path(folder, run, shard)
        names += [run.shard_name(shard), sidecar.name]
    return names


def sweep(folder: Path, run: RunRecord, shards: Iterable[int], records: bool = False) -> None:
    """Remove what killed writers of some shards left behind; with `records` also what those of records left."""
    if any(temporaries(folder / SHARDS)):
        remove_temporaries(folder / SHARDS, file_names(folder, run, shards))
    if records:
        remove_temporaries(folder, (RUN, DATASET, CLASSES, PARTS))


def remove_shard(folder: Path, run: RunRecord, shard: int) -> None:
    """Remove a shard; its sidecar first, so that what is left after a kill is not taken for finished."""
    for path in (sidecar_path(folder, run, shard), folder / SHARDS / run.shard_name(shard)):
        with storage_errors(path):
            path.unlink(missing_ok=True)


def remove_listed(folder: Path, run: RunRecord) -> None:
    """Remove what a run record lists, and its card, but not the record: after a kill the rest can be removed."""
    names = file_names(folder, run, range(run.shards))
    shards = [f"{SHARDS}/{name}" for name in names]
    for name in (DATASET, *shards, CLASSES, PARTS, *unchanged_cards(folder)):
        path = folder / name
        with storage_errors(path):
            path.unlink(missing_ok=True)


def readable_records(folder: Path) -> tuple[list[RunRecord], FormatError | None]:
    """Return the records that can be read, that of ``run.json`` first, and what is wrong with that file."""
    run, damage = _readable(folder / RUN, RunRecord)
    manifest, _ = _readable(folder / DATASET, Manifest)
    records = [] if run is None else [run]
    if manifest is not None:
        records.append(record_of(manifest))
    return records, damage


def record_of(manifest: Manifest) -> RunRecord:
    """Return what ``run.json`` holds beside a manifest."""
    values = {name: getattr(manifest, name) for name in RunRecord.__struct_fields__}
    return RunRecord(**values)


def _readable(path: Path, kind: type):
    """Return (content, None) of a file, or (None, what is wrong with it); a missing file is not wrong."""
    if not os.path.lexists(path):
        return None, None
    try:
        return read_json(path, kind), None
    except FormatError as damage:
        return None, damage


def agree(record: RunRecord, run: RunRecord) -> bool:
    """Return whether a record is of the same data, stored in the same way, and says so in all its values."""
    names = (name for name in RunRecord.__struct_fields__ if name not in _LOOSE)
    if any(getattr(record, name) != getattr(run, name) for name in names):
        return False
    return _same_recipe(record.recipe, run.recipe) and _same_storage(record, run)


def _same_recipe(recipe: dict, other: dict) -> bool:
    known = recipe.keys() | other.keys()
    keys = known.difference(_LOOSE_IN_RECIPE)
    return all(_same_value(recipe.get(key), other.get(key)) for key in keys)


def _same_storage(record: RunRecord, run: RunRecord) -> bool:
    """Compare how storage was asked for: the shard size may have been left open, or be larger than the data set."""
    asked = record.recipe.get("storage")
    if not isinstance(asked, dict):
        return False

    size = asked.get("shard_size")
    before = sum(stage.classes * stage.per_class for stage in run.grown_from[-1:])
    if size is not None and min(size, run.count - before) != run.shard_size:
        return False
    return {**asked, "shard_size": None} == {**run.recipe["storage"], "shard_size": None}


def _same_value(value, other) -> bool:
    """Compare values of two recipes; files may have moved: their contents are part of the fingerprint."""
    both = (value, other)
    if all(isinstance(each, list | tuple) for each in both):
        return list(value) == list(other)

    moved = all(isinstance(each, str) and os.path.isabs(each) for each in both)
    return moved or value == other


def _of_other_data(folder: Path, found: RunRecord, run: RunRecord, overwrite: bool) -> RunRecord:
    if overwrite:
        return found
    if found.fingerprints == run.fingerprints:
        # Altered in another place, with nothing beside it: the fingerprints tell what it said.
        return msgspec.structs.replace(run, device=found.device)

    what = "other data"
    if found.fingerprints.data == run.fingerprints.data:
        what = "the same data, stored in another way"
    hint = "choose another --out, or --overwrite to replace it"
    if _is_smaller(found, run) and not os.path.lexists(folder / DATASET):
        hint = "finish it as it was begun, then it can grow"
    raise UsageError(f"{folder}: holds {what}: {in_words(found, run)}; {hint}")


def _is_smaller(found: RunRecord, run: RunRecord) -> bool:
    """Return whether a record is of the same data but of fewer classes or images."""
    sizes = {"classes": run.classes, "per_class": run.per_class}
    is_within = found.classes <= run.classes and found.per_class <= run.per_class
    return is_within and _same_recipe({**found.recipe, **sizes}, run.recipe)


def _check_strangers(folder: Path, has_shards: bool) -> None:
    """Refuse a folder without a run record that tells whose it is, unless nothing in it could be lost.

    `has_shards`: it is known that there are shards.
    """
    records, damage = readable_records(folder)
    begun = damage is not None or bool(records)
    strangers = [path.name for path in _listed(folder) if not _is_ours(path, begun)]
    if damage is not None and (has_shards or SHARDS in strangers):
        raise FormatError(
            f"{damage}; no other file tells that the shards are of this recipe: run the recipe that began the "
            "folder, or remove the folder"
        )
    if strangers:
        found = f"{len(strangers)} other files, for example {min(strangers)}"
        raise UsageError(f"{folder}: must be empty or hold this data set, got {found}")


def _last_sidecar(folder: Path, run: RunRecord) -> Sidecar | None:
    """Return the last sidecar of a folder that can be read: it is of the latest stage."""
    for shard in reversed(range(run.shards)):
        sidecar, _ = _readable(sidecar_path(folder, run, shard), Sidecar)
        if sidecar is not None:
            return sidecar
    return None


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise read_error(error, folder) from None


def _is_ours(path: Path, begun: bool) -> bool:
    """Return whether a file may lie in a folder that has no shard yet: another part may just be starting.

    `begun`: a run record is there, of a run that drew nothing, or damaged.
    """
    if path.name == SHARDS and path.is_dir():
        return all(entry.name.endswith(".tmp") for entry in _listed(path))
    if path.name in (RUN, CLASSES):
        return begun
    is_temporary = path.name.startswith(".") and path.name.endswith(".tmp")
    return is_temporary or is_lock(path.name) or path.name == PARTS or is_beside_data(path.name)
