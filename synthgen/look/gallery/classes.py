"""One class in a gallery: its pictures, what was measured of its samples, and their parameters."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from synthgen.look.gallery.formulas import formula_of
from synthgen.look.gallery.heat import cells_of, grid_of, heat_picture, marking_field
from synthgen.look.gallery.measures import Measures, measured
from synthgen.look.gallery.nearness import Parts, features_of
from synthgen.look.gallery.trimmed import object_table, trimmed
from synthgen.look.page import packed
from synthgen.look.pictures import Kind, id_picture, is_shown, picture, sprite, webp, within
from synthgen.sample import Sample
from synthgen.shards.dataset import Dataset

IDS = "instances"
CLEAN = "clean"
# Fields in the order of the keys that show them; the others follow.
_FIRST = ("image", "mask", IDS, "depth", "normal", CLEAN)


class Look(NamedTuple):
    """How a data set is shown.

    Attributes
    ----------
    kinds : list of Kind
        Its fields.
    cell, large : tuple of int
        Height and width of a small picture and of a large one.
    """

    kinds: list[Kind]
    cell: tuple[int, int]
    large: tuple[int, int]


class ShownClass(NamedTuple):
    """What a gallery shows of a class.

    Attributes
    ----------
    label : int
    name : str
    indices : list of int
        Of its samples.
    pictures : dict
        Name -> WebP file: a sprite for each field, the mean image, the heat map.
    measures : list of dict
        Of each sample.
    grids : list of ndarray or None
        Where the defects of each sample lie.
    details : str
        The formula, parameters and objects, packed.
    features : tuple of ndarray
        What it is compared with other classes by.
    """

    label: int
    name: str
    indices: list[int]
    pictures: dict[str, bytes]
    measures: list[Measures]
    grids: list[np.ndarray | None]
    details: str
    features: Parts

    @property
    def cells(self) -> list[str]:
        """For each sample the cells in which it has a defect."""
        return [cells_of(grid) for grid in self.grids]


def look_of(dataset: Dataset, cell: int, large: int) -> Look:
    """Return how a data set is shown with pictures of so many pixels on their longer side."""
    fields = dataset.manifest.fields
    ordered = dict.fromkeys((*_FIRST, *fields))
    kinds = []
    for name in ordered:
        entry = fields.get(name)
        if entry is not None and is_shown(entry.kind, entry.shape, entry.dtype):
            kinds.append(Kind(name, entry.kind))

    height, width = fields["image"].shape[:2]
    size = (height, width)
    return Look(kinds, within(size, cell), within(size, large))


def class_name(label: int) -> str:
    """Return what the pictures of a class begin with."""
    return f"c{label:06d}"


def shown_class(dataset: Dataset, look: Look, label: int, indices: list[int]) -> ShownClass:
    """Return what a gallery shows of some samples of a class; only these are read."""
    row = dataset.classes[label]
    marking = marking_field(dataset.manifest.fields, row["name"])
    thumbs: dict[str, list[Image.Image]] = {kind.name: [] for kind in look.kinds}
    measures = []
    grids = []
    details = []

    for index in indices:
        place = dataset.find(label, index)
        sample = dataset[place]
        for kind in look.kinds:
            thumb = picture(_values(sample, kind), kind.kind, look.cell)
            thumbs[kind.name].append(thumb)

        stored = dataset.encoded(place, "image")
        measures.append(measured(sample, len(stored)))
        grid = None if marking is None else grid_of(sample.fields[marking])
        grids.append(grid)
        details.append(_details(sample))

    pictures = _pictures(look, class_name(label), thumbs, grids)
    record = {"row": trimmed(row), "formula": formula_of(row), "samples": details}
    features = features_of(thumbs["image"])
    return ShownClass(label, row["name"], indices, pictures, measures, grids, packed(record), features)


def large_pictures(dataset: Dataset, look: Look, label: int, index: int) -> dict[str, bytes]:
    """Return the large pictures of a sample: name -> WebP file. Those of ids are to be read by the page."""
    sample = dataset[dataset.find(label, index)]
    pictures = {}
    for kind in look.kinds:
        values = _values(sample, kind)
        name = f"{sample.key}-{kind.name}"
        if kind.name == IDS:
            pictures[name] = webp(id_picture(values, look.large), exact=True)
        else:
            shown = picture(values, kind.kind, look.large)
            pictures[name] = webp(shown, kind.is_exact, large=True)
    return pictures


def _values(sample: Sample, kind: Kind) -> np.ndarray:
    return sample.image if kind.name == "image" else sample.fields[kind.name]


def _pictures(look: Look, begin: str, thumbs: dict, grids: list) -> dict[str, bytes]:
    """Return the pictures of a class, small ones side by side."""
    pictures = {}
    for kind in look.kinds:
        sheet = sprite(thumbs[kind.name])
        pictures[f"{begin}-{kind.name}"] = webp(sheet, kind.is_exact)

    mean = _mean(thumbs["image"])
    pictures[f"{begin}..mean"] = webp(mean)

    known = [grid for grid in grids if grid is not None]
    if known:
        pictures[f"{begin}..heat"] = heat_picture(known)
    return pictures


def _mean(images: list[Image.Image]) -> Image.Image:
    """Return the mean of images of one size."""
    pixels = [np.asarray(image, np.float32) for image in images]
    mean = np.mean(pixels, axis=0)
    levels = np.rint(mean)
    return Image.fromarray(levels.astype(np.uint8))


def _details(sample: Sample) -> dict:
    """Return what the page of a sample shows beside its pictures."""
    params = dict(sample.params)
    objects = params.pop("objects", None)
    details = {"params": trimmed(params), "formula": formula_of(params)}
    if isinstance(objects, list):
        details["objects"] = object_table(objects)
    return details
