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
    bounded = np.clip(filled, small.min(axis=(0, 1)), small.max(axis=(0, 1)))

    whole = _enlarged(bounded, step, region.shape)
    out = np.where(region[..., None], whole, image)
    return out.astype(np.float32)


def _reduced(image: np.ndarray, region: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means of squares of pixels outside the region, and the squares that have none."""
    height, width = region.shape
    below = -height % step
    right = -width % step
    pixels = np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")
    known = ~np.pad(region, ((0, below), (0, right)), mode="edge")

    count = _sums(known[..., None].astype(float), step)
    total = _sums(pixels * known[..., None], step)
    inside = count[..., 0] < step**2 / 2
    if inside.all():  # thin seams are all that is known
        inside = count[..., 0] == 0
    return total / np.maximum(count, 1), inside


def _sums(values: np.ndarray, step: int) -> np.ndarray:
    height, width, channels = values.shape
    squares = values.reshape(height // step, step, width // step, step, channels)
    return squares.sum(axis=(1, 3))


def _enlarged(image: np.ndarray, step: int, size: tuple[int, int]) -> np.ndarray:
    """Return an image enlarged bilinearly by a factor, and cut to a size."""
    if step == 1:
        return image

    from scipy.ndimage import map_coordinates

    rows = (np.arange(size[0]) + 0.5) / step - 0.5
    columns = (np.arange(size[1]) + 0.5) / step - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    channels = [map_coordinates(image[..., i], grid, order=1, mode="nearest") for i in range(image.shape[2])]
    return np.stack(channels, axis=2)


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
        raise UsageError(f"normal must be images (N, {', '.join(map(str, image.shape))}), got {normal.shape}")

    outside = ~region
    gaps = [np.square(each[outside] - image[outside]).mean() for each in normal]
    nearest = normal[int(np.argmin(gaps))]
    return np.where(region[..., None], nearest, image).astype(np.float32)
