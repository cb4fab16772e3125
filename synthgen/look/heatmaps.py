"""Heat maps laid over images, for the eye."""

import os
from collections import Counter
from pathlib import Path

import numpy as np

from synthgen.extras import needed_for
from synthgen.look.colors import blended, colored

_STRONGEST = 0.8
_OUTLINE = (0, 255, 255)
_GUTTER = 4  # white columns between pictures side by side
_LEAST_SPAN = float(np.finfo(np.float32).tiny)  # of the scores, so that equal ones can be divided by it


def overlay(
    image: np.ndarray, scores: np.ndarray, low: float, high: float, threshold: float | None = None
) -> np.ndarray:
    """Lay a map of scores over its image.

    Where nothing is found the image is seen in gray; the hotter a place, the more it is covered.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    scores : ndarray of float, (h, w)
        Resized to the image, bilinearly. NaN where the model did not look.
    low, high : float
        Scores of the coldest and the hottest color: the same for all images that are to be compared.
    threshold : float, optional
        Pixels that reach it are outlined.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
    """
    size = image.shape[:2]
    scores = resized(scores, size)
    heat = _heat(scores, low, high)

    gray = _to_gray(image)
    hot = colored(heat)
    share = _STRONGEST * np.sqrt(heat)
    mixed = blended(gray[..., None], hot, share)
    picture = mixed.astype(np.uint8)

    if threshold is not None:
        found = scores >= threshold
        width = round(min(size) / 256)
        edge = outline(found, max(1, width))
        picture[edge] = _OUTLINE
    return picture


def side_by_side(
    image: np.ndarray, scores: np.ndarray, low: float, high: float, threshold: float | None = None
) -> np.ndarray:
    """Return an image, its map in colors and the map laid over it, next to each other; parameters as of `overlay`.

    What the model did not look at is black in the map.

    Returns
    -------
    ndarray of uint8, (H, 3 W + gutters, 3)
    """
    height, width = image.shape[:2]
    scores = resized(scores, (height, width))
    heat = _heat(scores, low, high)
    unseen = np.isnan(scores)
    map_alone = colored(heat)
    map_alone[unseen] = 0

    gutter = np.full((height, _GUTTER, 3), 255, np.uint8)
    laid_over = overlay(image, scores, low, high, threshold)
    return np.concatenate([image, gutter, map_alone, gutter, laid_over], axis=1)


def _heat(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return scores as heat in [0, 1]; where there are none, it is cold."""
    span = max(high - low, _LEAST_SPAN)
    heat = np.clip((scores - low) / span, 0, 1)
    return np.nan_to_num(heat)


def _to_gray(image: np.ndarray) -> np.ndarray:
    from synthgen.compose import color

    return color.to_gray(image)


def outline(mask: np.ndarray, width: int = 1) -> np.ndarray:
    """Return the inner edge of a mask, bool (H, W): pixels within `width` of what lies outside it."""
    with needed_for("outlines"):
        from scipy.ndimage import binary_erosion

    inner = binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=1)
    return mask & ~inner


def resized(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a map (h, w) bilinearly to `size`, float32."""
    from PIL import Image

    from synthgen.compose.pictures import stretched

    if scores.shape == size:
        return scores
    picture = Image.fromarray(np.float32(scores))
    return np.asarray(stretched(picture, size))


def picture_names(names: list[str]) -> list[str]:
    """Return a name of a PNG file for each image, below the folder that they share; no two are the same.

    Examples
    --------
    >>> picture_names(["in/good/1.jpg", "in/bad/1.jpg", "in/bad/1.png"])
    ['good/1.png', 'bad/1.jpg.png', 'bad/1.png.png']
    """
    full = [Path(os.path.abspath(name)) for name in names]
    folders = [path.parent for path in full]
    shared = os.path.commonpath(folders)
    below = [path.relative_to(shared) for path in full]
    stems = [path.with_suffix("") for path in below]
    times = Counter(stems)

    pictures = []
    for path, stem in zip(below, stems, strict=True):
        alone = times[stem] == 1
        picture = path.with_suffix(".png") if alone else f"{path}.png"
        pictures.append(str(picture))
    return pictures
