"""The records of a run: what begins a folder, what is known of its shards, what finishes it.

A record that is there and right is never written again. One that is wrong is written as it was: run record, class
table and manifest follow from the recipe and the shards.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from synthgen.cards import write_first_card
from synthgen.errors import FormatError, UsageError
from synthgen.run.classes import cut_classes, ensure_classes
from synthgen.run.folder import (
    begun_record,
    current_records,
    is_reserved,
    readable_manifest,
    readable_records,
    record_of,
    remove_listed,
    sweep,
)
from synthgen.run.lock import check_alone, gate
from synthgen.run.parts import PARTS, Part, record_parts
from synthgen.run.plan import Plan
from synthgen.shards.files import sha256_of, storage_errors, write_atomically
from synthgen.shards.manifest import (
    CLASSES,
    DATASET,
    RUN,
    SHARDS,
    Manifest,
    RunRecord,
    ShardEntry,
    Sidecar,
    encode_json,
    read_sidecar,
    write_sidecar,
)
from synthgen.shards.reading import read_whole


def begin(folder: Path, plan: Plan, part: Part, overwrite: bool = False) -> RunRecord:
    """Write run record and class table, where they are not there; return the record that the folder is drawn with.

    Of several parts that begin at once, one writes the record, and the others find it. With `overwrite` what lies
    there is removed first.
    """
    with gate(folder):
        # Another part may have begun other data meanwhile.
        found = begun_record(folder, plan.run, overwrite)
        if overwrite and found is not None:
            remove_listed(folder, found)
        elif found is None:
            _clear_unbegun(folder, part)
        run = plan.run if overwrite or found is None else _settled_record(folder, found, plan.run)
        ensure(folder / RUN, encode_json(run))
        if part.n > 1:
            record_parts(folder, part)

    manifest = readable_manifest(folder, run)
    ensure_classes(folder, plan.recipe, manifest)
    return run


def _settled_record(folder: Path, found: RunRecord, run: RunRecord) -> RunRecord:
    """Return the record of a run that goes on: until it is finished, it is called what the command calls it."""
    manifest = readable_manifest(folder, run)
    is_finished = manifest is not None and manifest.count == run.count
    if is_finished:
        return found
    return msgspec.structs.replace(run, device=found.device)


def _clear_unbegun(folder: Path, part: Part) -> None:
    """Remove what a run left that drew nothing before it was killed."""
    records, _ = readable_records(folder)
    for record in records:
        check_alone(folder, part[:2])
        sweep(folder, record, range(record.shards), records=True)


def withdraw(folder: Path, run: RunRecord) -> None:
    """Remove the records of a run that ended before its first shard, so that it does not keep the folder.

    Where the run was to make a finished data set grow, its records become again what they were.
    """
    with storage_errors(folder):
        if not (folder / RUN).exists():
            return
        manifest = readable_manifest(folder, run)
        if manifest is not None:
            end_growth(folder, manifest)
        elif not is_reserved(folder):
            _remove_records(folder)


def end_growth(folder: Path, manifest: Manifest) -> None:
    """Make the records those of the manifest again, if no shard was drawn beyond it."""
    record = record_of(manifest)
    if current_records(folder) == [record]:
        (folder / PARTS).unlink(missing_ok=True)
        # The record last: until then lines of further classes are right.
        cut_classes(folder, manifest)
        ensure(folder / RUN, encode_json(record))


def _remove_records(folder: Path) -> None:
    for name in (CLASSES, PARTS, RUN):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        (folder / SHARDS).rmdir()


def known_sidecars(folder: Path, run: RunRecord) -> list[Sidecar | None]:
    """Return the sidecars of all shards, None for a shard that has to be drawn.

    Those of a finished data set, also of one that grows, are compared with its manifest. Where the two differ the
    shard tells which is right, and a wrong sidecar is written as it was.
    """
    manifest = readable_manifest(folder, run)
    sidecars = [own_sidecar(folder, run, shard) for shard in range(run.shards)]
    if manifest is None:
        return sidecars
    for shard, entry in enumerate(manifest.shard_list):
        sidecar = sidecars[shard]
        expected = _sidecar_of(run, shard, entry)
        if sidecar != expected:
            sidecars[shard] = _settled(folder, run, sidecar, expected)
    return sidecars


def finish(folder: Path, run: RunRecord, sidecars: list[Sidecar | None]) -> bool:
    """Write the manifest if all shards are there; return whether they are."""
    entries = [_entry_of(sidecar) for sidecar in sidecars if sidecar is not None]
    if len(entries) < run.shards:
        return False
    manifest = Manifest(
        **{name: getattr(run, name) for name in RunRecord.__struct_fields__},
        classes_sha256=sha256_of(folder / CLASSES),
        splits={"train": [entry.name for entry in entries]},
        shard_list=entries,
    )
    ensure(folder / DATASET, encode_json(manifest))
    write_first_card(folder)
    with storage_errors(folder / PARTS):
        (folder / PARTS).unlink(missing_ok=True)
    return True


def own_sidecar(folder: Path, run: RunRecord, shard: int) -> Sidecar | None:
    """Return the sidecar of a shard, if it says that it is of this shard and this run."""
    try:
        sidecar = read_sidecar(folder, run, shard)
    except UsageError:
        return None
    return sidecar if sidecar is not None and sidecar.shard == shard else None


def _entry_of(sidecar: Sidecar) -> ShardEntry:
    return ShardEntry(sidecar.name, sidecar.count, sidecar.bytes, sidecar.sha256, sidecar.device)


def _sidecar_of(run: RunRecord, shard: int, entry: ShardEntry) -> Sidecar:
    stage = run.stage_of(shard)
    return Sidecar.signed(
        shard=shard,
        name=entry.name,
        count=entry.count,
        bytes=entry.bytes,
        sha256=entry.sha256,
        fingerprints=stage.fingerprints,
        versions=stage.versions,
        device=entry.device,
    )


def _settled(folder: Path, run: RunRecord, sidecar: Sidecar | None, expected: Sidecar) -> Sidecar | None:
    """Return which of a sidecar and what the manifest expects is true of the shard, or None if neither is."""
    known = [expected] if sidecar is None else [expected, sidecar]
    try:
        digest = sha256_of(folder / SHARDS / expected.name, max(one.bytes for one in known))
    except FormatError:  # missing, or larger than any of them says
        return None
    if digest == expected.sha256:
        write_sidecar(folder, run, expected)
        return expected
    return sidecar if sidecar is not None and digest == sidecar.sha256 else None


def ensure(path: Path, content: bytes) -> None:
    """Write a file, unless it has this content."""
    if not _has(path, content):
        write_atomically(path, content)


def _has(path: Path, content: bytes) -> bool:
    try:
        return read_whole(path, len(content)) == content
    except FormatError:  # missing, or larger
        return False
