"""Convolutions keep their bits within the block, and what a program chose comes back."""

import pytest
import torch

from synthgen.torch.features import FeatureExtractor
from synthgen.torch.models import PatchCore
from synthgen.torch.precision import full_precision


def is_rounded():
    return torch.backends.cudnn.allow_tf32


def fail_within():
    with full_precision():
        assert not is_rounded_within()
        raise KeyError


@pytest.mark.parametrize("chosen", [True, False])
def test_the_choice_of_a_program_comes_back(chosen):
    before = is_rounded()
    torch.backends.cudnn.allow_tf32 = chosen
    try:
        with pytest.raises(KeyError):
            fail_within()
        assert is_rounded() == chosen
    finally:
        torch.backends.cudnn.allow_tf32 = before


def is_rounded_within():
    """Whether convolutions are rounded; the old switch cannot be read where the new one is used alone."""
    cudnn = torch.backends.cudnn
    return cudnn.conv.fp32_precision != "ieee" if hasattr(cudnn, "conv") else cudnn.allow_tf32


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="a torch with one switch")
def test_a_program_that_uses_the_new_switch_is_left_alone():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    conv.fp32_precision = "ieee"
    try:
        with full_precision():
            assert conv.fp32_precision == "ieee"
        assert conv.fp32_precision == "ieee"
    finally:
        conv.fp32_precision = before


def test_features_are_taken_so(monkeypatch):
    seen = []
    maps = FeatureExtractor.maps

    def watched(self, batch):
        seen.append(is_rounded_within())
        return maps(self, batch)

    monkeypatch.setattr(FeatureExtractor, "maps", watched)
    images = torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = PatchCore("random:test_resnet", layers=(1, 2), coreset=0.2).fit([images])
    model.predict(images)
    assert seen
    assert not any(seen)
