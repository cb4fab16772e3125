"""Scores of images and maps of pixels against plain, slow twins."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from synthgen.torch.models.scoring import image_scores, smoothed


def test_smoothing_is_that_of_scipy():
    maps = np.random.default_rng(3).normal(size=(2, 20, 30)).astype(np.float32)
    for sigma in (0, 0.6, 2, 9):
        expected = np.stack([gaussian_filter(m, sigma, mode="reflect") for m in maps]) if sigma else maps
        np.testing.assert_allclose(smoothed(torch.from_numpy(maps), sigma), expected, atol=1e-5)


def test_image_scores_are_those_of_the_paper():
    """Equations 6 and 7 of Roth et al. 2022, image by image."""
    rng = np.random.default_rng(4)
    patches, bank = rng.normal(size=(3, 7, 4)), rng.normal(size=(20, 4))
    table = np.linalg.norm(patches[:, :, None] - bank, axis=3)
    expected = []
    for image, distances in zip(patches, table, strict=True):
        test = distances.min(1).argmax()
        own = distances[test].argmin()
        around = np.linalg.norm(bank - bank[own], axis=1).argsort()[:5]
        weight = 1 - np.exp(distances[test, own]) / np.exp(np.linalg.norm(bank[around] - image[test], axis=1)).sum()
        expected.append(weight * distances[test, own])
    arguments = (torch.from_numpy(a) for a in (patches, table.min(2), table.argmin(2), bank))
    np.testing.assert_allclose(image_scores(*arguments, 5), expected)
