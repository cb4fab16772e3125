"""The floor is plain arithmetic, and a file keeps it."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from synthgen.errors import UsageError
from synthgen.torch.models import Floor, load_model


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 255, (6, 3, 20, 16), np.uint8))


def plain(images, sigma):
    """Return blurred gray values in [0, 1], image by image."""
    gray = images.numpy().astype(float).mean(1) / 255
    return np.stack([gaussian_filter(each, sigma, truncate=4) for each in gray])


@pytest.mark.parametrize("sigma", [0, 2.5])
def test_scores_are_distances_of_blurred_gray_values_from_their_mean(images, sigma):
    model = Floor(sigma=sigma).fit([images[:3], images[3:5]])
    scores, maps = model.predict(images)
    expected = np.abs(plain(images, sigma) - plain(images[:5], sigma).mean(0))
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    np.testing.assert_allclose(scores, expected.max((1, 2)), atol=1e-6)


def test_the_file_keeps_the_model_without_a_backbone(images, tmp_path):
    model = Floor(sigma=1.0).fit([images])
    path = tmp_path / "floor.safetensors"
    model.save(path)
    loaded = load_model(path)
    for first, second in zip(model.predict(images), loaded.predict(images), strict=True):
        np.testing.assert_array_equal(first, second)
    assert model.predicted_bytes(6, (20, 16)) == model.mean.nbytes
    assert model.needed_bytes(6, (20, 16)) > model.mean.nbytes


def test_a_backbone_is_refused(images):
    with pytest.raises(UsageError, match="backbone must be left out for floor, got resnet18"):
        Floor("resnet18")
    with pytest.raises(UsageError, match="floor must be fitted first"):
        Floor().predict(images)
