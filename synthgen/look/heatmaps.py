"""Heat maps laid over images, for the eye."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from synthgen.extras import needed_for
from synthgen.shards.files import replacing

# Anchors of the colours from cold to hot; their luminance rises, so that a grey print keeps the order.
_COLORS = np.array([(20, 11, 53), (93, 18, 110), (170, 44, 94), (227, 89, 51), (249, 160, 21), (252, 255, 164)])
_STRONGEST = 0.8
_OUTLINE = (0, 255, 255)


def colored(values: np.ndarray) -> np.ndarray:
    """Return the colours of values in [0, 1], cold to hot: uint8 (..., 3); values beyond are clipped."""
    place = np.clip(values, 0, 1) * (len(_COLORS) - 1)
    below = np.minimum(place.astype(int), len(_COLORS) - 2)
    part = (place - below)[..., None]
    return np.rint(_COLORS[below] * (1 - part) + _COLORS[below + 1] * part).astype(np.uint8)


def overlay(
    image: np.ndarray, scores: np.ndarray, low: float, high: float, threshold: float | None = None
) -> np.ndarray:
    """Lay a map of scores over its image.

    Where nothing is found the image is seen in grey; the hotter a place, the more it is covered.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    scores : ndarray of float, (h, w)
        Resized to the image, bilinearly.
    low, high : float
        Scores of the coldest and the hottest colour: the same for all images that are to be compared.
    threshold : float, optional
        Pixels that reach it are outlined.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
    """
    scores = resized(scores, image.shape[:2])
    heat = np.clip((scores - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)[..., None]
    grey = np.rint(image @ np.array([0.299, 0.587, 0.114]))[..., None]
    share = _STRONGEST * np.sqrt(heat)
    picture = np.rint(grey * (1 - share) + colored(heat[..., 0]) * share).astype(np.uint8)
    if threshold is not None:
        picture[outline(scores >= threshold, _width(image.shape))] = _OUTLINE
    return picture


def outline(mask: np.ndarray, width: int = 1) -> np.ndarray:
    """Return the inner edge of a mask, bool (H, W): pixels within `width` of what lies outside it."""
    with needed_for("outlines"):
        from scipy.ndimage import binary_erosion

    return mask & ~binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=1)


def resized(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a map (h, w) bilinearly to `size`, float32."""
    from PIL import Image

    if scores.shape == size:
        return scores
    return np.asarray(Image.fromarray(np.float32(scores)).resize(size[::-1], Image.Resampling.BILINEAR))


def color_range(maps: np.ndarray, threshold: float | None = None) -> tuple[float, float]:
    """Return the scores of the coldest and the hottest colour for a set of maps (N, H, W).

    Cold is what half of the pixels stay below, hot what one in a thousand reaches; with a threshold at least as far
    above it as the cold end is below, so that images without a defect do not glow.
    """
    step = max(1, maps.size // 10**6)  # a million pixels tell enough
    low, high = np.quantile(maps.reshape(-1)[::step], [0.5, 0.999])
    if threshold is not None:
        low = min(low, threshold)
        high = max(high, 2 * threshold - low)
    return float(low), float(max(high, low))


def _width(shape: tuple[int, ...]) -> int:
    return max(1, round(min(shape[:2]) / 256))


def write_heatmaps(
    predictions, folder: Path, threshold: float | None = None, advance: Callable | None = None
) -> list[Path]:
    """Write the heat map of every image, laid over it at its own size, as PNG.

    Parameters
    ----------
    predictions : Predictions
        All get the same colours for the same scores.
    folder : Path
        Made if there is none; files lie in it as the images lie below the folder that they share.
    threshold : float, optional
        Pixels that reach it are outlined.
    advance : callable, optional
        Told 1 after each image.

    Returns
    -------
    list of Path
        In the order of the images.
    """
    from PIL import Image

    low, high = color_range(predictions.maps, threshold)
    images = predictions.images.resized(None)
    paths = [folder / name for name in picture_names([entry.name for entry in images.entries])]
    for i, path in enumerate(paths):
        picture = overlay(images[i].image, predictions.maps[i], low, high, threshold)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            Image.fromarray(picture).save(temporary, "PNG")
        if advance is not None:
            advance(1)
    return paths


def picture_names(names: list[str]) -> list[str]:
    """Return the names of PNG files for images: below the folder that these share, each another.

    Examples
    --------
    >>> picture_names(["in/good/1.jpg", "in/bad/1.jpg", "in/bad/1.png"])
    ['good/1.png', 'bad/1.jpg.png', 'bad/1.png.png']
    """
    full = [Path(os.path.abspath(name)) for name in names]
    shared = os.path.commonpath([path.parent for path in full])
    below = [path.relative_to(shared) for path in full]
    times = Counter(path.with_suffix("") for path in below)
    return [str(path.with_suffix(".png") if times[path.with_suffix("")] == 1 else f"{path}.png") for path in below]
