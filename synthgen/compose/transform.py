"""Random geometry for an object and its mask alike, without mixing pixels."""

import math

import numpy as np

from synthgen.sample import PaletteImage


def sample_transform(rng: np.random.Generator) -> list[float]:
    """Draw a rotation by any angle, a shear in [-0.3, 0.3] and an aspect in [0.75, 1.33].

    Returns
    -------
    list of float
        The matrix a, b, c, d of `transform`, rounded.
    """
    u = rng.random(3).tolist()
    angle, shear, aspect = 2 * math.pi * u[0], 0.6 * u[1] - 0.3, (4 / 3) ** (2 * u[2] - 1)
    cos, sin = math.cos(angle), math.sin(angle)
    rows = (cos * aspect, (cos * shear - sin) / aspect), (sin * aspect, (sin * shear + cos) / aspect)
    return [round(value, 6) for row in rows for value in row]


def transform(pixels, cover: np.ndarray, matrix: list[float]) -> tuple:
    """Return an object and its cover, transformed about their centre; each pixel is the nearest one of the source.

    Parameters
    ----------
    pixels : PaletteImage, or ndarray, (h, w, 3) or (h, w)
    cover : ndarray of bool or float32, (h, w)
    matrix : list of float
        a, b, c, d: from a place in the result, relative to its centre, to the place in the source.

    Returns
    -------
    pixels : PaletteImage or ndarray
    cover : ndarray
        As large as the transformed object.
    """
    if isinstance(pixels, PaletteImage):
        indices, cover = transform(pixels.indices, cover, matrix)
        return PaletteImage(indices, pixels.colors), cover
    height, width = cover.shape
    a, b, c, d = matrix
    # the inverse matrix takes the corners of the object to those of the result
    determinant = a * d - b * c
    tall = math.ceil((abs(d) * height + abs(b) * width) / abs(determinant))
    wide = math.ceil((abs(c) * height + abs(a) * width) / abs(determinant))
    y, x = (np.arange(n, dtype=np.float64) - (n - 1) / 2 for n in (tall, wide))
    rows = np.rint(a * y[:, None] + b * x + (height - 1) / 2).astype(int)
    columns = np.rint(c * y[:, None] + d * x + (width - 1) / 2).astype(int)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = np.where(inside, rows, 0), np.where(inside, columns, 0)
    return pixels[rows, columns], np.where(inside, cover[rows, columns], cover.dtype.type(0))


def orient(array, orientation: int):
    """Return a view of an image with its first two axes turned.

    Parameters
    ----------
    array : PaletteImage, or ndarray, (H, W) or (H, W, 3)
    orientation : int
        Bit 0 swaps the axes, bit 1 flips the rows, bit 2 flips the columns of the result.
    """
    if isinstance(array, PaletteImage):
        return PaletteImage(orient(array.indices, orientation), array.colors)
    array = array.swapaxes(0, 1) if orientation & 1 else array
    return array[:: -1 if orientation & 2 else 1, :: -1 if orientation & 4 else 1]
