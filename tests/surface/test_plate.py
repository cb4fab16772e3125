import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.optics.brushed import ACROSS, ALONG, sample_brushed, streaks
from synthgen.surface.optics.camera import blur_taps, develop, grown, reach_of
from synthgen.surface.optics.light import CAMERA_DISTANCE, INNER, LIGHT_HEIGHT, OUTER, reflection_map, sample_light
from synthgen.surface.plate import _AMBIENT, _BRIGHT, PLATE, prepare, radiance, view_of

SIZE = (96, 120)


def texture(index=0):
    return sample_brushed(generator(0, 0, index, "texture"))


def light(kind="ring", index=0):
    return sample_light(generator(0, 0, index, "light"), kind)


def at(values, row, column):
    """Look a table up by linear interpolation, point by point."""
    r, c = int(row), int(column)
    y, x = row - r, column - c
    top = values[r, c] * (1 - x) + values[r, c + 1] * x
    return top * (1 - y) + (values[r + 1, c] * (1 - x) + values[r + 1, c + 1] * x) * y


def test_brightness_equals_a_plain_look_up_point_by_point():
    brushed, view = texture(), view_of(SIZE)
    plate = prepare(brushed, light(), view)
    drawn = radiance(plate, view)
    table = streaks(brushed, view.pitch).astype(np.float64)
    mirrored = reflection_map(light(), brushed["direction"], brushed["roughness"])
    turn = np.deg2rad(brushed["direction"])
    cosine, sine = np.cos(turn), np.sin(turn)
    middle = [(n - 1) / 2 for n in table.shape[:2]]
    for r, c in [(0, 0), (10, 100), (48, 60), (95, 119), (70, 3)]:
        y, x = (a + n * view.pitch for a, n in zip(view.corner, (r, c), strict=True))
        u, v = cosine * x + sine * y, cosine * y - sine * x
        # where the row of pixels crosses the two columns of the table around the point
        column = u / ALONG + middle[1]
        nodes = []
        for k in (int(column), int(column) + 1):
            node_x = ((k - middle[1]) * ALONG - sine * y) / cosine
            nodes.append(at(table, (cosine * y - sine * node_x) / ACROSS + middle[0], k))
        slope, change = nodes[0] + (column - int(column)) * (nodes[1] - nodes[0])
        seen = np.array([v, u]) * (1 + LIGHT_HEIGHT / CAMERA_DISTANCE) - 2 * LIGHT_HEIGHT * np.array([slope, 0])
        shine = at(mirrored.values.astype(np.float64), *((seen - mirrored.start) / mirrored.step))
        assert drawn[r, c] == pytest.approx(
            brushed["reflectance"] * (1 + change) * (_AMBIENT + _BRIGHT * shine), rel=1e-3
        )


def test_streaks_run_along_the_brushing():
    table = streaks(texture(), ACROSS)[200:-200, 10:-10]
    for channel in range(2):
        values = table[..., channel]
        along, across = np.abs(np.diff(values, axis=1)).mean(), np.abs(np.diff(values, axis=0)).mean()
        # neighbours a whole millimetre apart along a streak are as alike as those 0.05 mm apart across it
        assert along < across
        assert abs(values.mean()) < 0.2 * values.std()


def test_streaks_have_the_asked_strength():
    for index in range(4):
        params = texture(index)
        table = streaks({**params, "marks": 0}, ACROSS)
        assert table[..., 0].std() == pytest.approx(params["slope"], rel=0.15)
        assert table[..., 1].std() == pytest.approx(params["contrast"], rel=0.15)


def test_coarse_pixels_see_the_mean_of_fine_streaks():
    fine, coarse = streaks(texture(), ACROSS), streaks(texture(), 9 * ACROSS)
    middle = slice(100, -100)
    means = np.stack([np.roll(fine, k, axis=0) for k in range(-4, 5)]).mean(axis=0)
    assert np.allclose(coarse[middle], means[middle], atol=1e-6)


