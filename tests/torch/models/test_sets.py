"""Sets of features: quantiles of projections, and distances that are Mahalanobis distances."""

import numpy as np
import torch

from synthgen.torch.models.sets import described, random_directions, whitening_of


def test_descriptions_are_quantiles_of_each_projection():
    maps = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    directions = random_directions(3, 4, 1, 0)
    found = described(maps, directions, 5)
    along = maps.flatten(2).transpose(1, 2) @ directions
    expected = np.quantile(along.numpy(), [0.1, 0.3, 0.5, 0.7, 0.9], axis=1)
    np.testing.assert_allclose(found.view(2, 4, 5), expected.transpose(1, 2, 0), atol=1e-5)


def test_the_order_of_places_makes_no_difference():
    maps = torch.randn(1, 3, 4, 4)
    shuffled = maps.flatten(2)[:, :, torch.randperm(16)].view(1, 3, 4, 4)
    directions = random_directions(3, 4, 1, 0)
    torch.testing.assert_close(described(maps, directions, 3), described(shuffled, directions, 3))


def test_whitened_distances_are_mahalanobis_distances_of_the_shrunken_covariance():
    rows = torch.randn(12, 30, generator=torch.Generator().manual_seed(1))
    whitening = whitening_of(rows, 0.1)
    covariance = np.cov(rows.numpy().T, bias=True)
    ball = covariance.trace() / 30 * np.eye(30)
    inverse = np.linalg.inv(0.9 * covariance + 0.1 * ball)
    offset = (rows[3] - torch.ones(30)).numpy()
    expected = np.sqrt(offset @ inverse @ offset)
    found = torch.linalg.vector_norm(whitening(rows[3:4]) - whitening(torch.ones(1, 30)))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_equal_rows_have_a_whitening():
    whitening = whitening_of(torch.ones(3, 5), 0.1)
    assert torch.isfinite(whitening(torch.ones(1, 5))).all()
