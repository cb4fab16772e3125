"""A small backbone, images, and one of each model."""

import numpy as np
import pytest

# kind -> the options that make it small
SMALL = {
    "patchcore": {"coreset": 0.2},
    "sequential-patchcore": {"points": 100},
    "padim": {"channels": 20},
    "cflow": {"blocks": 2, "epochs": 20, "rate": 0.01, "layers": (1, 2)},
    "simplenet": {"layers": (1,), "steps": 100, "rows": 256, "noise": 3.0, "hidden": 32, "rate": 0.01},
}


@pytest.fixture(scope="session")
def backbone():
    from synthgen.torch.backbones import load_backbone

    return load_backbone("random:test_resnet")


@pytest.fixture(scope="session")
def images():
    """Smooth stripes with a little noise."""
    import torch

    rng = np.random.default_rng(0)
    stripes = 128 + 60 * np.sin(np.arange(64) / 5)
    return torch.from_numpy((stripes + rng.normal(0, 5, (8, 3, 64, 64))).astype(np.uint8))


@pytest.fixture(params=list(SMALL))
def make(request, backbone):
    """A function that makes a model of each kind in turn."""
    from synthgen.torch import models

    small = SMALL[request.param]
    return lambda net=backbone, **options: models.load(request.param).MODEL(net, **{**small, **options})
