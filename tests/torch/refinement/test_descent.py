"""Sharing and Adan, beside plain twins."""

import math

import numpy as np
import torch

from synthgen.torch.refinement.descent import COLOR_SPREAD, REACH, SPREAD, Adan, as_tensor, sharing_weights


def plain_sharing(region, image):
    """Equation 14, pixel by pixel."""
    places = [tuple(place) for place in np.argwhere(region)]
    weights = np.zeros((len(places), len(places)))
    for i, (row, column) in enumerate(places):
        for j, (other_row, other_column) in enumerate(places):
            down, right = other_row - row, other_column - column
            if max(abs(down), abs(right)) > REACH:
                continue
            colors = image[row, column] - image[other_row, other_column]
            weights[i, j] = math.exp(-(down**2 + right**2) / SPREAD**2 - (colors**2).sum() / COLOR_SPREAD**2)
        weights[i] /= weights[i].sum()
    return weights


def test_shares_are_those_of_equation_14_within_the_region():
    rng = np.random.default_rng(0)
    region = rng.random((9, 12)) < 0.4
    image = rng.normal(size=(9, 12, 3))
    found = sharing_weights(region, image).toarray()
    np.testing.assert_allclose(found, plain_sharing(region, image), atol=1e-6)
    np.testing.assert_array_equal(as_tensor(sharing_weights(region, image), "cpu").to_dense(), found)


def test_adan_is_the_published_algorithm():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 4))
    adan = Adan()
    mean = change = square = np.zeros(4)
    last = gradients[0]
    for count, gradient in enumerate(gradients, 1):
        difference = gradient - last
        mean = 0.98 * mean + 0.02 * gradient
        change = 0.92 * change + 0.08 * difference
        square = 0.99 * square + 0.01 * (gradient + 0.92 * difference) ** 2
        last = gradient
        ahead = mean / (1 - 0.98**count) + 0.92 * change / (1 - 0.92**count)
        expected = ahead / (np.sqrt(square / (1 - 0.99**count)) + 1e-8)
        np.testing.assert_allclose(adan.direction(torch.from_numpy(gradient)), expected, rtol=1e-6)


def test_adan_goes_down_a_valley():
    adan = Adan()
    place = torch.tensor([3.0, -2.0])
    steep = torch.tensor([1.0, 50.0])
    for left in range(300, 0, -1):
        step = 0.1 * left / 300
        place = place - step * adan.direction(2 * steep * place)
    assert float(place.abs().max()) < 0.1
