"""The drawing of radial contours, against a slow twin."""

import math

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.radial import Contour, _noise, render
from synthgen.splitmix import mix

MASK = 2**64 - 1
ATOM = Contour(
    vertices=40, orbits=12, center=(250.0, 240.0), radii=(60.0, 90.0), drift=0.05, noise=2.0, noise_factor=1.0,
    waves=(3, 7), wave_height=0.5,
)  # fmt: skip


def scrambled(state: int) -> int:
    return int(mix(np.uint64(state)))


def pixels_of(contour: Contour, size: int, seed: int) -> np.ndarray:
    """Return the orbits of a contour, each vertex moved and each pixel set one by one."""
    image = np.full((size, size), -1)
    angles = [2 * math.pi * k / contour.vertices for k in range(contour.vertices)]
    rows = [contour.center[0] + contour.radii[0] * math.sin(angle) for angle in angles]
    columns = [contour.center[1] + contour.radii[1] * math.cos(angle) for angle in angles]
    state = scrambled(seed)

    for _ in range(contour.orbits):
        state = scrambled(state)
        level = (state >> 11) * 256 >> 53
        for places, direction in ((columns, math.cos), (rows, math.sin)):
            for k, angle in enumerate(angles):
                state = scrambled(state)
                noise = contour.noise * (1 - contour.noise_factor * float(_noise(np.uint64(state))))
                waves = contour.wave_height * sum(math.sin(n * angle) for n in contour.waves)
                places[k] += direction(angle) * (noise + waves + contour.drift)
        for k in range(contour.vertices):
            after = (k + 1) % contour.vertices
            start = np.array([rows[k], columns[k]]) * size / 512
            end = np.array([rows[after], columns[after]]) * size / 512
            steps = int(np.abs(end - start).max()) + 1
            for j in range(steps + 1):
                row, column = np.floor(start + j * (end - start) / steps).astype(int)
                if 0 <= row < size and 0 <= column < size:
                    image[row, column] = level
    return image


@pytest.mark.parametrize("change", [{}, {"noise_factor": 2.0, "wave_height": 0.0}, {"vertices": 3}])
def test_contours_equal_those_of_single_steps(change):
    contour = ATOM._replace(**change)
    assert (render(contour, 96, seed=5) != pixels_of(contour, 96, seed=5)).mean() < 1e-3


def test_the_noise_is_that_of_the_package_noise():
    """Both are drawn at random places; their quantiles are compared. The package repeats 256 gradients."""
    noise = pytest.importorskip("noise", reason="noise is not installed")
    theirs = [noise.pnoise1(place) for place in np.random.default_rng(0).uniform(0, 10_000, 20_000)]
    ours = [_noise(np.uint64(scrambled(k))) for k in range(20_000)]
    shares = np.linspace(0, 1, 21)
    assert np.allclose(np.quantile(ours, shares), np.quantile(theirs, shares), atol=0.06)


def test_more_orbits_leave_those_before_where_they_were():
    few = render(ATOM._replace(noise=4.0), 128, seed=3)
    more = render(ATOM._replace(noise=4.0, orbits=20), 128, seed=3)
    assert (more[few >= 0] == few[few >= 0]).mean() > 0.9
    assert (more >= 0).sum() > (few >= 0).sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices": 2}, r"vertices must lie in 3\.\.4000, got 2"),
        ({"orbits": 0}, r"orbits must lie in 1\.\.1000, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        render(ATOM._replace(**change), 64, seed=0)


@pytest.mark.parametrize("size", [(64, 160), (160, 64)])
def test_the_longer_side_has_equal_margins(size):
    ring = ATOM._replace(center=(256.0, 256.0), noise=0.5)
    image = render(ring, size, seed=3)
    square = render(ring, 64, seed=3)
    top = (size[0] - 64) // 2
    left = (size[1] - 64) // 2
    assert (image[top : top + 64, left : left + 64] == square).all()
    assert (image >= 0).sum() == (square >= 0).sum() > 0
