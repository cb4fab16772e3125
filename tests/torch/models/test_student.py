"""The networks that EfficientAD trains: sizes of the publication, losses by hand, maps on one scale."""

import pytest
import torch

from synthgen.torch.models.student import Autoencoder, Networks, hard_loss


def test_the_autoencoder_of_256_pixels_is_that_of_the_publication():
    with torch.device("meta"):
        made = Autoencoder((256, 256), (56, 56))
        assert made(torch.zeros(1, 3, 256, 256)).shape == (1, 384, 56, 56)
    assert [size[0] for size in made.sizes] == [3, 8, 15, 32, 63, 127, 56]
    assert tuple(made.encoder[-1].weight.shape) == (64, 64, 8, 8)


@pytest.mark.parametrize("size", [(36, 40), (100, 72)])
def test_images_of_any_size_come_through(size):
    with torch.device("meta"):
        assert Autoencoder(size, (5, 7))(torch.zeros(2, 3, *size)).shape == (2, 384, 5, 7)


def test_only_the_largest_errors_count():
    wanted = torch.zeros(1, 10, 10, 10)
    found = wanted.clone()
    found[0, 0, 0, :3] = torch.tensor([5.0, 3.0, 1.0])
    assert float(hard_loss(found, wanted, 1e-3)) == 25
    assert float(hard_loss(found, wanted, 2e-3)) == 17
    assert float(hard_loss(found, wanted, 1e-9)) == 25


@pytest.mark.usefixtures("narrow_pdn")
def test_the_losses_are_what_they_say():
    torch.manual_seed(0)
    networks = Networks("pdn_small", (36, 36), (1, 1)).eval()
    batch, changed, others = torch.rand(3, 2, 3, 36, 36)
    features, of_changed = torch.rand(2, 2, 384, 1, 1)
    with torch.no_grad():
        losses = networks.losses(batch, changed, features, of_changed, others, 1.0)
        none = networks.losses(batch, changed, features, of_changed, None, 1.0)
        decoded = networks.autoencoder(changed)
        student = networks.student
        expected = [
            (student(batch)[:, :384] - features).square().mean(),
            student(others)[:, :384].square().mean(),
            (decoded - of_changed).square().mean(),
            (decoded - student(changed)[:, 384:]).square().mean(),
        ]
    torch.testing.assert_close(torch.stack(losses), torch.stack(expected))
    assert float(none.penalty) == 0


@pytest.mark.usefixtures("narrow_pdn")
def test_both_maps_are_brought_to_one_scale():
    networks = Networks("pdn_small", (36, 36), (1, 1))
    networks.quantiles.copy_(torch.tensor([[1.0, 3.0], [10.0, 110.0]]))
    maps = torch.tensor([1.0, 110.0]).view(2, 1, 1, 1)
    assert float(networks.combined(maps)) == pytest.approx(0.05)
