"""SINBAD: sets of features."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.models import Sinbad

SMALL = {"layers": (1, 2), "projections": 40}


def test_an_image_that_was_fitted_has_a_score_of_almost_0(backbone, images):
    model = Sinbad(backbone, **SMALL).fit([images])
    far = 255 - images
    assert model.predict(images)[0].max() < 0.05 * model.predict(far)[0].min()


def test_images_of_another_size_can_be_scored(backbone, images):
    model = Sinbad(backbone, **SMALL).fit([images])
    assert np.isfinite(model.predict(images[:, :, :32])[0]).all()


def test_more_neighbours_look_further(backbone, images):
    one, three = (Sinbad(backbone, **SMALL, neighbours=k).fit([images]).predict(images)[0] for k in (1, 3))
    assert (three > one).all()


def test_descriptions_that_do_not_fit_into_the_memory_are_refused(backbone, images):
    with pytest.raises(UsageError, match=r"memory must be at least .* for descriptions of 8 images by 200 numbers"):
        Sinbad(backbone, **SMALL, memory=10_000).fit([images])


def test_an_extractor_without_layers_counts_as_one():
    class Means:
        device = torch.device("cpu")
        border = 0

        def __call__(self, images):
            return torch.nn.functional.avg_pool2d(images.float() / 255, 8)

        def shape(self, size):
            return 3, size[0] // 8, size[1] // 8

    noise = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    model = Sinbad(Means(), projections=5).fit([noise])
    assert model.bank.shape == (1, 4, 25)
