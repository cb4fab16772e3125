import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.optics.brushed import sample_brushed
from synthgen.surface.optics.light import sample_light
from synthgen.surface.plate.brightness import prepare, radiance
from synthgen.surface.plate.view import PLATE, view_of

SIZE = (96, 120)


def texture(index=0):
    return sample_brushed(generator(0, 0, index, "texture"))


def light(kind="ring", index=0):
    return sample_light(generator(0, 0, index, "light"), kind)


def test_the_plate_fills_the_picture_unless_the_field_of_view_is_wider():
    for size in (SIZE, (128, 128), (64, 200), (200, 64)):
        y0, x0, y1, x1 = view_of(size).window
        pitch = view_of(size).pitch
        assert (y1 - y0, x1 - x0) == pytest.approx((size[0] * pitch, size[1] * pitch))
        assert view_of(size).pixels_of_plate == (slice(0, size[0]), slice(0, size[1]))
    wide = view_of(SIZE, 240)
    picture = radiance(prepare(texture(), light(), wide), wide)
    rows, columns = wide.pixels_of_plate
    assert (rows.stop - rows.start, columns.stop - columns.start) == (50, 60)
    outside = np.ones(SIZE, bool)
    outside[rows, columns] = False
    assert len(np.unique(picture[outside])) == 1
    assert picture[rows, columns].min() > picture[0, 0]
    assert wide.window == (-PLATE[0] / 2, -PLATE[1] / 2, PLATE[0] / 2, PLATE[1] / 2)


def test_the_same_plate_is_seen_at_any_size_and_field_of_view():
    def picture(size, field_of_view=None):
        view = view_of(size, field_of_view)
        return radiance(prepare({**texture(), "direction": 0.0}, light(), view), view)

    whole, half = picture((120, 144), 96), picture((60, 72), 48)
    assert np.allclose(whole[30:90, 36:108], half, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("field_of_view", [None, 50, 240])
def test_places_and_pixels_agree(field_of_view):
    view = view_of(SIZE, field_of_view)
    x, y = view.point_at((0.5, 0.5))
    assert view.pixel_of(x, y) == pytest.approx((47.5, 59.5))
    top, left = view.corner
    assert view.pixel_of(left + 3 * view.pitch, top + 2 * view.pitch) == pytest.approx((2, 3))


@pytest.mark.parametrize("size", [SIZE, (100, 100), (60, 200)])
def test_places_over_a_plate_cover_it_and_overlap_a_little(size):
    seen = np.zeros((100, 120), int)
    for row in range(3):
        for column in range(4):
            view = view_of(size, None, (row, column), (3, 4))
            y, x = np.array(view.corner) - view.pitch / 2
            height, width = np.array(view.shape) * view.pitch
            rows = np.arange(100) - 49.5
            columns = np.arange(120) - 59.5
            inside_rows = (rows > y) & (rows < y + height)
            inside_columns = (columns > x) & (columns < x + width)
            seen += inside_rows[:, None] & inside_columns
            # places of objects are shares of the whole plate
            assert view.point_at((0.5, 0.5)) == (0, 0)
    assert seen.min() >= 1
    assert (seen > 1).any()


def test_camera_and_light_stand_over_the_place():
    still = {**texture(), "direction": 0.0, "slope": 0.0, "contrast": 0.0}
    pictures = []
    for place in ((0, 0), (1, 1)):
        view = view_of((60, 72), 30, place, (2, 2))
        pictures.append(radiance(prepare(still, light(), view), view))
    assert np.allclose(*pictures, atol=1e-4)
