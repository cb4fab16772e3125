import numpy as np
import pytest

from synthgen.texture.paint import Exposure, Light, normals, paint

DARK = Light(0.0, (0.0, 0.0))
PLAIN = Exposure(1.0, 0.0, 3)
TEXTURE = {
    "tone": [100.0, 20.0],
    "colors": [[10.0, 0.0, -10.0], [1.0, 1.0, 0.5], [0.0, 0.5, 0.0]],
    "relief": 0.0,
    "grain": 0.0,
}


def painted(texture=TEXTURE, light=DARK, exposure=PLAIN, slope=0.0, size=(12, 16)):
    rows, columns = size
    mixture = np.full((rows + 2, columns + 2), 1.0) + slope * np.arange(columns + 2)
    image = np.zeros((*size, 3), np.uint8)
    top = np.ones(size, np.uint8)
    paint(image, (top, 1), (0, 0), (mixture, np.full_like(mixture, 2.0)), texture, 1.0, light, exposure)
    return image


def test_color_is_the_middle_and_two_directions_times_the_contrast():
    assert np.unique(painted().reshape(-1, 3), axis=0).tolist() == [[130, 140, 100]]


def test_contrast_and_brightness_change_what_they_say():
    image = painted(exposure=Exposure(0.5, -5.0, 3))
    assert np.unique(image.reshape(-1, 3), axis=0).tolist() == [[115, 115, 90]]


def test_a_slope_toward_the_light_is_brighter_than_one_away_from_it():
    relief = {**TEXTURE, "relief": 1.0, "colors": [[0.0] * 3, [0.0] * 3, [0.0] * 3]}
    flat = painted(relief).mean()
    toward = painted(relief, slope=0.4).mean()
    away = painted(relief, slope=-0.4).mean()
    assert toward > flat + 5 > away + 10


def test_the_grain_has_the_deviation_of_the_texture_and_mean_0():
    image = painted({**TEXTURE, "grain": 4.0}, size=(120, 120)).astype(float)
    difference = image - painted(size=(120, 120))
    assert abs(difference.mean()) < 0.1
    assert difference.std() == pytest.approx(4.0, abs=0.15)


def test_light_grows_over_the_image_by_its_slope():
    image = painted(light=Light(0.0, (0.2, 0.0)), size=(100, 8)).astype(float)
    assert image[-1].mean() / image[0].mean() == pytest.approx(1.1 / 0.9, abs=0.01)


def test_pixels_of_other_regions_stay():
    image = np.full((6, 6, 3), 7, np.uint8)
    top = np.ones((6, 6), np.uint8)
    top[:, 3:] = 2
    planes = np.ones((8, 8)), np.ones((8, 8))
    paint(image, (top, 2), (0, 0), planes, TEXTURE, 1.0, DARK, PLAIN)
    assert (image[:, :3] == 7).all()
    assert (image[:, 3:] != 7).any(axis=2).all()


def test_normals_of_a_tilted_plane_are_perpendicular_to_it():
    rows, columns = np.mgrid[0:6, 0:8]
    vectors = normals(0.5 * columns - 0.25 * rows)
    assert vectors.shape == (4, 6, 3)
    expected = np.array([-0.5, -0.25, 1]) / np.linalg.norm([0.5, 0.25, 1])
    np.testing.assert_allclose(vectors, np.broadcast_to(expected, vectors.shape), atol=1e-6)
