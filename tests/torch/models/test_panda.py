"""PANDA: training draws normal images together; scores are distances to the nearest of them."""

import numpy as np
import pytest

from synthgen.errors import UsageError
from synthgen.torch.models import Panda

SMALL = {"step_images": 4, "layers": (4,)}


def spread(model) -> float:
    return float(model.bank.var(0).sum())


def test_training_draws_normal_images_together(backbone, images):
    before = Panda(backbone, **SMALL, epochs=0).fit([images])
    after = Panda(backbone, **SMALL, epochs=30).fit([images])
    assert spread(after) < spread(before)


def test_a_score_is_the_mean_of_squared_distances(backbone, images):
    model = Panda(backbone, **SMALL, epochs=0, neighbours=2).fit([images[:4]])
    features = model.features(images[4:5]).mean((2, 3))
    squared = (features - model.bank).square().sum(1).sort().values
    scores, _ = model.predict(images[4:5])
    np.testing.assert_allclose(scores, squared[:2].mean()[None], rtol=1e-3)


def test_layers_that_are_not_trained_are_refused(backbone):
    with pytest.raises(UsageError, match="layers must have one above 2, where the weights are trained, got 1, 2"):
        Panda(backbone, layers=(1, 2))
    assert Panda(backbone, layers=(1, 2), epochs=0).settings.epochs == 0
