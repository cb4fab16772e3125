"""Contact sheets: what a data set looks like, on one page."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synthgen.errors import UsageError
from synthgen.recipe import Recipe, load_recipe
from synthgen.run.draw import draw_sample
from synthgen.shards.dataset import open_dataset
from synthgen.shards.manifest import DATASET

_GAP, _TEXT = 4, 16
_MOST_PIXELS = 10**8
_OVERLAY_SHARE = 0.55


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
        Field to lay over the images: a mask in red, ids in a colour each.
    cell : int
        Side of the square that an image is fitted into, in pixels.
    field : str, optional
        Field to show in place of the image: depth is brightest where near, normals are colours.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    UsageError
        If there is no such field or source.
    """
    take, names, total = _samples(source)
    rows = np.unique(np.linspace(0, len(names) - 1, min(classes, len(names))).astype(int)).tolist()
    columns = min(per_class, total)
    width, height = columns * (cell + _GAP) + _GAP, len(rows) * (cell + _GAP + _TEXT) + _GAP
    if width * height > _MOST_PIXELS:
        raise UsageError(f"a sheet must have at most {_MOST_PIXELS:,} pixels, got {width} x {height}: show less")
    sheet = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for r, label in enumerate(rows):
        top = _GAP + r * (cell + _GAP + _TEXT)
        pen.text((_GAP, top), f"{label}: {names[label]}", fill="black", font=font)
        for c in range(columns):
            picture = Image.fromarray(_pixels(take(label, c), overlay, field))
            picture.thumbnail((cell, cell))
            sheet.paste(picture, (_GAP + c * (cell + _GAP), top + _TEXT))
    return sheet


def _samples(source):
    """Return (label, index) -> Sample, the names of the classes, and the images in each."""
    if not isinstance(source, Recipe) and (Path(source) / DATASET).is_file():
        dataset = open_dataset(source)
        names = [row["name"] for row in dataset.classes]
        return lambda label, index: dataset[dataset.find(label, index)], names, dataset.manifest.per_class
    from synthgen import families

    recipe = load_recipe(source)
    family = families.load(recipe.family)
    names = [family.describe_class(recipe.options, recipe.seed, label)["name"] for label in range(recipe.classes)]
    return lambda label, index: draw_sample(recipe, label, index), names, recipe.per_class


def _pixels(sample, overlay: str | None, field: str | None) -> np.ndarray:
    image = sample.image if field is None else picture_of(_field(sample, field, "--field"))
    image = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    if overlay is None:
        return image
    values = _field(sample, overlay, "--overlay")
    if values.dtype != np.uint8:
        raise UsageError(f"--overlay must be a mask or ids, got {overlay!r}")
    return tinted(image, values)


def _field(sample, name: str, option: str) -> np.ndarray:
    if name not in sample.fields:
        raise UsageError(f"{option} must be one of {', '.join(sample.fields)}, got {name!r}")
    return sample.fields[name]


def picture_of(values: np.ndarray) -> np.ndarray:
    """Return a field as uint8 pixels: depth brightest where near and black where nothing is, normals as colours."""
    if values.dtype == np.uint8:
        return values
    if values.ndim == 3:
        return np.where(values.any(axis=2, keepdims=True), np.rint(values * 127 + 128), 0).astype(np.uint8)
    hit = np.isfinite(values)
    if not hit.any():
        return np.zeros(values.shape, np.uint8)
    near, far = values[hit].min(), values[hit].max()
    shade = 255 - 200 * (np.where(hit, values, near) - near) / max(far - near, 1e-6)
    return np.where(hit, shade, 0).astype(np.uint8)


def tinted(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Mix an image, uint8 (H, W, 3), with a colour for each value of a field, uint8 (H, W); 255, a mask, is red."""
    hues = (np.arange(256) * 97) % 256
    table = np.array(
        Image.fromarray(
            np.stack([hues, np.full(256, 255), np.full(256, 255)], -1).astype(np.uint8)[None], "HSV"
        ).convert("RGB")
    )[0]
    table[255] = (255, 40, 40)
    mixed = (image * (1 - _OVERLAY_SHARE) + table[field] * _OVERLAY_SHARE).astype(np.uint8)
    return np.where(field[..., None] > 0, mixed, image)
