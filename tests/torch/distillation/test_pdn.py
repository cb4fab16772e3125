"""The networks of EfficientAD are those of its tables, and timm builds them by name."""

import pytest
import timm
import torch

from synthgen.errors import UsageError
from synthgen.torch.backbones import create_skeleton, load_backbone
from synthgen.torch.distillation.pdn import BORDER, LEAST_SIDE, STRIDE


@pytest.mark.parametrize(("arch", "weights"), [("pdn_small", 2_694_144), ("pdn_medium", 8_026_624)])
def test_a_network_has_the_weights_and_the_places_of_the_publication(arch, weights):
    net = create_skeleton(arch)
    assert sum(weight.numel() for weight in net.parameters()) == weights
    shape = net(torch.zeros(1, 3, 256, 192, device="meta")).shape
    assert shape == (1, 384, 256 // STRIDE - 2 * BORDER, 192 // STRIDE - 2 * BORDER)
    assert timm.is_model(arch)


def test_a_place_sees_33_pixels():
    net = load_backbone("random:pdn_small")
    image = torch.rand(1, 3, 41, 41, generator=torch.Generator().manual_seed(0)).requires_grad_()
    net(image)[0, 0, 1, 1].backward()
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min(), rows.max()) == (4, 4 + LEAST_SIDE - 1)


def test_layers_are_taken_from_it_as_from_any_backbone():
    net = load_backbone("random:pdn_small", features_only=True, out_indices=(-1,))
    whole = load_backbone("random:pdn_small")
    image = torch.rand(1, 3, 40, 36)
    with torch.no_grad():
        assert torch.equal(net(image)[0], whole(image))


def test_there_are_no_published_weights():
    with pytest.raises(UsageError, match="random:pdn_small gives random ones"):
        load_backbone("pdn_small")
