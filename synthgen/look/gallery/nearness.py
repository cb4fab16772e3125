"""Which classes of a gallery look alike: a map of all of them, and the nearest of each.

What is compared is cheap, and needs no weights: the mean of the small pictures of a class on a coarse grid, which
tells shapes that have their place, and the mean of their spectra, which tells textures wherever they lie. Features
of a network may take their place: see `synthgen.look.gallery.seen`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

# What a class is compared by: parts that weigh the same, each a vector.
Parts = tuple[np.ndarray, ...]
LEAST = 3  # classes of which a map says something
NEAREST = 8
_SIDE = 32  # of the pictures that are compared
_GRID = 8  # cells on each side of the coarse grid
_DIGITS = 3  # of a place: the last bits of a float differ between machines
_DISTANCE_DIGITS = 5
_SHARE_DIGITS = 2


class Features(NamedTuple):
    """What classes are compared by without a network.

    Attributes
    ----------
    layout, spectrum : ndarray of float64, (L,) and (S,)
        Of the mean picture, and of the pictures.
    """

    layout: np.ndarray
    spectrum: np.ndarray


class ClassMap(NamedTuple):
    """Where classes lie, like ones close to each other.

    Attributes
    ----------
    places : list of (float, float)
        For each class x and y in 0..1.
    shape : float
        Height of the map, divided by its width.
    nearest : list of list of int
        For each class the places of the nearest ones in the list of classes, the nearest first.
    explained : float
        Share of all that differs between the classes that the map shows, 0..1.
    """

    places: list[list[float]]
    shape: float
    nearest: list[list[int]]
    explained: float


def features_of(images: Sequence[Image.Image]) -> Features:
    """Return what the images of a class are compared by: without colors, which are by chance in many families."""
    gray = [_gray(image) for image in images]
    spectra = [_spectrum(picture) for picture in gray]
    spectrum = np.mean(spectra, axis=0)

    cell = _SIDE // _GRID
    mean = np.mean(gray, axis=0)
    cells = mean.reshape(_GRID, cell, _GRID, cell)
    layout = cells.mean(axis=(1, 3))
    return Features(layout.ravel(), spectrum.ravel())


def _gray(image: Image.Image) -> np.ndarray:
    """Return the gray values of an image, small, in 0..1."""
    gray = image.convert("L")
    size = (_SIDE, _SIDE)
    small = gray.resize(size, Image.Resampling.BOX)
    values = np.asarray(small, np.float64)
    return values / 255


def _spectrum(picture: np.ndarray) -> np.ndarray:
    """Return how strong each frequency is in a picture, whatever its mean."""
    level = picture.mean()
    waves = np.fft.rfft2(picture - level, norm="ortho")
    amplitudes = np.abs(waves)
    return np.log1p(amplitudes)


def class_map(classes: Sequence[Parts]) -> ClassMap | None:
    """Return where classes lie by what they are compared by; None of fewer than three classes.

    The map is that of the two principal components. The nearest classes are so by all components.
    """
    if len(classes) < LEAST:
        return None

    weighed = []
    for of_classes in zip(*classes, strict=True):
        values = np.array(of_classes)
        part = _weighed(values)
        weighed.append(part)
    vectors = np.concatenate(weighed, axis=1)

    turned, explained = _principal(vectors)
    places, shape = _framed(turned)
    nearest = _nearest(vectors)
    return ClassMap(places, shape, nearest, explained)


def _weighed(values: np.ndarray) -> np.ndarray:
    """Return a part of the features of all classes, (N, F), about its mean, in units of its whole deviation."""
    middle = values.mean(axis=0)
    centered = values - middle
    squares = np.sum(centered**2, axis=1)
    mean_square = squares.mean()
    deviation = np.sqrt(mean_square)
    return centered / deviation if deviation > 0 else centered


def _principal(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the two principal components of vectors (N, F), (N, 2), and their share of the variance."""
    left, sizes, _ = np.linalg.svd(vectors, full_matrices=False)
    places = left[:, :2] * sizes[:2]

    variances = sizes**2
    total = variances.sum()
    shown = variances[:2].sum()
    explained = shown / total if total > 0 else 1.0
    share = round(float(explained), _SHARE_DIGITS)

    # the sign of a component is by chance: its farthest class gets a positive number
    farthest = np.abs(places).argmax(axis=0)
    columns = np.arange(places.shape[1])
    ends = places[farthest, columns]
    return np.where(ends < 0, -places, places), share


def _framed(places: np.ndarray) -> tuple[list[list[float]], float]:
    """Return places in 0..1 on both axes, and the height of their frame divided by its width."""
    low = places.min(axis=0)
    high = places.max(axis=0)
    extent = high - low
    scale = np.where(extent > 0, extent, 1)
    framed = np.round((places - low) / scale, _DIGITS)

    width, height = extent.tolist()
    shape = height / width if width > 0 else 1.0
    return framed.tolist(), round(shape, _DIGITS)


def _nearest(vectors: np.ndarray) -> list[list[int]]:
    """Return for each of some vectors (N, F) the numbers of the nearest others, the nearest first."""
    products = vectors @ vectors.T
    squares = np.diag(products)
    sums = squares[:, None] + squares
    distances = sums - 2 * products
    # equal but for the last bits is equal: then the first one comes first
    rounded = np.round(distances, _DISTANCE_DIGITS)
    np.fill_diagonal(rounded, np.inf)

    order = np.argsort(rounded, axis=1, kind="stable")
    nearest = order[:, : len(vectors) - 1]
    return nearest[:, :NEAREST].tolist()
