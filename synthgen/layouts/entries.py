"""What the readers of all layouts share: an entry for each image, read when it is asked for, and resizing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for

# Folder and class names that mean: nothing is wrong with these.
NORMAL = ("good", "normal", "ok")
MAX_SIDE = 16384  # of images as a model sees them
_CONNECTED = np.ones((3, 3))  # regions are 8-connected, as in MVTec's script and anomalib


@dataclass(frozen=True)
class Truth:
    """Where the defects of an image are.

    Parameters
    ----------
    instances : ndarray of int32, (H, W)
        0 where nothing is wrong, else the number of a defect.
    regions : tuple of ndarray of bool, (H, W)
        Regions that saturate, which may overlap; empty where the layout knows no saturation.
    saturation : tuple of float
        For each region the pixels that are enough to call it found, in (0, area].
    """

    instances: np.ndarray
    regions: tuple[np.ndarray, ...] = ()
    saturation: tuple[float, ...] = ()


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
        ``good``, or what is wrong.
    category : str
        What is shown: the name of the folder in MVTec AD and VisA.
    picture : callable
        Returns the image, uint8 (H, W, 3).
    truth : callable, optional
        Takes the image's (H, W), returns its `Truth`; None where nobody knows, which for normal images is nowhere.
    """

    name: str
    label: int
    kind: str
    category: str
    picture: Callable[[], np.ndarray]
    truth: Callable[[tuple[int, int]], Truth] | None = None


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
        Defects that resizing made vanish.
    """

    image: np.ndarray
    label: int
    kind: str
    category: str
    name: str
    truth: Truth | None
    lost: int = 0

    @property
    def mask(self) -> np.ndarray | None:
        """Bool (H, W): where something is wrong."""
        return None if self.truth is None else self.truth.instances > 0


class ImageSet(Sequence):
    """Images of one layout, read when they are asked for. Made by `open_normal` and `open_test_set`.

    Parameters
    ----------
    place : str
        Where it was opened.
    layout : str
        Name of the layout that was recognised.
    entries : list of Entry
    size : tuple of int, optional
        (H, W) that every image is stretched to, bilinearly with antialiasing; its mask by the nearest pixel.
        Default: each image keeps its own.
    """

    def __init__(self, place: str, layout: str, entries: list[Entry], size: tuple[int, int] | None = None):
        if size is not None and not all(1 <= side <= MAX_SIDE for side in size):
            raise UsageError(f"size: must be 1..{MAX_SIDE} pixels high and wide, got {size[0]} x {size[1]}")
        self.place, self.layout, self.entries, self.size = place, layout, entries, size

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, i: int) -> Item:
        entry = self.entries[i]
        image = entry.picture()
        shape = image.shape[:2]
        if entry.truth is not None:
            truth = entry.truth(shape)
        else:
            truth = Truth(np.zeros(shape, np.int32)) if entry.label == 0 else None
        item = Item(image, entry.label, entry.kind, entry.category, entry.name, truth)
        return item if self.size in (None, shape) else _resized(item, self.size)

    def __iter__(self) -> Iterator[Item]:
        return map(self.__getitem__, range(len(self)))

    def __repr__(self):
        return f"ImageSet({self.place!r}, {self.layout}, {len(self)} images)"

    def resized(self, size: tuple[int, int] | None) -> "ImageSet":
        """Return the same images at another size."""
        return ImageSet(self.place, self.layout, self.entries, size)

    @property
    def labels(self) -> np.ndarray:
        """Int (N,): 0 normal, 1 anomalous."""
        return np.array([entry.label for entry in self.entries], int)

    @property
    def has_masks(self) -> bool:
        """Whether it is known of every anomalous image where its defects are."""
        return all(entry.truth is not None for entry in self.entries if entry.label)


def instances_of(mask: np.ndarray) -> np.ndarray:
    """Return the mask with its 8-connected regions numbered from 1: int32 (H, W)."""
    with needed_for("masks"):
        from scipy.ndimage import label

    return label(mask, structure=_CONNECTED, output=np.int32)[0]


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (H, W) to `size` by the pixel whose centre is nearest."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, values.shape, strict=True)
    )
    return values[rows[:, None], columns]


def _resized(item: Item, size: tuple[int, int]) -> Item:
    from PIL import Image

    image = np.asarray(Image.fromarray(item.image).resize(size[::-1], Image.Resampling.BILINEAR))
    if item.truth is None:
        return replace(item, image=image)
    instances = nearest(item.truth.instances, size)
    lost = len(np.unique(item.truth.instances)) - len(np.unique(instances))
    regions, saturation = [], []
    for region, enough in zip(item.truth.regions, item.truth.saturation, strict=True):
        small = nearest(region, size)
        if small.any():  # the same share of the region is enough
            regions.append(small)
            saturation.append(enough / region.sum() * small.sum())
    truth = Truth(instances, tuple(regions), tuple(saturation))
    return replace(item, image=image, truth=truth, lost=max(lost, 0))


def paired(pictures: list[Path], masks: dict[str, Path], folder: Path) -> list[Path]:
    """Return the mask of each picture, by name: never by order, which one missing file would shift.

    Raises
    ------
    UsageError
        If a picture has no mask or a mask no picture.
    """
    missing = [picture.name for picture in pictures if picture.stem not in masks]
    if missing:
        raise UsageError(
            f"{folder}: must hold a mask for each of {len(pictures)} images, got none for {missing[0]}"
            + (f" and {len(missing) - 1} others" if missing[1:] else "")
        )
    surplus = sorted(set(masks) - {picture.stem for picture in pictures})
    if surplus:
        raise UsageError(
            f"{folder}: must hold a mask for each of {len(pictures)} images, "
            f"got {len(masks)}: {masks[surplus[0]].name} has no image"
        )
    return [masks[picture.stem] for picture in pictures]
