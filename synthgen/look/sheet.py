"""Contact sheets: what a data set looks like, on one page."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synthgen.errors import UsageError, did_you_mean
from synthgen.look.colors import IDS, picture_of, tinted
from synthgen.recipe import Recipe, load_recipe
from synthgen.run.draw import draw_sample
from synthgen.sample import Sample
from synthgen.shards.dataset import open_dataset
from synthgen.shards.files import is_remote
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
    size : tuple of int
        Height and width of the images.
    """

    take: Callable[[int, int], Sample]
    names: list[str]
    per_class: int
    size: tuple[int, int]


class _Grid(NamedTuple):
    """Where the pictures of a sheet lie: below the name of their class, with gaps between.

    Attributes
    ----------
    rows, columns : int
    cell : tuple of int
        Height and width of a picture.
    """

    rows: int
    columns: int
    cell: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sheet."""
        return self.place(self.rows, self.columns)

    def place(self, row: int, column: int) -> tuple[int, int]:
        """Return top and left of a picture and the name above it."""
        height, width = self.cell
        row_height = _TEXT + height + _GAP
        column_width = width + _GAP
        top = _GAP + row * row_height
        left = _GAP + column * column_width
        return top, left


def contact_sheet(
    source, classes=8, per_class=8, overlay: str | None = None, cell=128, field: str | None = None
) -> Image.Image:
    """Draw a sheet with a row for each of some classes, spread over all of them.

    Parameters
    ----------
    source : str, Path or Recipe
        Folder or address of a finished data set, or a recipe, whose samples are then drawn here.
    classes, per_class : int
        At most this many rows and columns.
    overlay : str, optional
        Field to lay over the images: a mask in red, ids in a color each.
    cell : int
        The longer side that an image is fitted into, in pixels.
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
    labels = spread(len(samples.names), classes)
    columns = min(per_class, samples.per_class)
    size = fitted(samples.size, cell)
    grid = _Grid(len(labels), columns, size)
    sheet = _empty_sheet(grid)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)

    for row, label in enumerate(labels):
        top, left = grid.place(row, 0)
        name = f"{label}: {samples.names[label]}"
        pen.text((left, top), name, fill="black", font=font)

        for column in range(columns):
            top, left = grid.place(row, column)
            sample = samples.take(label, column)
            pixels = _pixels(sample, overlay, field)
            picture = _thumbnail(pixels, grid.cell)
            sheet.paste(picture, (left, top + _TEXT))
    return sheet


def spread(count: int, most: int) -> list[int]:
    """Return at most so many numbers, evenly spread over 0..count-1."""
    shown = min(most, count)
    places = np.linspace(0, count - 1, shown)
    whole = places.astype(int)
    return np.unique(whole).tolist()


def fitted(size: tuple[int, int], longer: int) -> tuple[int, int]:
    """Return a size (H, W) of the same proportions whose longer side is so long."""
    scale = longer / max(size)
    height, width = [round(side * scale) for side in size]
    return max(1, height), max(1, width)


def _thumbnail(pixels: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    """Return pixels as a picture that fills a cell (H, W), or is smaller."""
    picture = Image.fromarray(pixels)
    height, width = cell
    if picture.width > width or picture.height > height:
        return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return picture


def _empty_sheet(grid: _Grid) -> Image.Image:
    height, width = grid.size
    if width * height > _MOST_PIXELS:
        most = f"{_MOST_PIXELS:,} pixels"
        raise UsageError(f"a sheet must have at most {most}, got {width} x {height}: show less")
    return Image.new("RGB", (width, height), "white")


def _samples(source) -> _Samples:
    if isinstance(source, Recipe):
        return _drawn_samples(source)
    manifest = Path(source) / DATASET
    if is_remote(source) or manifest.is_file():
        return _stored_samples(source)
    return _drawn_samples(load_recipe(source))


def _stored_samples(path) -> _Samples:
    dataset = open_dataset(path)
    names = [row["name"] for row in dataset.classes]
    height, width = dataset.field(0, "image").shape[:2]

    def take(label: int, index: int) -> Sample:
        place = dataset.find(label, index)
        return dataset[place]

    return _Samples(take, names, dataset.manifest.per_class, (height, width))


def _drawn_samples(recipe: Recipe) -> _Samples:
    from synthgen import families

    family = families.load(recipe.family)
    names = []
    for label in range(recipe.classes):
        facts = family.describe_class(recipe.options, recipe.seed, label)
        names.append(facts["name"])

    def take(label: int, index: int) -> Sample:
        return draw_sample(recipe, label, index)

    return _Samples(take, names, recipe.per_class, recipe.size)


def _pixels(sample: Sample, overlay: str | None, field: str | None) -> np.ndarray:
    """Return what is shown of a sample, uint8 (H, W, 3)."""
    image = sample.image
    if field is not None:
        shown = _field(sample, field, "field")
        image = picture_of(shown, ids=field == IDS)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if overlay is None:
        return image

    values = _field(sample, overlay, "overlay")
    if values.dtype.kind != "u" or values.ndim != 2:
        raise UsageError(f"overlay must be a mask or ids, got {overlay!r}")
    return tinted(image, values)


def _field(sample: Sample, name: str, argument: str) -> np.ndarray:
    if name not in sample.fields:
        there = ", ".join(sample.fields)
        raise UsageError(f"{argument} must be one of {there}, got {name!r}{did_you_mean(name, sample.fields)}")
    return sample.fields[name]
