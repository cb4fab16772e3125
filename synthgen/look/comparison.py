"""What several models say of the same images, side by side; and which pixels each decides rightly and wrongly."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synthgen.errors import UsageError
from synthgen.look.colors import blended, colored
from synthgen.look.heatmaps import outline, resized

# Hit, false alarm and miss: apart for the color-blind, too (Okabe and Ito).
HIT = (0, 158, 115)
FALSE_ALARM = (213, 94, 0)
MISSED = (86, 180, 233)
# Boxes of the models, in turn; the first three are those of the source.
BOXES = ((40, 90, 220), (210, 40, 40), (130, 60, 170), (0, 140, 90), (220, 140, 0), (90, 90, 90))
_OPACITY = 0.65
_GAP = 6
_BAR = 4  # pixels of the box around the columns of a model
_TITLE = 20
_LINE = 18  # height of a line of text
_LEGEND = 260  # width
_MOST_PIXELS = 10**8
_LEAST_SPAN = float(np.finfo(np.float32).tiny)


class Shown(NamedTuple):
    """An image of a sheet.

    Attributes
    ----------
    name : str
        What stands at its left.
    image : ndarray of uint8, (H, W, 3)
    mask : ndarray of bool, (h, w), or None
        The truth; None where the defect is not marked.
    maps : sequence of ndarray of float, (h, w)
        Of each model.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray | None
    maps: Sequence[np.ndarray]


class Scale(NamedTuple):
    """How the scores of a model are shown, the same for all images.

    Attributes
    ----------
    name : str
        Of the model.
    low, high : float
        Scores of the coldest and the hottest color.
    threshold : float
        From which on a pixel is part of the mask.
    """

    name: str
    low: float
    high: float
    threshold: float


def comparison_sheet(images: Sequence[Shown], models: Sequence[Scale], cell: int = 144) -> Image.Image:
    """Draw image and truth of each of some images, and beside them map and mask of each model, in its box.

    Source: Ugwu et al. 2024, figure 9.

    Parameters
    ----------
    images : sequence of Shown
    models : sequence of Scale
    cell : int
        Side of each picture, in pixels.

    Raises
    ------
    UsageError
        If there is no image or no model, an image lacks a map, or the sheet would be too large.
    """
    _check(images, models)
    page = _Page.of(len(images), len(models), cell)
    pen = ImageDraw.Draw(page.sheet)
    font = ImageFont.load_default(12)

    for row, shown in enumerate(images):
        top = page.top(row)
        pen.text((_GAP, top), shown.name, fill="black", font=font)
        for column, picture in enumerate(_pictures(shown, models)):
            place = (page.left(column), top + _LINE)
            page.sheet.paste(_fitted(picture, cell), place)

    for column, title in enumerate(("image", "truth")):
        pen.text((page.left(column), _GAP), title, fill="black", font=font)
    for number, scale in enumerate(models):
        _draw_box(pen, page, number, scale.name)
    return page.sheet


class _Page(NamedTuple):
    """An empty sheet, and where its pictures lie: two columns, and two for each model with a box around.

    Attributes
    ----------
    sheet : Image
    cell : int
        Side of a picture.
    """

    sheet: Image.Image
    cell: int

    @classmethod
    def of(cls, rows: int, models: int, cell: int) -> "_Page":
        """Return the page for some images and models; raise UsageError if it would be too large."""
        columns = 2 + 2 * models
        width = _left(columns, cell)
        height = _top(rows, cell) + _BAR
        if width * height > _MOST_PIXELS:
            raise UsageError(f"images must fit into {_MOST_PIXELS:,} pixels, got a sheet of {width} x {height}")
        sheet = Image.new("RGB", (width, height), "white")
        return cls(sheet, cell)

    def top(self, row: int) -> int:
        """Return where the name of an image stands; its pictures lie below."""
        return _top(row, self.cell)

    def left(self, column: int) -> int:
        """Return where the pictures of a column begin."""
        return _left(column, self.cell)


def _top(row: int, cell: int) -> int:
    height = cell + _TITLE
    return _TITLE + _GAP + row * height


