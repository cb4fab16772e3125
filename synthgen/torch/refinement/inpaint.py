"""What the search for the normal image starts from: the image with its region filled in."""

import numpy as np

from synthgen.errors import UsageError
from synthgen.extras import needed_for

# Larger images are filled in at a smaller size: the fill is smooth, and a start only needs to be rough.
_LONGEST_SIDE = 96


def inpainted(image: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return an image whose region is a smooth surface that goes on from around it.

    Parameters
    ----------
    image : ndarray of float, (H, W, C)
    region : ndarray of bool, (H, W)
        Some of the image, and not all.

    Returns
    -------
    ndarray of float32, (H, W, C)
        Equal to the image outside of the region.

    Notes
    -----
    Biharmonic (Damelin and Hoang 2018), by scikit-image. The images of Tao et al. 2024 are filled in by a masked
    autoencoder instead.
    """
    with needed_for("inpainting"):
        from skimage.restoration import inpaint_biharmonic

    step = max(1, round(max(region.shape) / _LONGEST_SIDE))
    small, inside = _reduced(image, region, step)
    filled = inpaint_biharmonic(small, inside, split_into_regions=True, channel_axis=2)
    least = small.min(axis=(0, 1))
    most = small.max(axis=(0, 1))
    bounded = np.clip(filled, least, most)

    whole = _enlarged(bounded, step, region.shape)
    out = np.where(region[..., None], whole, image)
    return out.astype(np.float32)


def _reduced(image: np.ndarray, region: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means of squares of pixels outside the region, and the squares that have none."""
    pixels = _padded(image, step)
    unknown = _padded(region[..., None], step)
    known = ~unknown

    count = _sums(known, step)
    total = _sums(pixels * known, step)
    mean = total / np.maximum(count, 1)

    known_pixels = count[..., 0]
    half = step**2 / 2
    inside = known_pixels < half
    if inside.all():  # thin seams are all that is known
        inside = known_pixels == 0
    return mean, inside


def _padded(image: np.ndarray, step: int) -> np.ndarray:
    """Return an image (H, W, C) with its last row and column repeated, up to multiples of a step."""
    height, width, _ = image.shape
    below = -height % step
    right = -width % step
    added = ((0, below), (0, right), (0, 0))
    return np.pad(image, added, mode="edge")


def _sums(values: np.ndarray, step: int) -> np.ndarray:
    height, width, channels = values.shape
    rows = height // step
    columns = width // step
    squares = values.reshape(rows, step, columns, step, channels)
    return squares.sum(axis=(1, 3))


def _enlarged(image: np.ndarray, step: int, size: tuple[int, int]) -> np.ndarray:
    """Return an image enlarged bilinearly by a factor, and cut to a size."""
    if step == 1:
        return image

    from scipy.ndimage import map_coordinates

    axes = [_centers(length, step) for length in size]
    grid = np.meshgrid(*axes, indexing="ij")

    channels = []
    for channel in np.moveaxis(image, 2, 0):
        enlarged = map_coordinates(channel, grid, order=1, mode="nearest")
        channels.append(enlarged)
    return np.stack(channels, axis=2)


def _centers(length: int, step: int) -> np.ndarray:
    """Return where the centers of pixels lie along an axis that was reduced by a step."""
    middles = np.arange(length) + 0.5
    return middles / step - 0.5


def most_similar(image: np.ndarray, region: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return an image whose region is taken from the normal image that is most like it elsewhere.

    Parameters
    ----------
    image : ndarray of float, (H, W, C)
    region : ndarray of bool, (H, W)
    normal : ndarray of float, (N, H, W, C)
        Images of parts that lie in the same place.

    Raises
    ------
    UsageError
        If the normal images have another size.
    """
    if normal.ndim != 4 or normal.shape[1:] != image.shape:
        size = ", ".join(map(str, image.shape))
        raise UsageError(f"normal must be images (N, {size}), got {normal.shape}")

    outside = ~region
    known = image[outside]
    gaps = []
    for each in normal:
        offsets = each[outside] - known
        gaps.append(np.square(offsets).mean())

    number = int(np.argmin(gaps))
    out = np.where(region[..., None], normal[number], image)
    return out.astype(np.float32)
