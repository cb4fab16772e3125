"""Colors of what is not a picture: scores, ids, depths and normals."""

import numpy as np

# From cold to hot; their luminance rises, so that a gray print keeps the order.
_ANCHORS = np.array([(20, 11, 53), (93, 18, 110), (170, 44, 94), (227, 89, 51), (249, 160, 21), (252, 255, 164)])
_MASK = (255, 40, 40)
_TINT = 0.55  # share of the color over an image
_HUE_STEP = 97  # of 256: neighboring ids get hues far from each other
_MOST_SCORES = 10**6  # as many tell the range
IDS = "instances"  # the field of ids


def colored(values: np.ndarray) -> np.ndarray:
    """Return the colors of values in [0, 1], cold to hot: uint8 (..., 3); values beyond are clipped."""
    last = len(_ANCHORS) - 1
    clipped = np.clip(values, 0, 1)
    place = clipped * last
    whole = place.astype(int)
    below = np.minimum(whole, last - 1)
    share = place - below

    colder = _ANCHORS[below]
    hotter = _ANCHORS[below + 1]
    mixed = blended(colder, hotter, share)
    return mixed.astype(np.uint8)


def blended(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the rounded mixtures of colors (H, W, 3) by the share (H, W) of the second."""
    weights = share[..., None]
    rest = 1 - weights
    return np.rint(first * rest + second * weights)


def color_range(maps: np.ndarray, threshold: float | None = None) -> tuple[float, float]:
    """Return the scores of the coldest and the hottest color for a set of maps (N, H, W).

    Cold is the median of all pixels, hot is what one pixel in a thousand reaches. With a threshold, hot lies at
    least as far above it as cold lies below, so that images without a defect do not glow.
    """
    step = max(1, maps.size // _MOST_SCORES)
    scores = maps.reshape(-1)
    low, high = np.quantile(scores[::step], [0.5, 0.999])

    if threshold is not None:
        low = min(low, threshold)
        as_far_above = 2 * threshold - low
        high = max(high, as_far_above)
    high = max(high, low)
    return float(low), float(high)


def tinted(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Mix an image, uint8 (H, W, 3), with a color for each value of a field of ids (H, W).

    0 leaves the image as it is, and 255 in a field of uint8, a mask, is red.
    """
    numbers = field & 255
    palette = _id_colors()
    colors = palette[numbers]
    mixed = image * (1 - _TINT) + colors * _TINT
    pixels = mixed.astype(np.uint8)

    there = field > 0
    return np.where(there[..., None], pixels, image)


def _id_colors() -> np.ndarray:
    """Return a color for each of 256 ids, uint8 (256, 3)."""
    from PIL import Image

    hues = np.arange(256) * _HUE_STEP % 256
    hsv = np.full((1, 256, 3), 255, np.uint8)
    hsv[..., 0] = hues
    picture = Image.fromarray(hsv, "HSV")
    rgb = picture.convert("RGB")

    colors = np.array(rgb)[0]
    colors[255] = _MASK
    return colors


def picture_of(values: np.ndarray, ids: bool = False) -> np.ndarray:
    """Return a field as uint8 pixels: near depths are bright and missing ones black, normals and ids are colors.

    Parameters
    ----------
    values : ndarray, (H, W) or (H, W, 3)
        Floats are depths or normals; integers of more than 8 bits are ids; 8 bits are pixels as they are.
    ids : bool
        8 bits are ids, too.
    """
    if values.dtype == np.uint8 and not ids:
        return values
    if values.ndim == 3:
        return _normals(values)
    if values.dtype.kind in "iu":
        black = np.zeros((*values.shape, 3), np.uint8)
        return tinted(black, values)
    return _depths(values)


def _normals(values: np.ndarray) -> np.ndarray:
    there = values.any(axis=2, keepdims=True)
    shifted = values * 127 + 128
    shades = np.rint(shifted)
    shown = np.where(there, shades, 0)
    return shown.astype(np.uint8)


def _depths(values: np.ndarray) -> np.ndarray:
    hit = np.isfinite(values)
    if not hit.any():
        return np.zeros(values.shape, np.uint8)

    depths = values[hit]
    near = depths.min()
    span = max(depths.max() - near, 1e-6)

    filled = np.where(hit, values, near)
    depth = (filled - near) / span
    shades = 255 - 200 * depth
    shown = np.where(hit, shades, 0)
    return shown.astype(np.uint8)
