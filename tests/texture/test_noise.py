import numpy as np

from synthgen.texture.noise import DEVIATION, add_noise, smooth_noise


def test_the_noise_is_the_plain_one_at_every_point(plain, points):
    expected = [plain.smooth_noise(y, x, 9, 0.7) for y, x in zip(*points, strict=True)]
    np.testing.assert_allclose(smooth_noise(*points, 9, 0.7), expected, atol=1e-8)


def test_a_point_has_the_same_noise_alone_and_in_a_line(points):
    line = smooth_noise(*points, 9, 0.7)
    rows, columns = points
    alone = [smooth_noise(rows[i : i + 1], columns[i : i + 1], 9, 0.7)[0] for i in range(20)]
    assert line[:20].tolist() == alone


def test_the_deviation_is_the_one_that_is_stated():
    rng = np.random.default_rng(0)
    rows, columns = rng.uniform(-1000, 1000, (2, 200_000))
    total = np.zeros(200_000)
    add_noise(total, rows, columns, np.uint64(3), (0.8, 0.6), 1.0, 1.0)
    assert abs(total.mean()) < 0.005
    assert abs(total.std() - DEVIATION) < 0.004
