import numpy as np
import pytest

from synthgen.mandelbulb.picture import FILTERS, new_picture


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("supersample", range(1, 9))
@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_without_a_hit_is_exactly_the_background(name, supersample, level):
    picture = new_picture((3, 5), supersample, 3, level)
    assert picture.supersample == supersample
    assert np.all(picture.image(name, level) == level)
    assert not picture.coverage().any()


@pytest.mark.parametrize("supersample", range(1, 9))
def test_the_box_filter_is_the_mean_of_a_pixels_samples(supersample):
    picture = new_picture((6, 4), supersample, 3)
    picture.colors[:] = np.random.default_rng(supersample).integers(0, 256, picture.colors.shape)
    blocks = picture.colors.reshape(6, supersample, 4, supersample, 3)
    mean = blocks.mean(axis=(1, 3))
    assert np.all(np.abs(picture.image("box", 0) - mean) <= 0.5)


def test_the_published_filter_leaves_pixels_without_a_hit_alone():
    picture = new_picture((9, 9), 2, 3, 255)
    picture.colors[8:10, 8:10] = 0
    picture.hits[4, 4] = 4
    image = picture.image("lanczos", 255)
    assert np.all(image[4, 4] < 255)
    assert np.all(image[picture.hits == 0] == 255)


def test_opposite_normals_have_no_direction():
    picture = new_picture((1, 2), 2, 3)
    picture.normal[0, 1] = (0, 0.5, 0)
    unit, length = picture.unit_normal()
    assert unit.tolist() == [[[0, 0, 0], [0, 1, 0]]]
    assert length.tolist() == [[0, 0.5]]


def plain_normal(picture, row, column, radius):
    """The mean of all samples that hit around a pixel, sample by sample."""
    total, count = np.zeros(3), 0
    for r in range(max(0, row - radius), min(len(picture.hits), row + radius + 1)):
        for c in range(max(0, column - radius), min(picture.hits.shape[1], column + radius + 1)):
            total += picture.normal[r, c] * float(picture.hits[r, c])
            count += picture.hits[r, c]
    return total / count


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_normals_are_means_over_the_samples_around_a_pixel(radius):
    rng = np.random.default_rng(radius)
    picture = new_picture((9, 12), 2, 3)
    picture.hits[...] = rng.integers(0, 5, (9, 12))
    picture.normal[...] = np.where(picture.hits[..., None] > 0, rng.uniform(-0.5, 0.5, (9, 12, 3)), 0)
    normal, length = picture.unit_normal(radius)
    for row, column in np.ndindex(9, 12):
        expected = plain_normal(picture, row, column, radius) if picture.hits[row, column] else np.zeros(3)
        assert normal[row, column] * length[row, column] == pytest.approx(expected, abs=1e-5)
    assert np.linalg.norm(normal, axis=2)[picture.hits > 0] == pytest.approx(1, abs=1e-5)
