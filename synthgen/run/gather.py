"""Making one data set of parts that were drawn into several folders."""

import os
import shutil
from pathlib import Path

from synthgen.errors import FormatError, UsageError
from synthgen.run.folder import check_folder
from synthgen.run.lock import part_lock
from synthgen.shards.files import make_folder, replacing, sha256_of, write_atomically
from synthgen.shards.manifest import (
    CLASSES,
    RUN,
    SHARDS,
    Manifest,
    encode_json,
    read_run,
    read_sidecar,
    sidecar_path,
    write_manifest,
)


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
    folders, out = [Path(p) for p in parts], Path(out)
    runs = {folder: read_run(folder) for folder in folders}
    for folder, run in runs.items():
        if run is None:
            raise UsageError(f"{folder}: is not a part of a data set: it has no {RUN}")
    run = runs[folders[0]]
    present = read_run(out) if out.is_dir() else None
    for folder, other in ((out, present), *runs.items()):
        if other is not None and other.fingerprints != run.fingerprints:
            raise UsageError(
                f"{folder}: must be of the same run as {folders[0]}: fingerprints {other.fingerprints.short}, "
                f"expected {run.fingerprints.short}"
            )
    check_folder(out, run, overwrite=False)
    _check_devices(folders, run, any_device)
    make_folder(out / SHARDS, out)
    with part_lock(out, (1, 1)):
        for name in (RUN, CLASSES):
            if not (out / name).exists():
                write_atomically(out / name, (folders[0] / name).read_bytes())
        missing = [run.shard_name(s) for s in range(run.shards) if not _collect(folders, out, run, s, link)]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise UsageError(
                f"{out}: {len(missing)} of {run.shards} shards are missing: {', '.join(missing[:3])}{more}"
            )
        return write_manifest(out, run)


def _check_devices(folders: list[Path], run, any_device: bool) -> None:
    """Refuse parts of several devices, where these draw a little differently."""
    if not run.tolerance or any_device:
        return
    sidecars = (read_sidecar(folder, run, s) for folder in folders for s in range(run.shards))
    found = sorted({sidecar.device for sidecar in sidecars if sidecar is not None})
    if len(found) > 1:
        raise UsageError(
            f"parts must be drawn on one kind of device, got {'; '.join(found)}; images differ by up to "
            f"{run.tolerance:g} gray levels on average between devices: --any-device merges all the same"
        )


def _collect(folders: list[Path], out: Path, run, shard: int, link: bool) -> bool:
    """Bring one shard and its sidecar to `out`; return whether it was found."""
    if read_sidecar(out, run, shard) is not None:
        return True
    for folder in folders:
        sidecar = read_sidecar(folder, run, shard)
        if sidecar is not None:
            source, target = (f / SHARDS / run.shard_name(shard) for f in (folder, out))
            with replacing(target) as temporary:
                _copy(source, temporary, link)
                if sha256_of(temporary) != sidecar.sha256:
                    raise FormatError(f"{source}: is damaged: its SHA-256 is not that of its sidecar")
            write_atomically(sidecar_path(out, run, shard), encode_json(sidecar))
            return True
    return False


def _copy(source: Path, target: Path, link: bool) -> None:
    if link:
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without links
    shutil.copyfile(source, target)
