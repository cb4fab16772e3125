"""A window of an endless texture: where it lies, how it is turned, and how large a pixel is."""

import math
from typing import NamedTuple

import numpy as np


class View(NamedTuple):
    """A window of a texture.

    Attributes
    ----------
    center : (float, float)
        Row and column of the texture in the middle of the image.
    scale : float
        Units of the texture in a pixel: above 1 the texture is seen smaller.
    angle : float
        Degrees by which the window is turned.
    mirrored : bool
        Whether left and right change places.
    """

    center: tuple[float, float]
    scale: float
    angle: float
    mirrored: bool


def sample_view(
    rng: np.random.Generator, scale: tuple[float, float], rotation: float, flips: bool, reach: float = 4000.0
) -> View:
    """Return a random window: its middle within `reach` of the origin, its scale uniform in octaves."""
    down, right, size, turn, *mirrors = rng.random(6).tolist()
    low, high = scale
    factor = low * (high / low) ** size
    angle = rotation * (2 * turn - 1)

    # to mirror up and down is to mirror left and right and to turn by 180 degrees
    mirrored, upside_down = (flips and mirror < 0.5 for mirror in mirrors)
    if upside_down:
        angle += 180
    center = round(reach * (2 * down - 1), 3), round(reach * (2 * right - 1), 3)
    return View(center, round(factor, 6), round(angle, 3), mirrored != upside_down)


def places(view: View, size: tuple[int, int], box: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the texture under the pixels of a box of an image.

    Parameters
    ----------
    view : View
    size : (int, int)
        Height and width of the image.
    box : (int, int, int, int)
        Top, left, bottom and right, the last two exclusive; it may reach beyond the image.

    Returns
    -------
    rows, columns : ndarray of float64, (N,)
        One number for each pixel of the box, line by line.
    """
    height, width = size
    top, left, bottom, right = box
    down = np.arange(top, bottom)[:, None] - (height - 1) / 2
    along = np.arange(left, right) - (width - 1) / 2
    if view.mirrored:
        along = -along

    turn = math.radians(view.angle)
    cosine = view.scale * round(math.cos(turn), 9)
    sine = view.scale * round(math.sin(turn), 9)
    center_row, center_column = view.center
    rows = center_row + cosine * down - sine * along
    columns = center_column + sine * down + cosine * along
    return rows.ravel(), columns.ravel()
