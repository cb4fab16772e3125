"""What of each image is inspected: one mask for all images, a mask for each, or a field of a data set of ours."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from synthgen.errors import UsageError
from synthgen.layouts.entries import Entry, ImageSet, OnDemand
from synthgen.layouts.files import masks_by_image, pictures_below, read_region
from synthgen.shards.files import check_local


def within(images: ImageSet, region) -> ImageSet:
    """Return the same images, each with its inspected region and with its truth cut to that.

    Parameters
    ----------
    images : ImageSet
    region : str or Path
        A mask, for all images. Or a folder of masks that are named as the images are, or as the images with
        ``_mask`` behind; where images of several folders have one name, their masks lie in folders of the same
        names. Or else the name of a field of the data set, such as ``region`` of stains.

    Returns
    -------
    ImageSet
        Masks are read with their images. A mask that is black, or not as large as its image, is an error then.

    Raises
    ------
    UsageError
        If there is neither a file nor a field of that name, or an image has no mask, or two have the same.
    """
    check_local(region)
    path = Path(region)
    if path.is_dir():
        regions: OnDemand[Entry] = _from_folder(path, images)
    elif path.exists():
        regions = _Masks([path] * len(images), images)
    else:
        regions = _OfField(str(region), images)
    return ImageSet(regions, images.sources, images.left_out, images.size, images.bits)


class _Masks(OnDemand[Entry]):
    """Entries of which each has a mask of its own."""

    def __init__(self, paths: list[Path], images: ImageSet):
        self._paths = paths
        self._entries = images.entries

    def __len__(self) -> int:
        return len(self._entries)

    def item(self, i: int) -> Entry:
        """Return an entry with its region."""
        return replace(self._entries[i], region=partial(read_region, self._paths[i]))


class _OfField(OnDemand[Entry]):
    """Entries whose region is a field of their data set."""

    def __init__(self, name: str, images: ImageSet):
        self._name = name
        self._entries = images.entries
        if len(images):
            self.item(0)

    def __len__(self) -> int:
        return len(self._entries)

    def item(self, i: int) -> Entry:
        """Return an entry with its region."""
        entry = self._entries[i]
        if entry.field is None:
            rule = "region must be a mask, a folder of masks, or a field of a data set of ours"
            raise UsageError(f"{rule}, got {self._name!r} for {entry.name}")
        return replace(entry, region=partial(_field_of, entry, self._name))


def _field_of(entry: Entry, name: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the region that a field of a sample holds."""
    values = entry.field(name) if entry.field else np.zeros(shape)
    if values.shape != shape:
        raise UsageError(f"{entry.name}: must have a field {name} of shape {shape}, got {values.shape}")

    inside = values != 0
    if not inside.any():
        raise UsageError(f"{entry.name}: must show a region in the field {name}, got one that is black")
    return inside


def _from_folder(folder: Path, images: ImageSet) -> _Masks:
    """Return entries with the masks of a folder."""
    masks = _by_name(folder, pictures_below(folder))
    paths = []
    owners: dict[Path, str] = {}

    for entry in images.entries:
        path = _mask_of(entry.name, masks)
        if path is None:
            stem = Path(entry.name).stem
            raise UsageError(f"{folder}: must hold a mask for each image, got none named {stem} for {entry.name}")
        if path in owners:
            images_of_it = f"{owners[path]} and {entry.name}"
            raise UsageError(f"{path}: must be the mask of one image, got {images_of_it}: use folders as theirs")
        owners[path] = entry.name
        paths.append(path)
    return _Masks(paths, images)


def _by_name(folder: Path, paths: Iterable[Path]) -> dict[tuple[str, ...], Path]:
    """Return masks by the names of their folders and of their images."""
    masks: dict[tuple[str, ...], Path] = {}
    for place, files in groupby(paths, key=lambda path: path.parent):
        folders = place.relative_to(folder).parts
        by_image = masks_by_image(files, place)
        masks |= {(*folders, image): mask for image, mask in by_image.items()}
    return masks


def _mask_of(name: str, masks: dict[tuple[str, ...], Path]) -> Path | None:
    """Return the mask that has most of the last names of an image's path."""
    path = Path(name)
    *folders, _ = path.parts
    names = (*folders, path.stem)
    for first in range(len(names)):
        found = masks.get(names[first:])
        if found is not None:
            return found
    return None