def test_the_mirrored_light_is_a_hexagonal_ring():
    sharp = reflection_map(light(), 0.0, (1e-5, 1e-5))

    def shine(x, y):
        return at(sharp.values, (y - sharp.start[0]) / sharp.step[0], (x - sharp.start[1]) / sharp.step[1])

    assert shine(0, 0) == 0
    assert shine(0, (INNER + OUTER) / 2) == pytest.approx(1, abs=1e-3)
    # flats lie at 30, 90 and 150 degrees, so that a corner points along x
    corner = OUTER / np.cos(np.pi / 6)
    assert shine(corner - 5, 0) == pytest.approx(1, abs=1e-3)
    assert shine(corner + 5, 0) == shine(0, OUTER + 5) == 0
    turned = reflection_map(light("ring-rotated"), 0.0, (1e-5, 1e-5))
    assert (
        at(turned.values, -turned.start[0] / turned.step[0], (corner - 5 - turned.start[1]) / turned.step[1]) == 0
    )


def test_the_large_light_is_the_ring_scaled_by_two_and_dimmer():
    small, large = (reflection_map(light(k), 0.0, (1e-5, 1e-5)).values for k in ("ring", "ring-large"))
    assert large.max() / small.max() == pytest.approx(2**-0.5, rel=1e-3)
    areas = [values.sum() / values.max() for values in (small, large)]
    assert areas[1] / areas[0] == pytest.approx(4, rel=0.01)


def test_the_highlight_is_stretched_across_the_brushing():
    def spread(direction):
        values = reflection_map(light(), direction, (0.006, 0.05)).values
        sharp = reflection_map(light(), direction, (1e-5, 1e-5)).values
        return [abs(a - b) for a, b in zip(moments(values), moments(sharp), strict=True)]

    def moments(values):
        rows, columns = (np.arange(n) - (n - 1) / 2 for n in values.shape)
        total = values.sum()
        return (values.sum(1) * rows**2).sum() / total * 2.5**2, (values.sum(0) * columns**2).sum() / total

    across, along = spread(0.0)
    assert across > 10 * along


def test_random_lights_differ_and_nominal_ones_do_not():
    assert light("ring", 0) == light("ring", 1)
    drawn = [light("random", k) for k in range(50)]
    assert len({d["rotation"] for d in drawn}) == 50
    assert all(0.7 <= d["scale"] <= 2.2 for d in drawn)


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


def test_blur_equals_a_plain_convolution():
    rng = np.random.default_rng(0)
    picture = rng.random((20, 25), dtype=np.float32)
    taps, reach = blur_taps(1.3).astype(np.float64), reach_of(1.3)
    padded = np.pad(picture.astype(np.float64), reach, mode="edge")
    plain = sum(a * b * padded[i : i + 20, j : j + 25] for i, a in enumerate(taps) for j, b in enumerate(taps))
    assert np.abs(develop(picture, 1.0, 1.3, None) - np.rint(255 * plain)).max() <= 1
    assert taps.sum() == pytest.approx(1, abs=1e-5)


def test_masks_grow_as_far_as_the_blur_reaches():
    picture = np.full((31, 31), 0.3, np.float32)
    changed = picture.copy()
    changed[15, 12] = 900
    mask = changed != picture
    differ = develop(picture, 1.0, 2.0, None) != develop(changed, 1.0, 2.0, None)
    assert np.array_equal(grown(mask, 2.0), differ)
    assert grown(mask, 2.0).sum() == (2 * reach_of(2.0) + 1) ** 2
    assert np.array_equal(grown(mask, 0.0), mask)


def test_noise_has_the_asked_strength_and_no_bias():
    white = np.full((300, 300), 100 / 255, np.float32)
    taken = develop(white, 1.0, 0.0, {"sigma": 10.0, "seed": 3}).astype(float)
    assert taken.mean() == pytest.approx(100, abs=0.2)
    assert taken.std() == pytest.approx(10 * (100 / 255 + 0.04) ** 0.5, rel=0.03)
    assert np.array_equal(taken, develop(white, 1.0, 0.0, {"sigma": 10.0, "seed": 3}))
    assert not np.array_equal(taken, develop(white, 1.0, 0.0, {"sigma": 10.0, "seed": 4}))


def test_overexposed_pixels_are_white_and_exposure_is_a_factor():
    picture = np.array([[0.1, 0.4, 3.0]], np.float32)
    assert develop(picture, 1.0, 0.0, None).tolist() == [[26, 102, 255]]
    assert develop(picture, 2.0, 0.0, None).tolist() == [[51, 204, 255]]
