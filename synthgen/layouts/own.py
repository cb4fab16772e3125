"""Our own data sets: the classes good (normal, ok) are normal, every other class is a kind of defect.

Of the fields, the one that is named as the class, or else ``mask``, says where the defects are: on a stained plate
with a scratch, ``mask`` covers both, ``scratch`` the defect alone. ``instances`` tells defects apart; without it
each 8-connected region is one.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError
from synthgen.layouts.entries import NORMAL, Entry, Truth, instances_of
from synthgen.sample import format_key
from synthgen.shards.dataset import open_dataset
from synthgen.shards.manifest import DATASET
from synthgen.shards.order import Permutation

NAME = "synthgen data set"


def recognises(path: Path) -> bool:
    """Return whether a folder is a data set of ours."""
    return (path / DATASET).is_file()


def normal(path: Path) -> list[Entry]:
    """Return the samples of the normal classes; of a data set with one class, all."""
    dataset = open_dataset(path)
    names = [row["name"] for row in dataset.classes]
    if len(names) > 1 and not set(NORMAL) & set(names):
        shown = ", ".join(names[:5]) + (", .." if names[5:] else "")
        raise UsageError(f"{path}: must have a class named {' or '.join(NORMAL)}, got {shown}")
    entries = _entries(dataset, path)
    if len(names) == 1:
        return [replace(entry, label=0, kind="good", truth=None) for entry in entries]
    return [entry for entry in entries if not entry.label]


def test_set(path: Path) -> list[Entry]:
    """Return all samples."""
    return _entries(open_dataset(path), path)


def _entries(dataset, path: Path) -> list[Entry]:
    """Return the samples in the order of class and index."""
    m = dataset.manifest
    known = "mask" in m.fields or "instances" in m.fields
    places = Permutation(m.count, m.seed).inverse(np.arange(m.count)).reshape(m.classes, m.per_class)
    entries = []
    for label, row in enumerate(dataset.classes):
        wrong = row["name"] not in NORMAL
        for index, place in enumerate(places[label].tolist()):
            kind = row["name"] if wrong else "good"
            truth = partial(_truth, dataset, place, kind) if wrong and known else None
            key = format_key(label, index)
            entries.append(Entry(key, int(wrong), kind, path.name, partial(_picture, dataset, place), truth))
    return entries


def _picture(dataset, place: int) -> np.ndarray:
    image = dataset.field(place, "image")
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _truth(dataset, place: int, kind: str, shape: tuple[int, int]) -> Truth:
    fields = dataset.manifest.fields
    name = next(name for name in (kind, "mask", "instances") if name in fields)
    mask = dataset.field(place, name) > 0
    if "instances" in fields:
        return Truth(dataset.field(place, "instances") * mask.astype(np.int32))
    return Truth(instances_of(mask))
