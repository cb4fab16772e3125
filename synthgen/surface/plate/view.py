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
        height, width = self.shape
        y = -(height - 1) / 2 * self.pitch
        x = -(width - 1) / 2 * self.pitch
        return y, x

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The part of the plate that is seen, (y0, x0, y1, x1) in mm."""
        plate_height, plate_width = PLATE
        height, width = self.shape
        seen_height = min(plate_height, height * self.pitch)
        seen_width = min(plate_width, width * self.pitch)

        y = seen_height / 2
        x = seen_width / 2
        return -y, -x, y, x

    @property
    def pixels_of_plate(self) -> tuple[slice, slice]:
        """Rows and columns whose centers lie on the plate."""
        rows = self._span_on_plate(0)
        columns = self._span_on_plate(1)
        return rows, columns

    def _span_on_plate(self, axis: int) -> slice:
        """Return the pixels along an axis whose centers lie on the plate."""
        # the same float32 sums as where the pixels are drawn
        first = f32(self.corner[axis])
        pitch = f32(self.pitch)
        steps = np.arange(self.shape[axis], dtype=f32)
        places = first + steps * pitch

        half = f32(PLATE[axis] / 2)
        inside = np.flatnonzero(np.abs(places) <= half)
        begin = int(inside[0])
        last = int(inside[-1])
        return slice(begin, last + 1)

    def point_at(self, at) -> tuple[float, float]:
        """Return (x, y) in mm of a place given as a share of the seen part of the plate, (row, column)."""
        row, column = at
        top, left, bottom, right = self.window
        height = bottom - top
        width = right - left

        x = left + column * width
        y = top + row * height
        return x, y

    def pixel_of(self, x, y):
        """Return (row, column), with parts, of points in mm; the middle of the first pixel is (0, 0)."""
        top, left = self.corner
        row = (y - top) / self.pitch
        column = (x - left) / self.pitch
        return row, column


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
        plate_height, plate_width = PLATE
        widest = min(plate_width, plate_height * width / height)
        field_of_view = _SEEN * widest

    pitch = round(field_of_view / width, 9)
    return PlateView((height, width), pitch)
