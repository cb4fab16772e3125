"""Making one data set of parts that were drawn into several folders."""

import os
import shutil
from pathlib import Path

from synthgen.errors import FormatError, UsageError
from synthgen.recipe import Recipe
from synthgen.run.classes import ensure_classes
from synthgen.run.differences import in_words
from synthgen.run.folder import agree, begun_record, readable_manifest, readable_records, sweep
from synthgen.run.lock import part_lock
from synthgen.run.records import ensure, finish, known_sidecars, own_sidecar
from synthgen.shards.files import check_local, make_folder, refuse_remote, replacing, sha256_of, system_errors
from synthgen.shards.manifest import (
    CLASSES,
    RUN,
    SHARDS,
    Manifest,
    RunRecord,
    Sidecar,
    encode_json,
    read_manifest,
    write_sidecar,
)
from synthgen.shards.reading import read_lines


def merge(parts, out, link: bool = False, any_device: bool = False) -> Manifest:
    """Bring the finished shards of several folders together and write the manifest.

    Parameters
    ----------
    parts : list of str or Path
        Folders of the same run, drawn with ``--part``.
    out : str or Path
        Folder of the whole; it may be one of `parts`.
    link : bool
        Make hard links where the file system can, instead of copies.
    any_device : bool
        Accept parts that were drawn on different devices.

    Returns
    -------
    Manifest

    Raises
    ------
    UsageError
        If the folders are not of the same run, or shards are missing; the message names them.
    """
    refuse_remote(out)
    folders = []
    for part in parts:
        check_local(part)
        folders.append(Path(part))
    out = Path(out)
    with system_errors(out):
        return _merge(folders, out, link, any_device)


def _merge(folders: list[Path], out: Path, link: bool, any_device: bool) -> Manifest:
    runs = [_run_of(folder) for folder in folders]
    first = runs[0]
    for folder, run in zip(folders, runs, strict=True):
        _check_same(folder, run, folders[0], first)
    run = begun_record(out, first) or first
    _check_devices(folders, run, any_device)

    def clear_away():
        sweep(out, run, range(run.shards), records=True)

    make_folder(out / SHARDS, out)
    with part_lock(out, (1, 1), last=clear_away):
        _begin(folders, out, run)
        sidecars = known_sidecars(out, run)
        for shard, sidecar in enumerate(sidecars):
            if sidecar is None:
                sidecars[shard] = _collect(folders, out, run, shard, link)

        _check_complete(out, run, sidecars)
        finish(out, run, sidecars)
        return read_manifest(out)


def _check_complete(out: Path, run: RunRecord, sidecars: list[Sidecar | None]) -> None:
    missing = [run.shard_name(shard) for shard, sidecar in enumerate(sidecars) if sidecar is None]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        names = ", ".join(missing[:3]) + more
        raise UsageError(f"{out}: {len(missing)} of {run.shards} shards are missing: {names}")


def _run_of(folder: Path) -> RunRecord:
    """Return the run record of a part; that of its manifest if ``run.json`` is damaged."""
    records, damage = readable_records(folder)
    if records:
        return records[0]
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    raise damage or UsageError(f"{folder}: is not a part of a data set: it has no {RUN}")


def _check_same(folder: Path, run: RunRecord, first: Path, expected: RunRecord) -> None:
    if run.fingerprints != expected.fingerprints:
        raise UsageError(f"{folder}: must be of the same run as {first}: {in_words(expected, run)}")
    if not agree(run, expected):
        raise FormatError(
            f"{folder / RUN}: must say the same as {first / RUN}, one of them is damaged: run the commands of both "
            "parts again"
        )


def _begin(folders: list[Path], out: Path, run: RunRecord) -> None:
    """Write run record and class table of the whole."""
    ensure(out / RUN, encode_json(run))
    try:
        ensure_classes(out, Recipe.from_dict(run.recipe), readable_manifest(out, run))
    except UsageError:
        # The recipe needs files that are not on this machine: the parts vouch for one another.
        _copy_classes(folders, out, run)


def _copy_classes(folders: list[Path], out: Path, run: RunRecord) -> None:
    """Write the class table of the parts, which must all have the same."""
    paths = [folder / CLASSES for folder in folders]
    first = list(read_lines(paths[0], run.classes))
    for path in paths[1:]:
        if list(read_lines(path, run.classes)) != first:
            raise FormatError(f"{path}: must be as {paths[0]}; one of them is damaged")
    ensure(out / CLASSES, b"".join(line + b"\n" for line in first))


def _check_devices(folders: list[Path], run: RunRecord, any_device: bool) -> None:
    """Refuse parts of several devices, where these draw a little differently."""
    if not run.tolerance or any_device:
        return
    sidecars = (own_sidecar(folder, run, shard) for folder in folders for shard in range(run.shards))
    found = sorted({sidecar.device for sidecar in sidecars if sidecar is not None})
    if len(found) > 1:
        raise UsageError(
            f"parts must be drawn on one kind of device, got {'; '.join(found)}; images differ by up to "
            f"{run.tolerance:g} gray levels on average between devices: --any-device merges all the same"
        )


def _collect(folders: list[Path], out: Path, run: RunRecord, shard: int, link: bool) -> Sidecar | None:
    """Bring one shard and its sidecar to `out`, from the first folder that has it whole; return the sidecar.

    Raises
    ------
    FormatError
        If all that there are of it are damaged.
    """
    damage = None
    for folder in folders:
        sidecar = own_sidecar(folder, run, shard)
        if sidecar is None:
            continue
        try:
            _copy_checked(folder, out, sidecar, link)
        except FormatError as error:
            damage = error
            continue
        write_sidecar(out, run, sidecar)
        return sidecar
    if damage is not None:
        raise damage
    return None


def _copy_checked(folder: Path, out: Path, sidecar: Sidecar, link: bool) -> None:
    source = folder / SHARDS / sidecar.name
    with replacing(out / SHARDS / sidecar.name) as temporary:
        _copy(source, temporary, link)
        if sha256_of(temporary) != sidecar.sha256:
            raise FormatError(
                f"{source}: is damaged: its SHA-256 is not that of its sidecar; delete it and draw its part again"
            )


def _copy(source: Path, target: Path, link: bool) -> None:
    if link:
        try:
            target.unlink()
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without links
    shutil.copyfile(source, target)
