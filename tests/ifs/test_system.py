import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.ifs import System, perturb_system, sample_system, scale_system

seeds = st.integers(0, 2**32)


@given(seeds, st.integers(2, 8))
def test_sampled_systems_have_good_geometry(seed, n):
    system = sample_system(np.random.default_rng(seed), n)
    assert len(system.maps) == n
    assert (system.singular_values > 0).all()
    assert (system.singular_values < 1).all()
    assert (5 + n) / 2 - 1e-6 <= system.sigma_factor <= (6 + n) / 2 + 1e-6
    assert (np.abs(system.maps[:, :, 2]) <= 1).all()
    assert np.isclose(system.probabilities.sum(), 1)
    dets = np.abs(np.linalg.det(system.maps[:, :, :2]))
    assert np.allclose(system.probabilities, dets / dets.sum())


def test_singular_values_are_uniform_in_their_feasible_interval():
    # the first one of two maps, given the sum a: uniform in [(a - 3) / 3, 1]
    share = []
    for seed in range(3000):
        system = sample_system(np.random.default_rng(seed), 2)
        low = (system.sigma_factor - 3) / 3
        share.append((system.singular_values[0, 0] - low) / (1 - low))
    counts, _ = np.histogram(share, bins=10, range=(0, 1))
    assert np.abs(counts - 300).max() < 5 * np.sqrt(300)


def test_all_kinds_of_maps_occur():
    systems = [sample_system(np.random.default_rng(s), (2, 4)) for s in range(200)]
    assert {len(s.maps) for s in systems} == {2, 3, 4}
    signs = {np.sign(np.linalg.det(m[:, :2])) for s in systems for m in s.maps}
    assert signs == {-1.0, 1.0}


@given(seeds)
def test_scaling_changes_at_most_one_map_and_keeps_it_contracting(seed):
    rng = np.random.default_rng(seed)
    system = sample_system(rng, (2, 8))
    scaled = scale_system(rng, system)
    changed = [k for k in range(len(system.maps)) if not np.array_equal(system.maps[k], scaled.maps[k])]
    assert len(changed) <= 1
    assert (scaled.singular_values < 1).all()
    for k in changed:
        # b is scaled with A
        largest = np.unravel_index(np.abs(system.maps[k]).argmax(), (2, 3))
        factor = scaled.maps[k][largest] / system.maps[k][largest]
        assert 0.8 - 1e-6 < factor < 1.1 + 1e-6
        assert np.allclose(scaled.maps[k], system.maps[k] * factor, atol=1e-6)


def test_a_system_that_cannot_be_scaled_is_left_alone():
    system = System([[[0.99, 0, 0], [0, 0.99, 0]], [[0.99, 0, 1], [0, 0.99, 0]]])
    assert scale_system(np.random.default_rng(0), system, low=1.05, high=1.1) is system


@given(seeds)
def test_perturbing_changes_one_parameter_of_every_map(seed):
    rng = np.random.default_rng(seed)
    system = sample_system(rng, 3)
    other = perturb_system(rng, system)
    moved = np.argwhere((other.maps != system.maps).any(axis=0))
    assert len(moved) <= 1
    for row, column in moved:
        before, after = system.maps[:, row, column], other.maps[:, row, column]
        assert any(np.abs(after - before * factor).max() < 1e-6 for factor in (0.8, 0.9, 1.1, 1.2))
    assert (other.singular_values < 1).all()


@pytest.mark.parametrize("maps", [[], [[1, 2, 3]], [[[1, 2, np.nan], [0, 0, 0]]], np.zeros((9, 2, 3))])
def test_other_arrays_are_no_systems(maps):
    with pytest.raises(UsageError, match="maps must"):
        System(maps)


@pytest.mark.parametrize("maps", [1, 9, (4, 2), (1, 3)])
def test_the_number_of_maps_is_checked(maps):
    with pytest.raises(UsageError, match=r"within 2\.\.8"):
        sample_system(np.random.default_rng(0), maps)


def test_a_collapsed_system_has_equal_chances():
    assert System(np.zeros((4, 2, 3))).probabilities.tolist() == [0.25] * 4


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 8), st.floats(0, 1), st.floats(0, 1))
def test_sigma_factors_lie_in_the_range_that_was_asked_for(seed, maps, first, second):
    low, high = sorted(-maps + 6 * maps * share for share in (first, second))
    system = sample_system(np.random.default_rng(seed), maps, (low, high))
    assert (low + maps) / 2 - 1e-5 <= system.sigma_factor <= (high + maps) / 2 + 1e-5
    assert system.singular_values.max() < 1
