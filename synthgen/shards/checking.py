"""Checking one shard: bytes against the manifest, order against the plan, on request every pixel."""

import hashlib
from collections.abc import Callable
from contextlib import closing

import msgspec
import numpy as np

from synthgen.errors import FormatError, StorageError
from synthgen.shards.dataset import Dataset
from synthgen.shards.files import RawFile, sha256_of
from synthgen.shards.manifest import SHARDS, Sidecar, read_json, sidecar_path
from synthgen.shards.reading import check_digest


class ShardCheck(msgspec.Struct, frozen=True):
    """What the check of a shard, or of another file, found.

    Attributes
    ----------
    problems : list of (str, str)
        File name and reason of each fault.
    unread : list of (str, str)
        File name and reason of each file that the system could not read.
    digests : bytes
        The SHA-256 of each sample, in stored order; only where pixels were checked and all is well.
    """

    problems: list[tuple[str, str]] = []
    unread: list[tuple[str, str]] = []
    digests: bytes = b""


def check_shard(dataset: Dataset, shard: int, pixels: bool) -> ShardCheck:
    """Check one shard and its sidecar; nothing is raised for what is wrong with them."""
    entry = dataset.manifest.shard_list[shard]
    sidecar = sidecar_path(dataset.path, dataset.manifest, shard)

    beside = attempt(sidecar.name, lambda: _check_sidecar(dataset, shard))
    itself = attempt(entry.name, lambda: _check_shard(dataset, shard, pixels))
    if dataset.mirror is not None:
        dataset.mirror.forget(shard)

    problems = beside.problems + itself.problems
    unread = beside.unread + itself.unread
    return ShardCheck(problems, unread, itself.digests)


def attempt(name: str, check: Callable[[], bytes | None]) -> ShardCheck:
    """Return what a check of the file `name` finds: `check` raises for a fault, or returns digests."""
    try:
        digests = check()
        return ShardCheck(digests=digests or b"")
    except FormatError as error:
        return ShardCheck(problems=[(name, str(error))])
    except StorageError as error:
        return ShardCheck(unread=[(name, str(error))])
    except MemoryError:
        return ShardCheck(unread=[(name, "cannot be read: the memory is too small")])


def _check_sidecar(dataset: Dataset, shard: int) -> None:
    """Compare a sidecar with the manifest."""
    if dataset.mirror is not None:
        dataset.mirror.fetch_sidecar(shard)
    path = sidecar_path(dataset.path, dataset.manifest, shard)
    sidecar = read_json(path, Sidecar)
    entry = dataset.manifest.shard_list[shard]
    stage = dataset.manifest.stage_of(shard)
    expected = {
        **msgspec.structs.asdict(entry),
        "shard": shard,
        "fingerprints": stage.fingerprints,
        "versions": stage.versions,
    }
    for name, value in expected.items():
        if getattr(sidecar, name) != value:
            raise FormatError(f"{path}: {name} must be as in dataset.json")


def _check_shard(dataset: Dataset, shard: int, pixels: bool) -> bytes | None:
    _check_bytes(dataset, shard)

    samples = dataset.manifest.arrangement.positions_of(shard)
    reader, _ = dataset.locate(samples.start)  # it compares all keys with the plan
    for row in range(len(samples)):
        reader.label(row)

    if not pixels:
        return None
    return b"".join(sample_digest(dataset, i) for i in samples)


def _check_bytes(dataset: Dataset, shard: int) -> None:
    if dataset.mirror is not None:
        # It compares the digest of what it fetches.
        dataset.mirror.fetch(shard)
        return

    entry = dataset.manifest.shard_list[shard]
    path = dataset.path / SHARDS / entry.name
    with closing(RawFile(path)) as file:
        if file.size != entry.bytes:
            raise FormatError(f"{path}: must have {entry.bytes} bytes, got {file.size}")
    found = sha256_of(path)
    check_digest(path, found, entry.sha256)


def sample_digest(dataset: Dataset, i: int) -> bytes:
    """Return the SHA-256 of all that sample `i` is; FORMAT.md defines it.

    Raises
    ------
    FormatError
        If the sample is damaged, or a mask has other values than 0 and 255.
    """
    sample = dataset[i]
    first_line = f"{sample.key} {sample.label}\n"
    params = dataset.encoded(i, "params")
    digest = hashlib.sha256()
    digest.update(first_line.encode())
    digest.update(params)

    fields = {"image": sample.image, **sample.fields}
    for name, value in fields.items():
        kind = dataset.manifest.fields[name].kind
        if kind == "mask" and not _is_binary(value):
            raise FormatError(f"{dataset.source}: {name} of {sample.key} must be 0 or 255 everywhere")

        dtype = value.dtype.newbyteorder("<")
        little = np.ascontiguousarray(value, dtype=dtype)
        shape = "x".join(map(str, little.shape))
        head = f"\n{name} {little.dtype.name} {shape}\n"
        digest.update(head.encode())
        digest.update(little.data)
    return digest.digest()


def _is_binary(mask: np.ndarray) -> bool:
    wrong = (mask != 0) & (mask != 255)
    return not wrong.any()
