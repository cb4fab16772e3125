"""The records of a run: what begins a folder, what is known of its shards, what finishes it.

A record that is there and right is never written again. One that is wrong is written as it was: run record, class
table and manifest follow from the recipe and the shards.
"""

from pathlib import Path

from synthgen.cards import write_first_card
from synthgen.errors import FormatError, UsageError
from synthgen.run.classes import ensure_classes
from synthgen.run.folder import begun_record, readable_manifest, remove_listed
from synthgen.run.lock import gate
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
        run = plan.run if overwrite or found is None else found
        ensure(folder / RUN, encode_json(run))
        if part.n > 1:
            record_parts(folder, part)

    manifest = readable_manifest(folder, run)
    signed = None if manifest is None else manifest.classes_sha256
    ensure_classes(folder, plan.recipe, signed)
    return run


def known_sidecars(folder: Path, run: RunRecord) -> list[Sidecar | None]:
    """Return the sidecars of all shards, None for a shard that has to be drawn.

    In a finished data set they are compared with the manifest. Where the two differ the shard tells which is right,
    and a wrong sidecar is written as it was.
    """
    manifest = readable_manifest(folder, run)
    sidecars = [own_sidecar(folder, run, shard) for shard in range(run.shards)]
    if manifest is None:
        return sidecars
    for shard, (sidecar, entry) in enumerate(zip(sidecars, manifest.shard_list, strict=True)):
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
    return Sidecar.signed(
        shard=shard,
        name=entry.name,
        count=entry.count,
        bytes=entry.bytes,
        sha256=entry.sha256,
        fingerprints=run.fingerprints,
        versions=run.versions,
        device=entry.device,
    )


def _settled(folder: Path, run: RunRecord, sidecar: Sidecar | None, expected: Sidecar) -> Sidecar | None:
    """Return which of a sidecar and what the manifest expects is true of the shard, or None if neither is."""
    path = folder / SHARDS / expected.name
    if not path.is_file():
        return None
    digest = sha256_of(path)
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
