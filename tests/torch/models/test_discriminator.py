"""The discriminator: its loss and gradients are those of the published classes, and it learns."""

import numpy as np
import pytest
import torch
from torch import nn

from synthgen.torch.models.discriminator import (
    Discriminator,
    Noise,
    Training,
    has_learned,
    margin_loss,
    noisy_loss,
    numbers_in,
    train,
)
from synthgen.torch.models.kept import KeptRows


def table_of(rows: torch.Tensor) -> KeptRows:
    table = KeptRows(len(rows), rows.shape[1], torch.device("cpu"), 1e9)
    table.append(rows)
    return table


def curved_rows(count: int) -> torch.Tensor:
    """Rows of 6 channels that lie on a curve."""
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(rng.uniform(0, 2 * np.pi, count)).float()
    waves = [(angles * k + k).sin() for k in (1, 1, 2, 2, 3, 3)]
    return 40 * torch.stack(waves, 1)


class PlainTwin(nn.Module):
    """Adapter and discriminator as the paper draws them, layer by layer."""

    def __init__(self, ours: Discriminator):
        super().__init__()
        channels, hidden = ours.hidden.in_features, ours.hidden.out_features
        self.adapter = nn.Linear(channels, channels)
        self.body = nn.Sequential(nn.Linear(channels, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2))
        self.tail = nn.Linear(hidden, 1, bias=False)
        for mine, theirs in zip(self.parameters(), ours.parameters(), strict=True):
            mine.data = theirs.detach().clone()

    def loss(self, rows, noise, threshold):
        normal = self.adapter(rows)
        scores = self.tail(self.body(torch.cat([normal, normal + noise])))
        true, fake = scores[: len(rows)], scores[len(rows) :]
        return torch.clip(-true + threshold, min=0).mean() + torch.clip(fake + threshold, min=0).mean()


def test_loss_and_gradients_are_those_of_a_plain_twin():
    ours = Discriminator(10, 16).draw(3)
    twin = PlainTwin(ours)
    rows, noise = torch.randn(2, 64, 10, generator=torch.Generator().manual_seed(0))
    found = noisy_loss(ours, rows, lambda adapted: noise, 0.5)
    expected = twin.loss(rows, noise, 0.5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    found.backward()
    expected.backward()
    for mine, theirs in zip(ours.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=1e-6)


def test_what_knows_nothing_has_a_loss_of_twice_the_margin():
    nothing = torch.zeros(5)
    assert float(margin_loss(nothing, nothing, 0.5)) == 1.0
    assert not has_learned(0.95, 0.5)
    assert has_learned(0.85, 0.5)


def test_noise_that_is_large_enough_is_told_apart_and_small_noise_is_not():
    table = table_of(curved_rows(500))
    quick = Training(steps=100, rows=128, rate=0.01, adapter_rate=0.01)
    losses = {}
    for noise, relative in ((0.5, True), (0.015, False)):
        network = Discriminator(6, 32).draw(0)
        losses[noise] = train(network, table, quick._replace(noise=noise, relative=relative)).loss
        assert not network.training
    assert has_learned(losses[0.5], 0.5)
    assert not has_learned(losses[0.015], 0.5)


def test_relative_noise_counts_in_deviations_of_each_channel():
    adapted = torch.randn(20_000, 2) * torch.tensor([3.0, 0.1]) + 7
    found = Noise(Training(noise=0.5))(adapted).std(0)
    torch.testing.assert_close(found, 0.5 * adapted.std(0), rtol=0.03, atol=0)
    absolute = Noise(Training(noise=0.5, relative=False))(adapted).std(0)
    torch.testing.assert_close(absolute, torch.full((2,), 0.5), rtol=0.03, atol=0)


@pytest.mark.parametrize("adapts", [True, False])
def test_its_numbers_come_back(adapts):
    first, second = (Discriminator(4, 7, adapts).draw(seed) for seed in (1, 2))
    train(first, table_of(torch.randn(50, 4)), Training(steps=3, rows=16))
    assert len(first.numbers()) == numbers_in(4, 7, adapts)
    second.take_numbers(first.numbers())
    rows = torch.randn(9, 4)
    assert torch.equal(first.eval()(rows), second.eval()(rows))
