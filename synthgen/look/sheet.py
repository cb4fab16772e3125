"""Contact sheets: what a data set looks like, on one page."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synthgen.errors import UsageError
from synthgen.look.colors import picture_of, tinted
from synthgen.recipe import Recipe, load_recipe
from synthgen.run.draw import draw_sample
from synthgen.sample import Sample
from synthgen.shards.dataset import open_dataset
from synthgen.shards.manifest import DATASET

_GAP = 4
_TEXT = 16
_MOST_PIXELS = 10**8


class _Samples(NamedTuple):
    """Samples of a data set or a recipe.

    Attributes
    ----------
    take : callable
        (label, index) -> Sample.
    names : list of str
        Of the classes.
    per_class : int
    """

    take: Callable[[int, int], Sample]
    names: list[str]
    per_class: int


def contact_sheet(
    source, classes=8, per_class=8, overlay: str | None = None, cell=128, field: str | None = None
) -> Image.Image:
    """Draw a sheet with a row for each of some classes, spread over all of them.

    Parameters
    ----------
    source : str, Path or Recipe
        Folder of a finished data set, or a recipe, whose samples are then drawn here.
    classes, per_class : int
        At most this many rows and columns.
    overlay : str, optional
        Field to lay over the images: a mask in red, ids in a color each.
    cell : int
        Side of the square that an image is fitted into, in pixels.
    field : str, optional
        Field to show in place of the image: depth is brightest where near, normals are colors.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    UsageError
        If there is no such field or source, or the sheet would be too large.
    """
    samples = _samples(source)
    labels = _spread(len(samples.names), classes)
    columns = min(per_class, samples.per_class)
    sheet = _empty_sheet(len(labels), columns, cell)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)

    for row, label in enumerate(labels):
        top = _GAP + row * (cell + _GAP + _TEXT)
        pen.text((_GAP, top), f"{label}: {samples.names[label]}", fill="black", font=font)
        for column in range(columns):
            pixels = _pixels(samples.take(label, column), overlay, field)
            picture = Image.fromarray(pixels)
            picture.thumbnail((cell, cell))
            sheet.paste(picture, (_GAP + column * (cell + _GAP), top + _TEXT))
    return sheet


def _spread(count: int, most: int) -> list[int]:
    """Return at most so many numbers, evenly spread over 0..count-1."""
    places = np.linspace(0, count - 1, min(most, count))
    return np.unique(places.astype(int)).tolist()


def _empty_sheet(rows: int, columns: int, cell: int) -> Image.Image:
    width = columns * (cell + _GAP) + _GAP
    height = rows * (cell + _GAP + _TEXT) + _GAP
    if width * height > _MOST_PIXELS:
        raise UsageError(f"a sheet must have at most {_MOST_PIXELS:,} pixels, got {width} x {height}: show less")
    return Image.new("RGB", (width, height), "white")


def _samples(source) -> _Samples:
    if not isinstance(source, Recipe) and (Path(source) / DATASET).is_file():
        return _stored_samples(source)
    return _drawn_samples(load_recipe(source))


def _stored_samples(path) -> _Samples:
    dataset = open_dataset(path)
    names = [row["name"] for row in dataset.classes]

    def take(label: int, index: int) -> Sample:
        return dataset[dataset.find(label, index)]

    return _Samples(take, names, dataset.manifest.per_class)


def _drawn_samples(recipe: Recipe) -> _Samples:
    from synthgen import families

    family = families.load(recipe.family)
    names = []
    for label in range(recipe.classes):
        facts = family.describe_class(recipe.options, recipe.seed, label)
        names.append(facts["name"])

    def take(label: int, index: int) -> Sample:
        return draw_sample(recipe, label, index)

    return _Samples(take, names, recipe.per_class)


def _pixels(sample: Sample, overlay: str | None, field: str | None) -> np.ndarray:
    """Return what is shown of a sample, uint8 (H, W, 3)."""
    image = sample.image if field is None else picture_of(_field(sample, field, "--field"))
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if overlay is None:
        return image

    values = _field(sample, overlay, "--overlay")
    if values.dtype.kind != "u" or values.ndim != 2:
        raise UsageError(f"--overlay must be a mask or ids, got {overlay!r}")
    return tinted(image, values)


def _field(sample: Sample, name: str, option: str) -> np.ndarray:
    if name not in sample.fields:
        raise UsageError(f"{option} must be one of {', '.join(sample.fields)}, got {name!r}")
    return sample.fields[name]
