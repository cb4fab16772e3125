"""The terms of the objective, beside plain twins."""

import math

import numpy as np
import pytest
import torch

from synthgen.torch.refinement.objective import color_term, feature_term, sparsity_term, variation_term


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_color_term_is_the_distance_to_the_nearest_gaussian(rng):
    pixels = rng.normal(size=(6, 3))
    means = rng.normal(size=(2, 3))
    factors = np.tril(rng.normal(size=(2, 3, 3))) + 2 * np.eye(3)
    expected = []
    for pixel in pixels:
        distances = []
        for mean, factor in zip(means, factors, strict=True):
            offset = pixel - mean
            distances.append(offset @ np.linalg.inv(factor @ factor.T) @ offset)
        expected.append(min(distances))
    whitening = np.linalg.inv(factors)
    found = color_term(*(torch.from_numpy(each) for each in (pixels, means, whitening)))
    np.testing.assert_allclose(found, expected)


def test_the_variation_term_is_that_of_a_plain_loop(rng):
    image = rng.normal(size=(3, 4, 3))
    pairs = []
    expected = 0.0
    for row in range(3):
        for column in range(4):
            for down, right in ((-1, 0), (0, -1)):
                above, left = row + down, column + right
                if above >= 0 and left >= 0:
                    pairs.append((4 * row + column, 4 * above + left))
                    expected += np.abs(image[row, column] - image[above, left]).sum()
    found = variation_term(torch.from_numpy(image.reshape(-1, 3)), torch.tensor(pairs))
    np.testing.assert_allclose(found.sum(), expected)


def test_the_sparsity_term_is_equation_8(rng):
    differences = rng.normal(size=(5, 3))
    expected = []
    for difference in differences:
        length = math.sqrt(sum(value**2 for value in difference))
        expected.append(math.log(math.sqrt(length**2 + 1e-4) + length))
    np.testing.assert_allclose(sparsity_term(torch.from_numpy(differences)), expected, rtol=1e-6)


def test_the_sparsity_term_has_a_gradient_where_nothing_differs():
    differences = torch.zeros((2, 3), requires_grad=True)
    (gradient,) = torch.autograd.grad(sparsity_term(differences).sum(), differences)
    assert torch.equal(gradient, torch.zeros(2, 3))


def test_the_feature_term_does_not_change_with_the_scale_of_a_model():
    scores = torch.tensor([2.0, 6.0])
    torch.testing.assert_close(feature_term(scores, scores[:1]), feature_term(1e4 * scores, 1e4 * scores[:1]))
