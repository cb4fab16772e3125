"""Chance knows nothing, and says the same each time."""

import numpy as np
import pytest
import torch

from synthgen.metrics import image_auroc, pixel_auroc
from synthgen.torch.models import Chance, load_model


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.integers(0, 255, (300, 3, 8, 8), np.uint8))


def test_an_image_scores_the_same_alone_in_a_batch_and_from_a_file(images, tmp_path):
    model = Chance(seed=1).fit([images[:4]])
    scores, maps = model.predict(images[:4])
    alone, map_alone = model.predict(images[2:3])
    assert alone[0] == scores[2]
    np.testing.assert_array_equal(map_alone[0], maps[2])
    model.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "m.safetensors").predict(images[:4])[1], maps)
    assert (Chance(seed=2).fit([images[:4]]).predict(images[:4])[0] != scores).all()


def test_what_is_measured_is_chance(images):
    """Within three standard errors of Mann and Whitney's statistic."""
    scores, maps = Chance().fit([images[:4]]).predict(images)
    labels = np.arange(300) % 2
    error = np.sqrt((150 + 150 + 1) / (12 * 150 * 150))
    assert abs(image_auroc(labels, scores) - 0.5) < 3 * error
    masks = np.zeros(maps.shape, bool)
    masks[::2, 2:5, 2:5] = True
    assert abs(pixel_auroc(masks, maps) - 0.5) < 0.05
