"""Gaussians at each place against plain covariances."""

import numpy as np
import pytest
import torch

from synthgen.torch.models.gaussians import Moments, mahalanobis, shrunken, whitened


def test_mahalanobis_distances_are_those_of_plain_covariances():
    rng = np.random.default_rng(5)
    values = rng.normal(3, 2, size=(6, 9, 4)) + 50
    moments = Moments(6, 4, "cpu")
    for part in torch.from_numpy(values.astype(np.float32)).split([2, 1, 6], dim=1):
        moments.add(part)
    np.testing.assert_allclose(moments.mean, values.mean(1), rtol=1e-5)
    queries = rng.normal(50, 3, size=(6, 3, 4))
    expected = np.empty((6, 3))
    for place in range(6):
        inverse = np.linalg.inv(np.cov(values[place].T) + 0.01 * np.eye(4))
        for q in range(3):
            offset = queries[place, q] - values[place].mean(0)
            expected[place, q] = np.sqrt(offset @ inverse @ offset)
    offsets = torch.from_numpy(queries.astype(np.float32)) - moments.mean[:, None]
    np.testing.assert_allclose(mahalanobis(offsets, whitened(moments.scatter, 8, 0.01)), expected, rtol=1e-3)


def test_a_shrunken_covariance_is_that_of_scikit_learn():
    covariance = pytest.importorskip("sklearn.covariance")
    rows = np.random.default_rng(0).normal(size=(20, 30)) * np.linspace(0.1, 2, 30)
    expected = covariance.LedoitWolf().fit(rows)
    mean, whitening = shrunken(torch.from_numpy(rows).float())
    found = torch.linalg.inv(whitening.T @ whitening)
    np.testing.assert_allclose(mean, expected.location_, atol=1e-5)
    np.testing.assert_allclose(found, expected.covariance_, atol=1e-3)


def test_equal_rows_have_a_shrunken_covariance():
    _, whitening = shrunken(torch.ones(4, 3))
    assert torch.isfinite(whitening).all()
