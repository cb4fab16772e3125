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
# Of several places on a plate, neighbors overlap by this share of their distance.
_OVERLAP = 0.1


class PlateView(NamedTuple):
    """Which part of the plane of the plate an image shows.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels.
    pitch : float
        Side of a pixel, mm.
    middle : (float, float)
        (y, x) of the middle of the image, over which camera and light stand, mm.
    whole : bool
        Whether places of objects are shares of the whole plate, or of what is seen of it.
    """

    shape: tuple[int, int]
    pitch: float
    middle: tuple[float, float] = (0.0, 0.0)
    whole: bool = False

    @property
    def corner(self) -> tuple[float, float]:
        """(y, x) of the center of the first pixel, mm."""
        height, width = self.shape
        middle_y, middle_x = self.middle
        y = middle_y - (height - 1) / 2 * self.pitch
        x = middle_x - (width - 1) / 2 * self.pitch
        return y, x

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The part of the plate in which objects lie, that which is seen or all of it, (y0, x0, y1, x1) in mm."""
        plate_height, plate_width = PLATE
        if self.whole:
            return -plate_height / 2, -plate_width / 2, plate_height / 2, plate_width / 2

        top, bottom = self._seen_span(0)
        left, right = self._seen_span(1)
        return top, left, bottom, right

    def _seen_span(self, axis: int) -> tuple[float, float]:
        """Return the first and the last place along an axis that is seen and on the plate, mm."""
        half = self.shape[axis] * self.pitch / 2
        edge = PLATE[axis] / 2
        middle = self.middle[axis]
        return max(middle - half, -edge), min(middle + half, edge)

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

    def point_of_pixel(self, row: int, column: int) -> tuple[float, float]:
        """Return (x, y) in mm of the middle of a pixel."""
        top, left = self.corner
        x = left + column * self.pitch
        y = top + row * self.pitch
        return x, y

    def pixel_of(self, x, y):
        """Return (row, column), with parts, of points in mm; the middle of the first pixel is (0, 0)."""
        top, left = self.corner
        row = (y - top) / self.pitch
        column = (x - left) / self.pitch
        return row, column


def view_of(
    shape: tuple[int, int],
    field_of_view: float | None = None,
    place: tuple[int, int] | None = None,
    places: tuple[int, int] | None = None,
) -> PlateView:
    """Return the view of an image.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.
    field_of_view : float, optional
        Width of what the image shows, mm; by default as much as lies on the plate, or with `places` so much that
        neighbors overlap a little.
    place, places : (int, int), optional
        Row and column of the image on a grid over the plate, and rows and columns of that grid. By default the
        image shows the middle of the plate.

    Returns
    -------
    PlateView
    """
    height, width = shape
    rows, columns = places or (1, 1)
    plate_height, plate_width = PLATE
    step = (plate_height / rows, plate_width / columns)
    if field_of_view is None and places is None:
        field_of_view = _SEEN * min(plate_width, plate_height * width / height)
    elif field_of_view is None:
        field_of_view = (1 + _OVERLAP) * max(step[1], step[0] * width / height)

    pitch = round(field_of_view / width, 9)
    if place is None:
        return PlateView((height, width), pitch)

    row, column = place
    y = (row + 0.5) * step[0] - plate_height / 2
    x = (column + 0.5) * step[1] - plate_width / 2
    middle = (round(y, 9), round(x, 9))
    return PlateView((height, width), pitch, middle, whole=True)


def view_of_camera(shape: tuple[int, int], camera: dict) -> PlateView:
    """Return the view of an image by the ``camera`` of a sample."""
    return view_of(shape, camera["field_of_view"], camera["place"], camera["places"])
