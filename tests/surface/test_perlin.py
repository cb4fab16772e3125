import noise
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.surface.chance import BOUND
from synthgen.surface.perlin import perlin3, perlin3_along, pnoise3

coordinates = st.floats(-100, 100, width=32)


def oracle(points) -> np.ndarray:
    return np.array([noise.pnoise3(*map(float, p)) for p in np.reshape(points, (-1, 3))])


@pytest.mark.parametrize("reach", [1, 100, 1000])
def test_noise_equals_the_noise_package(reach):
    points = np.random.default_rng(reach).uniform(-reach, reach, (20_000, 3))
    np.testing.assert_allclose(pnoise3(points), oracle(points), rtol=0, atol=1e-6)


@given(coordinates, coordinates, coordinates)
def test_noise_equals_the_noise_package_at_odd_places(x, y, z):
    assert pnoise3([x, y, z]) == pytest.approx(oracle([x, y, z])[0], abs=1e-5)
    assert pnoise3([x, y, z]) == perlin3(x, y, z)


def test_noise_is_zero_on_the_lattice_and_uses_all_gradients():
    lattice = np.stack(np.meshgrid(*[np.arange(-4.0, 5.0)] * 3), -1)
    assert (pnoise3(lattice) == 0).all()
    middles = pnoise3(lattice + 0.5)
    assert len(np.unique(middles)) > 8
    assert np.abs(middles).max() <= BOUND


def test_noise_never_exceeds_its_bound_with_the_best_gradients():
    places = np.stack(np.meshgrid(*[np.linspace(0, 1, 41)] * 3, indexing="ij"), -1)
    weights = places**3 * (places * (places * 6 - 15) + 10)
    largest = np.zeros(places.shape[:-1])
    for corner in np.ndindex(2, 2, 2):
        offsets = np.sort(np.abs(places - corner), axis=-1)  # the best gradient takes the two largest
        weight = np.where(np.array(corner) == 1, weights, 1 - weights).prod(-1)
        largest += weight * (offsets[..., 1] + offsets[..., 2])
    assert BOUND - 1e-3 < largest.max() < BOUND


@pytest.mark.parametrize("step", [(0.02, 0.001, 0.0), (-0.3, 0.11, 0.07), (1.5, -2.5, 0.3), (0.0, 0.0, 0.0)])
def test_noise_along_a_line_has_the_bits_of_single_points(step):
    points = np.float32([[3.3, -7.9, 0.1]] + np.arange(500)[:, None] * np.float32(step))
    out = np.empty(len(points), np.float32)
    perlin3_along(*(np.ascontiguousarray(axis) for axis in points.T), out)
    np.testing.assert_array_equal(out, pnoise3(points))


def test_any_shape_of_points_goes_in():
    points = np.random.default_rng(0).normal(size=(2, 3, 4, 3))
    assert pnoise3(points).shape == (2, 3, 4)
    assert pnoise3(points[0, 0, 0]).shape == ()
    assert pnoise3(np.empty((0, 3))).shape == (0,)


def test_wrong_points_are_named():
    with pytest.raises(UsageError, match=r"^points must have shape \(\.\.\., 3\), got \(4, 2\)"):
        pnoise3(np.zeros((4, 2)))
