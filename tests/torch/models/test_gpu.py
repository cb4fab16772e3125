"""A GPU gives the scores of the CPU. Run by `make test-gpu`; without a GPU these tests are skipped."""

import copy

import numpy as np
import pytest
import torch

from synthgen.torch.benchmark.checks import check_alone, check_repeatable
from synthgen.torch.models import load_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
# Kinds whose fit has no steps of training, whose rounding would add up.
UNTRAINED = ("patchcore", "sequential-patchcore", "padim", "sinbad")


def assert_close(found, expected):
    """Compare scores and maps: what differs is rounding, of which GPUs and CPUs have their own."""
    for one, other in zip(found, expected, strict=True):
        if other is None:
            assert one is None
            continue
        assert one.dtype == np.float32
        spread = max(float(other.std()), 1e-3 * float(np.abs(other).max()))
        assert np.abs(one - other).max() < 0.02 * spread


def test_a_model_of_the_cpu_gives_its_scores_on_a_gpu(make, images, tmp_path):
    model = make(device="cpu").fit([images[:6]], progress="none")
    model.save(tmp_path / "m")
    on_gpu = load_model(tmp_path / "m", device="cuda")
    assert on_gpu.device.type == "cuda"
    assert_close(on_gpu.predict(images), model.predict(images))


def test_a_model_that_was_fitted_on_a_gpu_gives_its_scores_on_the_cpu(make, images, tmp_path):
    model = make(device="cuda").fit([images[:6]], progress="none")
    model.save(tmp_path / "m")
    on_cpu = load_model(tmp_path / "m", device="cpu")
    assert_close(on_cpu.predict(images), model.predict(images))


def test_a_benchmark_takes_what_a_gpu_gives(make, images):
    model = make(device="cuda").fit([images[:6]], progress="none")
    alone = model.predict(images[:1])
    check_repeatable("m", alone, model.predict(images[:1]))
    scores, maps = model.predict(images)
    check_alone("m", alone, (scores[:1], None if maps is None else maps[:1]))


def test_what_is_not_trained_is_fitted_alike(make, backbone, images):
    if make(device="cpu").kind not in UNTRAINED:
        pytest.skip("rounding adds up over the steps of a training")
    on_gpu = make(copy.deepcopy(backbone), device="cuda").fit([images[:6]], progress="none")
    on_cpu = make(device="cpu").fit([images[:6]], progress="none")
    assert_close(on_gpu.predict(images), on_cpu.predict(images))
