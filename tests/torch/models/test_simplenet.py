"""SimpleNet: its warning, its memory, its scores."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.features import as_vectors
from synthgen.torch.models import SimpleNet

SMALL = {"layers": (1,), "steps": 100, "rows": 256, "noise": 3.0, "hidden": 32, "rate": 0.01}


def test_a_loss_that_stays_at_chance_is_reported(backbone, images):
    model = SimpleNet(backbone, **{**SMALL, "steps": 5, "noise": 1e-4, "noise_unit": "absolute"})
    with pytest.warns(UserWarning, match=r"tells nothing apart \(loss .*, chance 1.00\); raise noise, now 0.0001"):
        model.fit([images])


def test_the_score_of_an_image_is_its_worst_patch_before_smoothing(backbone, images):
    model = SimpleNet(backbone, **SMALL).fit([images])
    scores, maps = model.predict(images)
    patches = model.network(as_vectors(model.features(images))).view(8, -1)
    np.testing.assert_allclose(scores, patches.amax(1), rtol=1e-4)
    assert (maps.max((1, 2)) <= scores + 1e-5).all()


@pytest.mark.filterwarnings("ignore:the discriminator tells nothing apart")
def test_features_on_disk_give_the_same_model(backbone, images):
    few = {**SMALL, "rows": 32, "steps": 10}
    plain = SimpleNet(backbone, **few)
    small = SimpleNet(backbone, **few, memory=200_000)
    assert small.needed_bytes(8, (64, 64)) < plain.needed_bytes(8, (64, 64))
    assert torch.equal(plain.fit([images]).weights, small.fit([images]).weights)


def test_the_network_is_at_most_twice_as_wide_as_the_features(backbone):
    channels = SimpleNet(backbone).features.shape((64, 64))[0]
    assert SimpleNet(backbone)._width(channels) == min(1024, 2 * channels)


def test_steps_that_do_not_fit_into_the_memory_are_refused(backbone, images):
    with pytest.raises(UsageError, match=r"memory must be at least .* for the features of 8 images and steps of"):
        SimpleNet(backbone, memory=500_000).fit([images])
