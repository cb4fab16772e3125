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
    "cutpaste": {"layers": (1,), "stride": 0.5, "epochs": 2, "step_images": 8, "hidden": 16, "views": 8},
    "sinbad": {"layers": (1, 2), "projections": 40},
    "panda": {"epochs": 2, "step_images": 4, "layers": (3,)},
}
# Kinds that have no maps, and kinds whose maps are not of the places of the features.
WHOLE = ("sinbad", "panda")
BY_PATCH = ("cutpaste",)
# Kinds whose scores have gradients.
DIFFERENTIABLE = ("cflow", "padim", "patchcore", "sequential-patchcore")


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


def maker(kind, backbone):
    """Return a function that makes a small model of a kind."""
    from synthgen.torch import models

    small = SMALL[kind]
    return lambda net=backbone, **options: models.load(kind).MODEL(net, **{**small, **options})


@pytest.fixture(params=list(SMALL))
def make(request, backbone):
    """A function that makes a model of each kind in turn."""
    return maker(request.param, backbone)


@pytest.fixture(params=[kind for kind in SMALL if kind not in WHOLE])
def make_with_maps(request, backbone):
    """A function that makes a model of each kind with maps in turn."""
    return maker(request.param, backbone)


@pytest.fixture(params=[kind for kind in SMALL if kind not in (*WHOLE, *BY_PATCH)])
def make_with_places(request, backbone):
    """A function that makes a model of each kind that scores the places of the features in turn."""
    return maker(request.param, backbone)


@pytest.fixture(params=DIFFERENTIABLE)
def make_differentiable(request, backbone):
    """A function that makes a model of each kind whose scores have gradients in turn."""
    return maker(request.param, backbone)


@pytest.fixture(params=WHOLE)
def make_whole(request, backbone):
    """A function that makes a model of each kind without maps in turn."""
    return maker(request.param, backbone)
