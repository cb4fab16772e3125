"""Heat maps laid over images, for the eye."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from synthgen.extras import needed_for
from synthgen.look.colors import blended, color_range, colored
from synthgen.shards.files import replacing

_STRONGEST = 0.8
_OUTLINE = (0, 255, 255)
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
        Resized to the image, bilinearly.
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
    span = max(high - low, _LEAST_SPAN)
    heat = np.clip((scores - low) / span, 0, 1)

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


def write_heatmaps(
    predictions, folder: Path, threshold: float | None = None, advance: Callable | None = None
) -> list[Path]:
    """Write the heat map of every image, laid over it at its own size, as PNG.

    Parameters
    ----------
    predictions : Predictions
        With maps. All get the same colors for the same scores.
    folder : Path
        Made if there is none. Below it files lie as the images lie below the folder that they share.
    threshold : float, optional
        Pixels that reach it are outlined.
    advance : callable, optional
        Called with 1 after each image.

    Returns
    -------
    list of Path
        In the order of the images.
    """
    from PIL import Image

    low, high = color_range(predictions.maps, threshold)
    images = predictions.images.resized(None)
    names = picture_names([entry.name for entry in images.entries])
    paths = [folder / name for name in names]

    for i, path in enumerate(paths):
        picture = overlay(images[i].image, predictions.maps[i], low, high, threshold)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG")
        if advance is not None:
            advance(1)
    return paths


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
