"""The records of a run: what begins a folder, what is known of its shards, what finishes it.

A record that is there and right is never written again. One that is wrong is written as it was: run record, class
table and manifest follow from the recipe and the shards.
"""

from pathlib import Path

from synthgen.errors import UsageError
from synthgen.run.classes import ensure_classes
from synthgen.run.folder import begun_record, readable_manifest, remove_listed
from synthgen.run.lock import gate
from synthgen.run.parts import PARTS, Part, record_parts
from synthgen.run.plan import Plan
from synthgen.shards.files import read_error, sha256_of, storage_errors, write_atomically
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
    sidecar_path,
)


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
    if None in sidecars:
        return False
    entries = [ShardEntry(s.name, s.count, s.bytes, s.sha256, s.device) for s in sidecars]
    manifest = Manifest(
        **{name: getattr(run, name) for name in RunRecord.__struct_fields__},
        classes_sha256=sha256_of(folder / CLASSES),
        splits={"train": [entry.name for entry in entries]},
        shard_list=entries,
    )
    ensure(folder / DATASET, encode_json(manifest))
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


def _sidecar_of(run: RunRecord, shard: int, entry: ShardEntry) -> Sidecar:
    return Sidecar(
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
        write_atomically(sidecar_path(folder, run, expected.shard), encode_json(expected))
        return expected
    return sidecar if sidecar is not None and digest == sidecar.sha256 else None


def ensure(path: Path, content: bytes) -> None:
    """Write a file, unless it has this content."""
    try:
        found = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise read_error(error, path) from None
    if found != content:
        write_atomically(path, content)
