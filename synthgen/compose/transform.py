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
    exponent = 2 * stretch - 1
    aspect = (4 / 3) ** exponent

    cos = math.cos(angle)
    sin = math.sin(angle)
    sheared_cos = cos * shear - sin
    sheared_sin = sin * shear + cos
    matrix = (
        cos * aspect,
        sheared_cos / aspect,
        sin * aspect,
        sheared_sin / aspect,
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
    height, width = cover.shape
    inside = _within(rows, height) & _within(columns, width)
    rows = np.where(inside, rows, 0)
    columns = np.where(inside, columns, 0)

    nothing = cover.dtype.type(0)
    moved_cover = cover[rows, columns]
    moved_cover = np.where(inside, moved_cover, nothing)
    moved_pixels = pixels[rows, columns]
    return moved_pixels, moved_cover


def _places(shape: tuple[int, int], matrix: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of the source that each pixel of the result comes from, int (h, w)."""
    a, b, c, d = matrix
    height, width = shape

    # the inverse matrix takes the corners of the object to those of the result
    determinant = a * d - b * c
    scale = abs(determinant)
    tall = abs(d) * height + abs(b) * width
    wide = abs(c) * height + abs(a) * width

    # from the result to the source
    x = _around_center(wide / scale)
    y = _around_center(tall / scale)
    y = y[:, None]
    rows = a * y + b * x
    rows += _middle(height)
    columns = c * y + d * x
    columns += _middle(width)
    return _whole(rows), _whole(columns)


def _whole(places: np.ndarray) -> np.ndarray:
    """Return places rounded to pixels."""
    return np.rint(places).astype(int)


def _around_center(length: float) -> np.ndarray:
    """Return the positions of the pixels that a length takes, relative to their middle."""
    count = math.ceil(length)
    positions = np.arange(count, dtype=np.float64)
    return positions - _middle(count)


def _middle(count: int) -> float:
    """Return the position of the middle of so many pixels in a row."""
    return (count - 1) / 2


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
        indices = orient(array.indices, orientation)
        return PaletteImage(indices, array.colors)

    if orientation & 1:
        array = array.swapaxes(0, 1)
    if orientation & 2:
        array = array[::-1]
    if orientation & 4:
        array = array[:, ::-1]
    return array
