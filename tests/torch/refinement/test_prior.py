"""The prior of colors: seeded, whole in JSON, and steady for gray images."""

import json

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.refinement import PixelPrior, Sampled


@pytest.fixture(scope="module")
def batches():
    """Red and blue noise, as batches of 3 images."""
    rng = np.random.default_rng(0)
    colors = np.array([(220, 30, 30), (20, 40, 200)])
    which = rng.integers(0, 2, (9, 16, 16))
    pixels = colors[which] + rng.integers(-6, 7, (9, 16, 16, 3))
    images = torch.from_numpy(pixels.astype(np.uint8).transpose(0, 3, 1, 2).copy())
    return list(images.split(3))


def test_the_colors_of_the_images_are_found(batches):
    prior = PixelPrior.fit(batches, components=2)
    found = prior.means[np.argsort(prior.means[:, 2])] * 255
    np.testing.assert_allclose(found, [(220, 30, 30), (20, 40, 200)], atol=1.5)


def test_equal_seeds_give_equal_priors_in_any_batches_of_the_same_order(batches):
    first, second, other = (PixelPrior.fit(batches, seed=seed) for seed in (0, 0, 1))
    assert first.notes() == second.notes()
    assert first.notes() != other.notes()
    alone = PixelPrior.fit(torch.cat(batches).split(1))
    assert alone.notes() == first.notes()


def test_a_prior_goes_out_to_json_and_comes_back(batches):
    notes = PixelPrior.fit(batches).notes()
    assert PixelPrior.of_notes(json.loads(json.dumps(notes))).notes() == notes


@pytest.mark.parametrize("notes", ["red", [[1.0] * 11], [[0.0] * 12], {"a": 1}])
def test_what_is_no_prior_is_refused(notes):
    with pytest.raises(UsageError, match="prior must be rows of 12 numbers"):
        PixelPrior.of_notes(notes)


def test_gray_images_have_a_prior_that_can_be_inverted():
    gray = torch.full((2, 1, 8, 8), 128, dtype=torch.uint8)
    means, whitening = PixelPrior.fit([gray]).normalized((0.5,) * 3, (0.5,) * 3, "cpu")
    assert means.shape == (1, 3)
    assert torch.isfinite(whitening).all()
    assert float(whitening.abs().max()) < 200  # at least 4 gray levels are usual


def test_a_sampled_loader_hands_on_what_it_gets(batches):
    sampled = Sampled(batches)
    for _ in range(2):
        assert all(a is b for a, b in zip(sampled, batches, strict=True))
    assert len(sampled.dataset) == 9
    assert sampled.prior().notes() == PixelPrior.fit(batches).notes()


def test_an_empty_loader_has_no_prior():
    with pytest.raises(UsageError, match="images must be at least one"):
        PixelPrior.fit([])
