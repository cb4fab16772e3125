"""The data sets of an export, and the samples that are taken from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError
from synthgen.exports import Options
from synthgen.layouts.defects import check_truth, images_of_plate, photograph_of
from synthgen.layouts.entries import NORMAL, shown
from synthgen.layouts.export.splits import Splits, split_numbers
from synthgen.machine import counted
from synthgen.sample import format_key
from synthgen.shards.dataset import open_dataset

MOST_IMAGES = 10_000_000  # of each 8 bytes are held


class Source:
    """One data set of an export.

    Parameters
    ----------
    path : Path
    number : int
        Its place among those of the export.
    options : Options
        Which classes, and how many images of each, are taken.

    Attributes
    ----------
    names : list of str
        Of all classes.
    labels : list of int
        The classes that are taken.
    per_class : int
        How many images of each are taken.
    """

    def __init__(self, path: Path, number: int, options: Options):
        self.path = path
        self.number = number
        self.dataset = open_dataset(path)
        self.names = [row["name"] for row in self.dataset.classes]
        self.labels = _chosen_labels(self.names, options.classes, path)
        self.per_class = self.manifest.per_class
        if options.limit is not None:
            self.per_class = min(self.per_class, options.limit)
        check_truth(self.manifest.fields, options.truth)

        if self.count > MOST_IMAGES:
            raise UsageError(f"{path}: must have at most {MOST_IMAGES:,} images to be exported, got {self.count:,}")

    @property
    def manifest(self):
        """The manifest of the data set."""
        return self.dataset.manifest

    @property
    def count(self) -> int:
        """How many images are taken."""
        return len(self.labels) * self.per_class

    @property
    def good(self) -> list[int]:
        """The classes of normal images among those that are taken."""
        return [label for label in self.labels if self.names[label] in NORMAL]

    @property
    def kinds(self) -> list[str]:
        """The names of the other classes that are taken."""
        return [self.names[label] for label in self.labels if self.names[label] not in NORMAL]

    @cached_property
    def places(self) -> np.ndarray:
        """Int64: the positions of the samples that are taken, in the order in which they lie in the shards."""
        labels = np.repeat(np.array(self.labels, np.int64), self.per_class)
        indices = np.tile(np.arange(self.per_class), len(self.labels))
        places = self.manifest.arrangement.positions(labels, indices)
        return np.sort(places)

    def addresses(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return label and index of the samples at some positions."""
        return self.manifest.arrangement.samples(places)

    @cached_property
    def photographs(self) -> np.ndarray | None:
        """Int64: the number of the photograph that each sample was made of, by class and index.

        None where samples are drawn. Else all parameters are read.
        """
        dataset = self.dataset
        if photograph_of(dataset.params(0)) is None:
            return None

        places = np.arange(len(dataset))
        digests = [photograph_of(dataset.params(place)) or "" for place in places.tolist()]
        _, numbers = np.unique(digests, return_inverse=True)
        labels, indices = self.addresses(places)
        found = np.empty(len(dataset), np.int64)
        found[self._numbers(labels, indices)] = numbers
        return found

    def _numbers(self, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return the numbers of samples among all of the data set, class by class."""
        return labels * self.manifest.per_class + indices

    def split_numbers(self, labels: np.ndarray, indices: np.ndarray, splits: Splits) -> np.ndarray:
        """Return the number of the split of each sample; images of one plate, or photograph, stay together."""
        if len(splits) == 1:
            return np.zeros(len(indices), np.int64)
        if self.photographs is None:
            plates = indices // images_of_plate(self.manifest)
            return split_numbers(plates, splits)
        return split_numbers(self.photographs[self._numbers(labels, indices)], splits)


def _chosen_labels(names: list[str], wanted: Sequence[str], path: Path) -> list[int]:
    """Return the classes that are asked for, by name or number; all of them where none is."""
    if not wanted:
        return list(range(len(names)))

    labels = []
    for text in wanted:
        found = [label for label, name in enumerate(names) if text == name]
        if not found and text.isdecimal() and int(text) < len(names):
            found = [int(text)]
        if not found:
            raise UsageError(f"classes must be names or numbers of classes of {path} ({shown(names)}), got {text}")
        labels += found
    return sorted(set(labels))


@dataclass(frozen=True, slots=True)
class Picked:
    """A sample that is exported.

    Parameters
    ----------
    source : Source
    place : int
        Its position in the stored order of the data set.
    label, index : int
    split : str
    """

    source: Source
    place: int
    label: int
    index: int
    split: str

    @property
    def key(self) -> str:
        """The key of the sample in its data set."""
        return format_key(self.label, self.index)

    @property
    def kind(self) -> str:
        """The name of its class."""
        return self.source.names[self.label]

    @property
    def is_good(self) -> bool:
        """Whether its class is one of normal images."""
        return self.kind in NORMAL

    def bytes_of(self, field: str) -> bytes:
        """Return the stored bytes of a field."""
        return self.source.dataset.encoded(self.place, field)

    def pixels_of(self, field: str) -> np.ndarray:
        """Return a field, decoded."""
        return self.source.dataset.field(self.place, field)


def picked(source: Source, start: int, stop: int, splits: Splits) -> Iterator[Picked]:
    """Yield some of the samples that are taken from a data set, those from `start` to `stop` of its `places`."""
    places = source.places[start:stop]
    labels, indices = source.addresses(places)
    numbers = source.split_numbers(labels, indices, splits)
    rows = zip(places.tolist(), labels.tolist(), indices.tolist(), numbers.tolist(), strict=True)
    for place, label, index, number in rows:
        name, _ = splits[number]
        yield Picked(source, place, label, index, name)


def check_splits(
    sources: Sequence[Source], splits: Splits, optional: Sequence[str] = (), only_good: bool = False
) -> None:
    """Refuse splits that leave a class without an image in one of them: readers would number classes differently.

    Those that are `optional` may stay empty. With `only_good` the normal images alone are split.
    """
    if len(splits) == 1:
        return
    for source in sources:
        labels = source.good if only_good else source.labels
        # Without photographs all classes are split alike.
        for label in labels if source.photographs is not None else labels[:1]:
            missing = [name for name in _empty(source, label, splits) if name not in optional]
            if missing:
                raise UsageError(
                    f"split must leave an image of each class to {missing[0]}, got none of {source.per_class} in "
                    f"{source.path}{_hint(source)}"
                )


def _hint(source: Source) -> str:
    """Return why a split may have no image of a class."""
    if source.photographs is None:
        return ""
    several = len(np.unique(source.photographs))
    return f": all images of a photograph are in one split ({counted(several, 'photograph')}); try other shares"


def _empty(source: Source, label: int, splits: Splits) -> list[str]:
    """Return the splits that have no image of a class."""
    indices = np.arange(source.per_class)
    numbers = source.split_numbers(np.full_like(indices, label), indices, splits)
    return [name for number, (name, _) in enumerate(splits) if number not in numbers]
