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
    columns = 2 + 2 * len(models)
    width = _left(columns) + columns * cell
    height = _TITLE + _GAP + len(images) * (cell + _TITLE) + _BAR
    if width * height > _MOST_PIXELS:
        raise UsageError(f"images must fit into {_MOST_PIXELS:,} pixels, got a sheet of {width} x {height}")

    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for row, shown in enumerate(images):
        top = _TITLE + _GAP + row * (cell + _TITLE)
        pen.text((_GAP, top), shown.name, fill="black", font=font)
        for column, picture in enumerate(_pictures(shown, models)):
            left = _left(column) + column * cell
            sheet.paste(_fitted(picture, cell), (left, top + _TITLE - 2))

    for column, title in enumerate(("image", "truth")):
        pen.text((_left(column) + column * cell, _GAP), title, fill="black", font=font)
    for number, scale in enumerate(models):
        _draw_box(pen, number, scale.name, cell, height, font)
    return sheet


def _check(images: Sequence[Shown], models: Sequence[Scale]) -> None:
    if not images or not models:
        raise UsageError(f"images must be shown by models, got {len(images)} images and {len(models)} models")
    for shown in images:
        if len(shown.maps) != len(models):
            raise UsageError(f"maps must be one for each of {len(models)} models, got {len(shown.maps)}")


def _left(column: int) -> int:
    """Return the space left of a column beside the columns before it: wider before each model."""
    models = max(0, column // 2)
    return _GAP * (column + 1) + 2 * _BAR * models


def _draw_box(pen, number: int, name: str, cell: int, height: int, font) -> None:
    """Draw the box around both columns of a model, with its name."""
    first = 2 + 2 * number
    left = _left(first) + first * cell - _BAR
    right = _left(first + 1) + (first + 2) * cell + _BAR
    color = BOXES[number % len(BOXES)]
    pen.text((left + _BAR, _GAP - 3), name, fill=color, font=font)
    pen.rectangle((left, _TITLE - 2, right - 1, height - 2), outline=color, width=2)


def _pictures(shown: Shown, models: Sequence[Scale]) -> list[np.ndarray]:
    """Return the pictures of a row, uint8 (.., .., 3)."""
    truth = np.full(shown.image.shape, 128, np.uint8) if shown.mask is None else _black_and_white(shown.mask)
    pictures = [shown.image, truth]
    for scale, scores in zip(models, shown.maps, strict=True):
        span = max(scale.high - scale.low, _LEAST_SPAN)
        pictures.append(colored((scores - scale.low) / span))
        pictures.append(_black_and_white(scores >= scale.threshold))
    return pictures


def _black_and_white(mask: np.ndarray) -> np.ndarray:
    gray = mask.astype(np.uint8) * 255
    return np.repeat(gray[..., None], 3, axis=2)


def _fitted(picture: np.ndarray, cell: int) -> Image.Image:
    """Return a picture stretched to a square cell; few pixels stay sharp."""
    height, width = picture.shape[:2]
    small = max(height, width) <= cell
    way = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
    return Image.fromarray(np.ascontiguousarray(picture)).resize((cell, cell), way)


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
    found = resized(np.float32(scores >= threshold), size) >= 0.5
    truth = resized(np.float32(mask), size) >= 0.5
    gray = color.to_gray(image)[..., None]
    picture = np.repeat(gray, 3, axis=2).astype(np.uint8)

    groups = ((found & truth, HIT), (found & ~truth, FALSE_ALARM), (truth & ~found, MISSED))
    for pixels, tint in groups:
        share = np.where(pixels, _OPACITY, 0.0)
        picture = blended(picture, np.array(tint), share).astype(np.uint8)
    picture[outline(truth)] = (255, 255, 255)
    return picture


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
    width = _GAP + len(models) * (cell + _GAP)
    height = 2 * _TITLE + len(marked) * (cell + _TITLE)
    sheet = Image.new("RGB", (max(width, 260), height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    _draw_legend(pen, font)

    for row, shown in enumerate(marked):
        top = 2 * _TITLE + row * (cell + _TITLE)
        pen.text((_GAP, top), shown.name, fill="black", font=font)
        for column, (scale, scores) in enumerate(zip(models, shown.maps, strict=True)):
            picture = decided(shown.image, np.asarray(shown.mask), scores, scale.threshold)
            sheet.paste(_fitted(picture, cell), (_GAP + column * (cell + _GAP), top + _TITLE - 2))
    for column, scale in enumerate(models):
        pen.text((_GAP + column * (cell + _GAP), _TITLE), scale.name, fill=BOXES[column % len(BOXES)], font=font)
    return sheet


def _draw_legend(pen, font) -> None:
    left = _GAP
    for text, tint in (("found", HIT), ("false alarm", FALSE_ALARM), ("missed", MISSED)):
        pen.rectangle((left, 6, left + 10, 16), fill=tint)
        pen.text((left + 14, 3), text, fill="black", font=font)
        left += 24 + round(pen.textlength(text, font=font))
