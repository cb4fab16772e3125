"""What the readers of all layouts share: an entry for each image, and sets of images that are read on demand."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar, overload

import numpy as np

from synthgen.compose.decoding import check_bits
from synthgen.compose.pictures import nearest
from synthgen.errors import UsageError
from synthgen.layouts.truth import WHOLE, Truth, nothing_wrong, resized_truth, truth_within

# Names of folders and classes of normal images.
NORMAL = ("good", "normal", "ok")
MAX_SIDE = 16384  # of images as a model sees them
_SHOWN = 5  # names in a message

T = TypeVar("T")


def shown(names: Sequence[str]) -> str:
    """Return the first of some names, for a message.

    Examples
    --------
    >>> shown(["a", "b"]), shown("abcdefg")
    ('a, b', 'a, b, c, d, e, ..')
    """
    first = [*names[:_SHOWN]]
    if len(names) > _SHOWN:
        first.append("..")
    return ", ".join(first)


@dataclass(frozen=True)
class Entry:
    """An image of a set, not read yet.

    Parameters
    ----------
    name : str
        Path of the file, or key of the sample.
    label : int
        0 normal, 1 anomalous.
    kind : str
        ``good``, or the kind of defect.
    category : str
        What the image shows: the name of the folder in MVTec AD and VisA.
    picture : callable
        Returns the image, uint8 (H, W, 3). Takes the bits that deep files use, as `read_picture` does, or nothing.
    truth : callable, optional
        Takes the image's (H, W) and returns its `Truth`. None for a normal image, and for an anomalous one whose
        defects are not marked.
    field : callable, optional
        Takes the name of a field of a data set of ours and returns it, (H, W). None of other images.
    region : callable, optional
        Takes the image's (H, W) and returns its inspected region, bool (H, W). None where all is inspected.
    """

    name: str
    label: int
    kind: str
    category: str
    picture: Callable[..., np.ndarray]
    truth: Callable[[tuple[int, int]], Truth] | None = None
    field: Callable[[str], np.ndarray] | None = None
    region: Callable[[tuple[int, int]], np.ndarray] | None = None


@dataclass(frozen=True)
class Item:
    """An image of a set, read and resized.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    label, kind, category, name
        As of `Entry`.
    truth : Truth or None
        None for an anomalous image without a mask.
    lost : int
        Defects of which resizing left no pixel.
    region : ndarray of bool, (H, W), or None
        What is inspected of the image; `truth` has nothing outside. None where all is.
    """

    image: np.ndarray
    label: int
    kind: str
    category: str
    name: str
    truth: Truth | None
    lost: int = 0
    region: np.ndarray | None = None

    @property
    def mask(self) -> np.ndarray | None:
        """Bool (H, W): where something is wrong."""
        if self.truth is None:
            return None
        return self.truth.instances > 0


class OnDemand(Sequence[T]):
    """A sequence whose items are made when they are asked for, by `item`; a slice is a list."""

    @abstractmethod
    def item(self, i: int) -> T:
        """Return the item at a place in 0..len-1."""

    @overload
    def __getitem__(self, i: int) -> T: ...

    @overload
    def __getitem__(self, i: slice) -> list[T]: ...

    def __getitem__(self, i):
        places = range(len(self))[i]  # also negative ones; an error beyond the end
        if isinstance(i, slice):
            return [self.item(place) for place in places]
        return self.item(places)

    def __iter__(self) -> Iterator[T]:
        for place in range(len(self)):
            yield self.item(place)


class Joined(OnDemand[T]):
    """Several sequences one after the other, without a copy.

    Examples
    --------
    >>> joined = Joined(["ab", "", "cde"])
    >>> len(joined), joined[2], "".join(joined)
    (5, 'c', 'abcde')
    """

    def __init__(self, parts: Sequence[Sequence[T]]):
        lengths = map(len, parts)
        self.parts = parts
        self._ends = list(accumulate(lengths))

    def __len__(self) -> int:
        if not self._ends:
            return 0
        return self._ends[-1]

    def item(self, i: int) -> T:
        """Return an item of one of the parts."""
        number = bisect_right(self._ends, i)
        part = self.parts[number]
        first = self._ends[number] - len(part)
        return part[i - first]


class OfCategory(OnDemand[Entry]):
    """The same entries under another category, made when they are asked for."""

    def __init__(self, entries: Sequence[Entry], category: str):
        self.entries = entries
        self.category = category

    def __len__(self) -> int:
        return len(self.entries)

    def item(self, i: int) -> Entry:
        """Return an entry under the category."""
        entry = self.entries[i]
        return replace(entry, category=self.category)


class Chosen(OnDemand[Entry]):
    """Some of the entries, at these places, made when they are asked for."""

    def __init__(self, entries: Sequence[Entry], places: Sequence[int]):
        self.entries = entries
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def item(self, i: int) -> Entry:
        """Return an entry of those chosen."""
        return self.entries[self.places[i]]


@dataclass(frozen=True)
class Source:
    """A place that images of a set come from.

    Parameters
    ----------
    place : str
    layout : str
        Name of the layout that was recognised there.
    count : int
        Images.
    """

    place: str
    layout: str
    count: int


class ImageSet(OnDemand[Item]):
    """Images of one or several places, read when they are asked for. `open_normal` and `open_test_set` make them.

    Parameters
    ----------
    entries : sequence of Entry
    sources : sequence of Source
    left_out : sequence of str
        A line for everything that was found there and not read, or that was joined without being asked.
    size : tuple of int, optional
        (H, W) that every image is stretched to, bilinearly with antialiasing; its mask by the nearest pixel.
        Default: each image keeps its own.
    bits : int, optional
        Bits that are used of the 16 of deep image files; see `synthgen.compose.decoding`.

    Raises
    ------
    UsageError
        If the size or the bits are out of range.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        sources: Sequence[Source],
        left_out: Sequence[str] = (),
        size: tuple[int, int] | None = None,
        bits: int | None = None,
    ):
        check_size(size)
        check_bits(bits)
        self.entries = entries
        self.sources = tuple(sources)
        self.left_out = list(left_out)
        self.size = size
        self.bits = bits

    def __len__(self) -> int:
        return len(self.entries)

    def item(self, i: int) -> Item:
        """Return an image, read and resized."""
        entry = self.entries[i]
        image = entry.picture() if self.bits is None else entry.picture(self.bits)
        height, width = image.shape[:2]
        truth = _truth_of(entry, (height, width))
        region = None if entry.region is None else entry.region((height, width))
        if truth is not None and region is not None:
            truth = truth_within(truth, region)

        item = Item(image, entry.label, entry.kind, entry.category, entry.name, truth, region=region)
        if self.size is None or self.size == (height, width):
            return item
        return _resized(item, self.size)

    def __repr__(self):
        return f"ImageSet({self.place!r}, {self.layout}, {len(self)} images)"

    @property
    def place(self) -> str:
        """Where the set was opened; several places with commas between."""
        places = [source.place for source in self.sources]
        return ", ".join(places)

    @property
    def layout(self) -> str:
        """Name of the layout that was recognised; several with commas between."""
        names = dict.fromkeys(source.layout for source in self.sources)
        return ", ".join(names)

    @property
    def labels(self) -> np.ndarray:
        """Int (N,): 0 normal, 1 anomalous."""
        labels = (entry.label for entry in self.entries)
        return np.fromiter(labels, int, len(self))

    @property
    def has_masks(self) -> bool:
        """Whether the defects of every anomalous image are marked."""
        anomalous = (entry for entry in self.entries if entry.label)
        return all(entry.truth is not None for entry in anomalous)

    def chosen(self, places: Sequence[int]) -> "ImageSet":
        """Return some of the images."""
        entries = Chosen(self.entries, places)
        return ImageSet(entries, self.sources, self.left_out, self.size, self.bits)

    def resized(self, size: tuple[int, int] | None) -> "ImageSet":
        """Return the same images at another size."""
        return ImageSet(self.entries, self.sources, self.left_out, size, self.bits)

    def with_bits(self, bits: int | None) -> "ImageSet":
        """Return the same images, of whose deep files so many bits are used."""
        return ImageSet(self.entries, self.sources, self.left_out, self.size, bits)


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a size that no image can have before a model; None is any."""
    if size is None:
        return
    if min(size) < 1 or max(size) > MAX_SIDE:
        height, width = size
        raise UsageError(f"size must be 1..{MAX_SIDE} pixels high and wide, got {height} x {width}")


def _truth_of(entry: Entry, shape: tuple[int, int]) -> Truth | None:
    if entry.truth is not None:
        return entry.truth(shape)
    if entry.label:
        return None
    return nothing_wrong(shape)


def _resized(item: Item, size: tuple[int, int]) -> Item:
    from PIL import Image

    from synthgen.compose.pictures import stretched

    picture = Image.fromarray(item.image)
    image = np.asarray(stretched(picture, size))
    return with_truth_of_size(replace(item, image=image), size)


def with_truth_of_size(item: Item, size: tuple[int, int], place: tuple[slice, slice] = WHOLE) -> Item:
    """Return an image whose truth and region are cut to some rows and columns and brought to a size (H, W)."""
    if item.region is not None:
        item = replace(item, region=nearest(item.region[place], size))
    if item.truth is None:
        return item
    truth, lost = resized_truth(item.truth, size, place)
    return replace(item, truth=truth, lost=lost)
