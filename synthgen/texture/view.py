"""A window of an endless texture: where it lies, how it is turned, and how large a pixel is."""

import math
from typing import NamedTuple

import numba
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
    down, right, size, turn, first_mirror, second_mirror = rng.random(6).tolist()
    low, high = scale
    factor = low * (high / low) ** size
    angle = rotation * (2 * turn - 1)

    # to mirror up and down is to mirror left and right and to turn by 180 degrees
    mirrored = flips and first_mirror < 0.5
    upside_down = flips and second_mirror < 0.5
    if upside_down:
        mirrored = not mirrored
        angle += 180

    row = round(reach * (2 * down - 1), 3)
    column = round(reach * (2 * right - 1), 3)
    return View((row, column), round(factor, 6), round(angle, 3), mirrored)


def places(
    view: View, size: tuple[int, int], box: tuple[int, int, int, int], wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the texture under pixels of a box of an image.

    Parameters
    ----------
    view : View
    size : (int, int)
        Height and width of the image.
    box : (int, int, int, int)
        Top, left, bottom and right, the last two exclusive; it may reach beyond the image.
    wanted : ndarray of int64, (N,)
        Numbers of the pixels of the box, counted line by line.

    Returns
    -------
    rows, columns : ndarray of float64, (N,)
    """
    step = step_of(view)
    return _places(view.center, step, view.mirrored, size, box, wanted)


def step_of(view: View) -> tuple[float, float]:
    """Return by how much row and column of the texture grow from one row of pixels to the next."""
    turn = math.radians(view.angle)
    cosine = round(math.cos(turn), 9)
    sine = round(math.sin(turn), 9)
    return view.scale * cosine, view.scale * sine


@numba.njit(cache=True)
def _places(center, step, mirrored, size, box, wanted):
    height, width = size
    top, left, _, right = box
    across = right - left
    center_row, center_column = center
    cosine, sine = step
    middle_row = (height - 1) / 2
    middle_column = (width - 1) / 2
    rows = np.empty(len(wanted))
    columns = np.empty(len(wanted))

    for i in range(len(wanted)):
        r = wanted[i] // across
        c = wanted[i] - r * across
        down = top + r - middle_row
        along = left + c - middle_column
        if mirrored:
            along = -along
        rows[i] = center_row + cosine * down - sine * along
        columns[i] = center_column + sine * down + cosine * along
    return rows, columns
