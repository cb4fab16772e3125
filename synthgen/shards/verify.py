"""Checking a data set: bytes against the manifest, order against the plan, on request every pixel."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from synthgen.errors import FormatError
from synthgen.sample import format_key
from synthgen.shards.dataset import Dataset, open_dataset
from synthgen.shards.files import sha256_of
from synthgen.shards.manifest import CLASSES, RUN, SHARDS, encode_json, read_run
from synthgen.shards.order import Permutation


class Verification(msgspec.Struct, frozen=True):
    """What a check found.

    Attributes
    ----------
    shards, samples : int
        How many were looked at.
    problems : list of (str, str)
        File name and reason of each fault; empty if all is well.
    digest : str or None
        SHA-256 over all keys, labels, parameters and decoded fields in stored order: equal for equal data in any
        format, codec and shard size. Only with `pixels`, and only if all is well.
    """

    shards: int
    samples: int
    problems: list[tuple[str, str]]
    digest: str | None = None

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.problems


def verify(path, pixels: bool = False, progress: Callable[[int], None] = lambda samples: None) -> Verification:
    """Check a finished data set.

    Parameters
    ----------
    path : str or Path
        The folder.
    pixels : bool
        Decode every field of every sample, check its values, and compute the content digest.
    progress : callable
        Called with the number of samples just checked.

    Returns
    -------
    Verification

    Raises
    ------
    FormatError
        If there is no finished data set to check.
    """
    dataset = open_dataset(path)
    problems = []
    digest = hashlib.sha256()
    for name, check in ((CLASSES, _check_classes), (RUN, _check_run)):
        try:
            check(dataset)
        except FormatError as error:
            problems.append((name, str(error)))
    for k, entry in enumerate(dataset.manifest.shard_list):
        try:
            _check_bytes(dataset.path / SHARDS / entry.name, entry)
            _check_order(dataset, k)
            if pixels:
                _check_pixels(dataset, k, digest)
        except FormatError as error:
            problems.append((entry.name, str(error)))
        progress(entry.count)
    whole = pixels and not problems
    return Verification(dataset.manifest.shards, len(dataset), problems, digest.hexdigest() if whole else None)


def _check_classes(dataset: Dataset) -> None:
    _ = dataset.classes
    found = sha256_of(dataset.path / CLASSES)
    if found != dataset.manifest.classes_sha256:
        raise FormatError(f"SHA-256 must be {dataset.manifest.classes_sha256[:16]}..., got {found[:16]}...")


def _check_run(dataset: Dataset) -> None:
    run = read_run(dataset.path)
    if run is None:
        raise FormatError("is missing")
    for name in run.__struct_fields__:
        if getattr(run, name) != getattr(dataset.manifest, name):
            raise FormatError(f"{name} must be as in dataset.json")


def _check_bytes(path: Path, entry) -> None:
    if not path.is_file():
        raise FormatError(f"{path}: is missing")
    size = path.stat().st_size
    if size != entry.bytes:
        raise FormatError(f"{path}: must have {entry.bytes} bytes, got {size}")
    found = sha256_of(path)
    if found != entry.sha256:
        raise FormatError(f"{path}: SHA-256 must be {entry.sha256[:16]}..., got {found[:16]}...")


def _rows(manifest, shard: int) -> range:
    start = shard * manifest.shard_size
    return range(start, start + manifest.shard_count(shard))


def _check_order(dataset: Dataset, shard: int) -> None:
    """Check that a shard holds the samples that the plan puts there."""
    manifest = dataset.manifest
    rows = _rows(manifest, shard)
    reader, _ = dataset.locate(rows.start)  # first: it checks that the shard is as large as its count says
    ids = Permutation(manifest.count, manifest.seed).forward(np.arange(rows.start, rows.stop))
    for row, (label, index) in enumerate(zip(*np.divmod(ids, manifest.per_class), strict=True)):
        key = format_key(label, index)
        if reader.key(row) != key or reader.label(row) != label:
            raise FormatError(f"sample {row} must be {key}, got {reader.key(row)} of class {reader.label(row)}")


def _check_pixels(dataset: Dataset, shard: int, digest) -> None:
    for i in _rows(dataset.manifest, shard):
        sample = dataset[i]
        digest.update(f"{sample.key} {sample.label}\n".encode())
        digest.update(encode_json(sample.params))
        digest.update(np.ascontiguousarray(sample.image))
        for name, value in sample.fields.items():
            if dataset.manifest.fields[name].kind == "mask" and not np.isin(value, (0, 255)).all():
                raise FormatError(f"{name} of {sample.key} must be 0 or 255 everywhere")
            digest.update(np.ascontiguousarray(value))
