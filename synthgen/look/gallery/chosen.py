"""Which samples of a data set a gallery shows: only these are read, however many there are."""

from typing import NamedTuple

from synthgen.errors import UsageError
from synthgen.look.sheet import spread
from synthgen.seeding import generator

MOST_CLASSES = 2000
MOST_PER_CLASS = 64
# Samples that a gallery shows unless it is told how many, and how many of a class at least and at most.
_USUAL = 512
_USUAL_CLASSES = 64
_LEAST_OF_CLASS = 8
_MOST_OF_CLASS = 32


class Chosen(NamedTuple):
    """Samples of a data set.

    Attributes
    ----------
    labels : list of int
        Classes, spread over all of them.
    indices : list of list of int
        For each class the numbers of its samples, rising.
    """

    labels: list[int]
    indices: list[list[int]]

    @property
    def total(self) -> int:
        """How many samples there are."""
        return sum(map(len, self.indices))


def chosen_samples(manifest, classes: int | None = None, per_class: int | None = None) -> Chosen:
    """Return the samples to show: classes spread evenly, samples drawn by lot, the same each time.

    Parameters
    ----------
    manifest : Manifest
    classes, per_class : int, optional
        At most so many. Default: 64 classes, and together about 512 samples.

    Raises
    ------
    UsageError
        If a number is out of range.
    """
    _check("classes", classes, MOST_CLASSES)
    _check("per_class", per_class, MOST_PER_CLASS)

    wanted = classes or _USUAL_CLASSES
    shown = min(wanted, manifest.classes)
    if per_class is None:
        share = min(_USUAL // shown, _MOST_OF_CLASS)
        per_class = max(_LEAST_OF_CLASS, share)
    of_class = min(per_class, manifest.per_class)

    labels = spread(manifest.classes, shown)
    indices = [_drawn(manifest, label, of_class) for label in labels]
    return Chosen(labels, indices)


def fewer(chosen: Chosen, share: float) -> Chosen:
    """Return about this share of some samples: fewer of each class, and fewer classes where that is not enough."""
    most = max(map(len, chosen.indices))
    of_class = _share_of(most, share)
    count = len(chosen.labels)
    # what fewer of each class do not bring
    rest = min(1.0, share * most / of_class)
    kept = _share_of(count, rest)

    labels = []
    indices = []
    for place in spread(count, kept):
        label = chosen.labels[place]
        of_label = chosen.indices[place]
        labels.append(label)
        indices.append(of_label[:of_class])
    return Chosen(labels, indices)


def _share_of(count: int, share: float) -> int:
    """Return a share of a number, rounded down, at least 1."""
    part = int(count * share)
    return max(1, part)


def _drawn(manifest, label: int, count: int) -> list[int]:
    rng = generator(manifest.seed, label, 0, "gallery")
    numbers = rng.choice(manifest.per_class, count, replace=False)
    return sorted(numbers.tolist())


def _check(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise UsageError(f"{name} must lie in 1..{most}, got {value}")
