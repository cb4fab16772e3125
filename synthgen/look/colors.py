"""Colors of what is not a picture: scores, ids, depths and normals."""

import numpy as np

# From cold to hot; their luminance rises, so that a gray print keeps the order.
_ANCHORS = np.array([(20, 11, 53), (93, 18, 110), (170, 44, 94), (227, 89, 51), (249, 160, 21), (252, 255, 164)])
_MASK = (255, 40, 40)
_TINT = 0.55  # share of the color over an image
_HUE_STEP = 97  # of 256: neighboring ids get hues far from each other
_MOST_SCORES = 10**6  # as many tell the range


def colored(values: np.ndarray) -> np.ndarray:
    """Return the colors of values in [0, 1], cold to hot: uint8 (..., 3); values beyond are clipped."""
    place = np.clip(values, 0, 1) * (len(_ANCHORS) - 1)
    below = np.minimum(place.astype(int), len(_ANCHORS) - 2)
    part = (place - below)[..., None]

    mixed = _ANCHORS[below] * (1 - part) + _ANCHORS[below + 1] * part
    return np.rint(mixed).astype(np.uint8)


def color_range(maps: np.ndarray, threshold: float | None = None) -> tuple[float, float]:
    """Return the scores of the coldest and the hottest color for a set of maps (N, H, W).

    Cold is the median of all pixels, hot is what one pixel in a thousand reaches. With a threshold, hot lies at
    least as far above it as cold lies below, so that images without a defect do not glow.
    """
    step = max(1, maps.size // _MOST_SCORES)
    some = maps.reshape(-1)[::step]
    low, high = np.quantile(some, [0.5, 0.999])

    if threshold is not None:
        low = min(low, threshold)
        high = max(high, 2 * threshold - low)
    return float(low), float(max(high, low))


def tinted(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Mix an image, uint8 (H, W, 3), with a color for each value of a field of ids (H, W).

    0 leaves the image as it is, and 255 in a field of uint8, a mask, is red.
    """
    colors = _id_colors()[field & 255]
    mixed = (image * (1 - _TINT) + colors * _TINT).astype(np.uint8)
    return np.where(field[..., None] > 0, mixed, image)


def _id_colors() -> np.ndarray:
    """Return a color for each of 256 ids, uint8 (256, 3)."""
    from PIL import Image

    hsv = np.full((1, 256, 3), 255, np.uint8)
    hsv[0, :, 0] = np.arange(256) * _HUE_STEP % 256
    rgb = Image.fromarray(hsv, "HSV").convert("RGB")

    colors = np.array(rgb)[0]
    colors[255] = _MASK
    return colors


def picture_of(values: np.ndarray) -> np.ndarray:
    """Return a field as uint8 pixels: near depths are bright and missing ones black, normals and ids are colors."""
    if values.dtype == np.uint8:
        return values
    if values.ndim == 3:
        return _normals(values)
    if values.dtype.kind in "iu":
        black = np.zeros((*values.shape, 3), np.uint8)
        return tinted(black, values)
    return _depths(values)


def _normals(values: np.ndarray) -> np.ndarray:
    there = values.any(axis=2, keepdims=True)
    shades = np.rint(values * 127 + 128)
    return np.where(there, shades, 0).astype(np.uint8)


def _depths(values: np.ndarray) -> np.ndarray:
    hit = np.isfinite(values)
    if not hit.any():
        return np.zeros(values.shape, np.uint8)

    near = values[hit].min()
    far = values[hit].max()
    depth = (np.where(hit, values, near) - near) / max(far - near, 1e-6)
    return np.where(hit, 255 - 200 * depth, 0).astype(np.uint8)
