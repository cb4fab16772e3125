"""A small backbone, images, and one of each model."""

import numpy as np
import pytest
import torch

from synthgen.torch.backbones import load_backbone
from synthgen.torch.models import PaDiM, PatchCore, SequentialPatchCore

MAKERS = {
    "patchcore": lambda net, **options: PatchCore(net, coreset=0.2, **options),
    "sequential-patchcore": lambda net, **options: SequentialPatchCore(net, points=100, **options),
    "padim": lambda net, **options: PaDiM(net, channels=20, **options),
}


@pytest.fixture(scope="session")
def backbone():
    return load_backbone("random:test_resnet")


@pytest.fixture(scope="session")
def images():
    """Smooth stripes with a little noise."""
    rng = np.random.default_rng(0)
    stripes = 128 + 60 * np.sin(np.arange(64) / 5)
    return torch.from_numpy((stripes + rng.normal(0, 5, (8, 3, 64, 64))).astype(np.uint8))


@pytest.fixture(params=list(MAKERS))
def make(request, backbone):
    """A function that makes a model of each kind in turn."""
    return lambda net=backbone, **options: MAKERS[request.param](net, **options)
