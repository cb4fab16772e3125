"""Our own data sets: the classes good (normal, ok) are normal, every other class is a kind of defect.

Of several images of one plate those that do not show its defect are normal, too.
`synthgen.layouts.defects` says which pixels are the defect. ``instances`` tells defects apart; without it each
8-connected region is one. A family of logical anomalies says how much of each is enough.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError
from synthgen.layouts.defects import images_of_plate, marked_pixels, saturations_of
from synthgen.layouts.entries import NORMAL, Entry, OnDemand, shown
from synthgen.layouts.truth import Truth, truth_of_regions
from synthgen.sample import format_key
from synthgen.shards.dataset import open_dataset
from synthgen.shards.manifest import DATASET

NAME = "synthgen data set"
MOST_IMAGES = 10_000_000  # of each 8 bytes are held


def recognises(path: Path) -> bool:
    """Return whether a folder is a data set of ours."""
    return (path / DATASET).is_file()


def normal(path: Path) -> Sequence[Entry]:
    """Return the samples of the normal classes; of a data set with one class, all."""
    dataset = open_dataset(path)
    names = _names(dataset)
    labels = [0] if len(names) == 1 else _normal_labels(names)
    if not labels:
        wanted = " or ".join(NORMAL)
        raise UsageError(f"{path}: must have a class named {wanted}, got {shown(names)}")
    return Samples(dataset, path, labels, normal=labels)


def test_set(path: Path) -> Sequence[Entry]:
    """Return all samples."""
    dataset = open_dataset(path)
    names = _names(dataset)
    labels = range(len(names))
    return Samples(dataset, path, labels, _normal_labels(names))


def _names(dataset) -> list[str]:
    """Return the names of the classes."""
    return [row["name"] for row in dataset.classes]


def _normal_labels(names: list[str]) -> list[int]:
    return [label for label, name in enumerate(names) if name in NORMAL]


def known(path: Path, fitting: bool) -> list[Path]:
    """Return the folder: of a data set of ours every file has its purpose."""
    return [path]


class Samples(OnDemand[Entry]):
    """The entries of some classes, in the order of class and index; each is made when it is asked for.

    Parameters
    ----------
    dataset : Dataset
    path : Path
        Its folder.
    labels : sequence of int
        The classes.
    normal : sequence of int
        Those of them that are normal.

    Attributes
    ----------
    path : Path

    Raises
    ------
    UsageError
        If there are more than `MOST_IMAGES` images.
    """

    def __init__(self, dataset, path: Path, labels: Sequence[int], normal: Sequence[int]):
        manifest = dataset.manifest
        per_class = manifest.per_class
        count = len(labels) * per_class
        if count > MOST_IMAGES:
            raise UsageError(f"{path}: must have at most {MOST_IMAGES:,} images to be looked at, got {count:,}")

        self.path = path
        self._dataset = dataset
        self._category = path.name
        self._labels = labels
        self._normal = frozenset(normal)
        self._per_class = per_class
        self._marked = bool(manifest.fields.keys() & {"mask", "instances"})
        self._may_hide = self._marked and images_of_plate(manifest) > 1

        classes = np.repeat(np.array(labels, np.int64), per_class)
        indices = np.tile(np.arange(per_class), len(labels))
        self._places = manifest.arrangement.positions(classes, indices)

    def __len__(self) -> int:
        return len(self._places)

    def item(self, i: int) -> Entry:
        """Return an entry."""
        dataset = self._dataset
        place = int(self._places[i])
        number, index = divmod(i, self._per_class)
        label = self._labels[number]
        key = format_key(label, index)

        picture = partial(_picture, dataset, place)
        field = partial(_field, dataset, place)
        kind = dataset.classes[label]["name"]
        is_normal = label in self._normal
        if is_normal or (self._may_hide and not marked_pixels(dataset, place, kind).any()):
            return Entry(key, 0, "good", self._category, picture, field=field)

        truth = partial(_truth, dataset, place, kind) if self._marked else None
        return Entry(key, 1, kind, self._category, picture, truth, field)


def _picture(dataset, place: int, bits: int | None = None) -> np.ndarray:
    """Return an image of ours, which has 8 bits whatever the camera of other images has."""
    image = dataset.field(place, "image")
    if image.ndim == 3:
        return image
    return np.repeat(image[..., None], 3, axis=2)


def _field(dataset, place: int, name: str) -> np.ndarray:
    """Return a field of a sample, which has to be there."""
    fields = dataset.manifest.fields
    if name not in fields:
        raise UsageError(f"{dataset.source}: must have a field {name}, got {', '.join(fields)}")
    return dataset.field(place, name)


def _truth(dataset, place: int, kind: str, shape: tuple[int, int]) -> Truth:
    fields = dataset.manifest.fields
    mask = marked_pixels(dataset, place, kind)

    if "instances" not in fields:
        return truth_of_regions(mask)
    instances = dataset.field(place, "instances")
    of_kind = instances * mask.astype(np.int32)
    regions, saturation = _saturated(of_kind, saturations_of(dataset.params(place)))
    return Truth((of_kind,), regions, saturation)


def _saturated(instances: np.ndarray, enough: dict[int, float]) -> tuple[tuple, tuple]:
    """Return the regions of the defects that saturate, bool (H, W) each, and how many pixels are enough."""
    regions = []
    saturation = []
    for number, pixels in enough.items():
        region = instances == number
        area = int(np.count_nonzero(region))
        if area:
            regions.append(region)
            saturation.append(min(pixels, area))
    return tuple(regions), tuple(saturation)
