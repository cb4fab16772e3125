"""The plate, and which part of it an image shows.

Everything is measured in mm from the middle of the plate, y down the rows and x along the columns.
"""

from typing import NamedTuple

import numpy as np

f32 = np.float32

# Height and width of the plate, mm; its longer side lies along the columns.
PLATE = (100.0, 120.0)
# Share of the plate that is seen where no field of view is given: its edge stays outside.
_SEEN = 0.985


class PlateView(NamedTuple):
    """Which part of the plane of the plate an image shows.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    pitch : float
        Side of a pixel, mm.
    """

    shape: tuple[int, int]
    pitch: float

    @property
    def corner(self) -> tuple[float, float]:
        """(y, x) of the center of the first pixel, mm."""
        y, x = (-(size - 1) / 2 * self.pitch for size in self.shape)
        return y, x

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The part of the plate that is seen, (y0, x0, y1, x1) in mm."""
        height, width = self.shape
        y = min(PLATE[0], height * self.pitch) / 2
        x = min(PLATE[1], width * self.pitch) / 2
        return -y, -x, y, x

    @property
    def pixels_of_plate(self) -> tuple[slice, slice]:
        """Rows and columns whose centers lie on the plate."""
        rows, columns = map(self._span_on_plate, (0, 1))
        return rows, columns

    def _span_on_plate(self, axis: int) -> slice:
        """Return the pixels along an axis whose centers lie on the plate."""
        # the same float32 sums as where the pixels are drawn
        steps = np.arange(self.shape[axis], dtype=f32)
        places = f32(self.corner[axis]) + steps * f32(self.pitch)
        inside = np.flatnonzero(np.abs(places) <= f32(PLATE[axis] / 2))
        return slice(int(inside[0]), int(inside[-1]) + 1)

    def point_at(self, at) -> tuple[float, float]:
        """Return (x, y) in mm of a place given as a share of the seen part of the plate, (row, column)."""
        row, column = at
        y0, x0, y1, x1 = self.window
        x = x0 + column * (x1 - x0)
        y = y0 + row * (y1 - y0)
        return x, y

    def pixel_of(self, x, y):
        """Return (row, column), with parts, of points in mm; the middle of the first pixel is (0, 0)."""
        top, left = self.corner
        return (y - top) / self.pitch, (x - left) / self.pitch


def view_of(shape: tuple[int, int], field_of_view: float | None = None) -> PlateView:
    """Return the view of an image.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    field_of_view : float, optional
        Width of what the image shows, mm; by default as much as lies on the plate.

    Returns
    -------
    PlateView
    """
    height, width = shape
    if field_of_view is None:
        field_of_view = _SEEN * min(PLATE[1], PLATE[0] * width / height)
    return PlateView(tuple(shape), round(field_of_view / width, 9))
