"""Random geometry for an object and its mask alike, without mixing pixels."""

import math

import numpy as np

from synthgen.sample import PaletteImage


def sample_transform(rng: np.random.Generator) -> list[float]:
    """Return a random rotation by any angle, with a shear in [-0.3, 0.3] and an aspect in [0.75, 1.33].

    Returns
    -------
    list of float
        The matrix a, b, c, d of `transform`, rounded.
    """
    turn, slant, stretch = rng.random(3).tolist()
    angle = 2 * math.pi * turn
    shear = 0.6 * slant - 0.3
    aspect = (4 / 3) ** (2 * stretch - 1)

    cos = math.cos(angle)
    sin = math.sin(angle)
    matrix = (
        cos * aspect,
        (cos * shear - sin) / aspect,
        sin * aspect,
        (sin * shear + cos) / aspect,
    )
    return [round(value, 6) for value in matrix]


def transform(pixels, cover: np.ndarray, matrix: list[float]) -> tuple:
    """Return an object and its cover, transformed about their center; each pixel is the nearest one of the source.

    Parameters
    ----------
    pixels : PaletteImage, or ndarray, (h, w, 3) or (h, w)
    cover : ndarray of bool or float32, (h, w)
    matrix : list of float
        a, b, c, d: from a place in the result, relative to its center, to the place in the source.

    Returns
    -------
    pixels : PaletteImage or ndarray
    cover : ndarray
        As large as the transformed object.
    """
    if isinstance(pixels, PaletteImage):
        indices, cover = transform(pixels.indices, cover, matrix)
        return PaletteImage(indices, pixels.colors), cover

    rows, columns = _places(cover.shape, matrix)
    inside = _within(rows, cover.shape[0]) & _within(columns, cover.shape[1])
    rows = np.where(inside, rows, 0)
    columns = np.where(inside, columns, 0)

    nothing = cover.dtype.type(0)
    moved = np.where(inside, cover[rows, columns], nothing)
    return pixels[rows, columns], moved


def _places(shape: tuple[int, int], matrix: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of the source that each pixel of the result comes from, int (h, w)."""
    a, b, c, d = matrix
    height, width = shape

    # the inverse matrix takes the corners of the object to those of the result
    determinant = abs(a * d - b * c)
    tall = abs(d) * height + abs(b) * width
    wide = abs(c) * height + abs(a) * width
    y = _around_center(math.ceil(tall / determinant))[:, None]
    x = _around_center(math.ceil(wide / determinant))

    rows = a * y + b * x + (height - 1) / 2
    columns = c * y + d * x + (width - 1) / 2
    return np.rint(rows).astype(int), np.rint(columns).astype(int)


def _around_center(count: int) -> np.ndarray:
    """Return the positions of so many pixels in a row, relative to their middle."""
    return np.arange(count, dtype=np.float64) - (count - 1) / 2


def _within(places: np.ndarray, count: int) -> np.ndarray:
    return (places >= 0) & (places < count)


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

    if orientation & 1:
        array = array.swapaxes(0, 1)
    if orientation & 2:
        array = array[::-1]
    if orientation & 4:
        array = array[:, ::-1]
    return array