def _left(column: int, cell: int) -> int:
    """Return where a column begins: the space is wider before each model."""
    models = max(0, column // 2)
    gaps = _GAP * (column + 1)
    boxes = 2 * _BAR * models
    return gaps + boxes + column * cell


def _check(images: Sequence[Shown], models: Sequence[Scale]) -> None:
    if not images or not models:
        raise UsageError(f"images must be shown by models, got {len(images)} images and {len(models)} models")
    for shown in images:
        if len(shown.maps) != len(models):
            raise UsageError(f"maps must be one for each of {len(models)} models, got {len(shown.maps)}")


def _draw_box(pen, page: _Page, number: int, name: str) -> None:
    """Draw the box around both columns of a model, with its name."""
    first = 2 + 2 * number
    inner_left = page.left(first)
    inner_right = page.left(first + 1) + page.cell
    left = inner_left - _BAR
    right = inner_right + _BAR - 1
    bottom = page.sheet.height - 2

    color = _color(number)
    font = ImageFont.load_default(12)
    pen.text((inner_left, _GAP - 3), name, fill=color, font=font)
    pen.rectangle((left, _LINE, right, bottom), outline=color, width=2)


def _color(number: int) -> tuple[int, int, int]:
    """Return the color of a model."""
    return BOXES[number % len(BOXES)]


def _pictures(shown: Shown, models: Sequence[Scale]) -> list[np.ndarray]:
    """Return the pictures of a row, uint8 (.., .., 3)."""
    if shown.mask is None:
        truth = np.full(shown.image.shape, 128, np.uint8)
    else:
        truth = _black_and_white(shown.mask)

    pictures = [shown.image, truth]
    for scale, scores in zip(models, shown.maps, strict=True):
        span = max(scale.high - scale.low, _LEAST_SPAN)
        heat = (scores - scale.low) / span
        found = scores >= scale.threshold
        pictures.append(colored(heat))
        pictures.append(_black_and_white(found))
    return pictures


def _black_and_white(mask: np.ndarray) -> np.ndarray:
    gray = mask.astype(np.uint8) * 255
    return np.repeat(gray[..., None], 3, axis=2)


def _fitted(picture: np.ndarray, cell: int) -> Image.Image:
    """Return a picture stretched to a square cell; few pixels stay sharp."""
    is_small = max(picture.shape) <= cell
    way = Image.Resampling.NEAREST if is_small else Image.Resampling.BILINEAR
    plain = np.ascontiguousarray(picture)
    return Image.fromarray(plain).resize((cell, cell), way)


def decided(image: np.ndarray, mask: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return an image in gray, with the pixels that are found rightly, found wrongly and missed in three colors.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    mask : ndarray of bool, (h, w)
        The truth.
    scores : ndarray of float, (h, w)
    threshold : float
        From which on a pixel is found.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        Green is found, orange a false alarm, blue is missed; the truth is outlined.
    """
    from synthgen.compose import color

    size = image.shape[:2]
    found = _mask_of_size(scores >= threshold, size)
    truth = _mask_of_size(mask, size)
    gray = color.to_gray(image).astype(np.uint8)
    picture = np.repeat(gray[..., None], 3, axis=2)

    groups = ((found & truth, HIT), (found & ~truth, FALSE_ALARM), (truth & ~found, MISSED))
    for pixels, tint in groups:
        share = np.where(pixels, _OPACITY, 0.0)
        mixed = blended(picture, np.array(tint), share)
        picture = mixed.astype(np.uint8)
    edge = outline(truth)
    picture[edge] = (255, 255, 255)
    return picture


def _mask_of_size(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask at another size, bool."""
    shares = resized(mask.astype(np.float32), size)
    return shares >= 0.5


def decision_sheet(images: Sequence[Shown], models: Sequence[Scale], cell: int = 192) -> Image.Image:
    """Draw what each model finds rightly and wrongly in each of some images: a row an image, a column a model.

    Parameters
    ----------
    images, models, cell
        As for `comparison_sheet`. Images without a mask are left out.

    Raises
    ------
    UsageError
        If no image has a mask, or an image lacks a map.
    """
    marked = [shown for shown in images if shown.mask is not None]
    _check(marked, models)
    step = cell + _GAP
    row_height = cell + _TITLE
    width = _GAP + len(models) * step
    height = 2 * _TITLE + len(marked) * row_height
    sheet = Image.new("RGB", (max(width, _LEGEND), height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    _draw_legend(pen, font)

    for row, shown in enumerate(marked):
        top = 2 * _TITLE + row * row_height
        pen.text((_GAP, top), shown.name, fill="black", font=font)
        mask = np.asarray(shown.mask)
        for column, scores in enumerate(shown.maps):
            left = _GAP + column * step
            picture = decided(shown.image, mask, scores, models[column].threshold)
            sheet.paste(_fitted(picture, cell), (left, top + _LINE))

    for column, scale in enumerate(models):
        left = _GAP + column * step
        pen.text((left, _TITLE), scale.name, fill=_color(column), font=font)
    return sheet


def _draw_legend(pen, font) -> None:
    left = _GAP
    entries = {"found": HIT, "false alarm": FALSE_ALARM, "missed": MISSED}
    for text, tint in entries.items():
        right = left + 10
        pen.rectangle((left, 6, right, 16), fill=tint)
        pen.text((right + 4, 3), text, fill="black", font=font)
        length = pen.textlength(text, font=font)
        left = right + 14 + round(length)
