"""The discriminator of SimpleNet (Liu et al. 2023, section 3): it tells normal features from noisy ones."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from synthgen.seeding import generator
from synthgen.torch.models.deadline import in_time
from synthgen.torch.models.kept import KeptRows

AT_CHANCE = 0.9  # share of the loss of a network that knows nothing, from which on it has learned nothing
_SLOPE = 0.2
_DECAY = 1e-5
_ONE_HELD_OF = 10
NoiseLike = Callable[[torch.Tensor], torch.Tensor]
_LEAST_ROWS = 2  # of which batch norm can take a variance


class Training(NamedTuple):
    """How a discriminator is trained.

    Attributes
    ----------
    steps, rows : int
        Steps, and rows of features in each.
    noise : float
        Standard deviation of the noise that makes features anomalous.
    relative : bool
        `noise` counts in standard deviations of each channel, which are measured in each step.
    margin : float
        Normal features are to be judged above it, noisy ones below its negative.
    rate, adapter_rate : float
        Learning rates.
    seed : int
    """

    steps: int = 2000
    rows: int = 4096
    noise: float = 0.5
    relative: bool = True
    margin: float = 0.5
    rate: float = 2e-4
    adapter_rate: float = 1e-4
    seed: int = 0


class Discriminator(nn.Module):
    """An adapter, which is linear, and a network of one hidden layer that judges what the adapter gives.

    Parameters
    ----------
    channels : int
    hidden : int
    adapts : bool
        Whether there is an adapter.
    """

    def __init__(self, channels: int, hidden: int, adapts: bool = True):
        super().__init__()
        self.adapter = nn.Linear(channels, channels) if adapts else nn.Identity()
        self.hidden = nn.Linear(channels, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.last = nn.Linear(hidden, 1, bias=False)

    def draw(self, seed: int) -> "Discriminator":
        """Draw the weights at random, and return the network."""
        for number, layer in enumerate(self.modules()):
            if isinstance(layer, nn.Linear):
                rng = generator(seed, 0, number, "simplenet.weights")
                _draw_weights(layer, rng)
        return self

    def judged(self, adapted: torch.Tensor) -> torch.Tensor:
        """Return how normal rows (N, D) are that went through the adapter, (N,)."""
        normed = self.norm(self.hidden(adapted))
        active = functional.leaky_relu(normed, _SLOPE)
        return self.last(active).squeeze(1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how far rows (N, D) are from normal, (N,)."""
        adapted = self.adapter(rows)
        return -self.judged(adapted)

    def numbers(self) -> torch.Tensor:
        """Return all weights and the statistics of batch norm, one after the other, (W,)."""
        parts = [part.detach().flatten() for part in self._parts()]
        return torch.cat(parts)

    def take_numbers(self, vector: torch.Tensor) -> None:
        """Take weights and statistics as `numbers` gave them."""
        first = 0
        for part in self._parts():
            last = first + part.numel()
            part.data.copy_(vector[first:last].view_as(part))
            first = last

    def _parts(self) -> list[torch.Tensor]:
        statistics = [each for each in self.buffers() if each.is_floating_point()]
        return [*self.parameters(), *statistics]


def numbers_in(channels: int, hidden: int, adapts: bool = True) -> int:
    """Return the length of `Discriminator.numbers`."""
    adapter = channels * (channels + 1) if adapts else 0
    first = hidden * (channels + 1)
    return adapter + first + 4 * hidden + hidden


def _draw_weights(layer: nn.Linear, rng: np.random.Generator) -> None:
    """Draw weights as Glorot and Bengio 2010 do, from a Gaussian, and offsets as torch does by default."""
    shape = tuple(layer.weight.shape)
    variance = 2 / sum(shape)
    drawn = rng.standard_normal(shape, dtype=np.float32)
    weights = math.sqrt(variance) * drawn
    layer.weight.data = torch.from_numpy(weights)

    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.in_features)
        offsets = rng.uniform(-bound, bound, layer.out_features)
        offsets = offsets.astype(np.float32)
        layer.bias.data = torch.from_numpy(offsets)


class Noise:
    """Gaussian noise, drawn on a device."""

    def __init__(self, training: Training, device):
        rng = generator(training.seed, 0, 0, "simplenet.noise")
        seed = int(rng.integers(2**63))
        self._generator = torch.Generator(device).manual_seed(seed)
        self._size = training.noise
        self._relative = training.relative

    def __call__(self, adapted: torch.Tensor) -> torch.Tensor:
        """Return noise for rows (N, D)."""
        drawn = torch.empty_like(adapted).normal_(generator=self._generator)
        if not self._relative:
            return self._size * drawn
        deviations = adapted.std(0, correction=0)
        return self._size * deviations * drawn


def margin_loss(normal: torch.Tensor, noisy: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the loss of what was judged of normal and of noisy features (equation 5); 2 `margin` is chance."""
    of_normal = (margin - normal).clamp(min=0)
    of_noisy = (margin + noisy).clamp(min=0)
    return of_normal.mean() + of_noisy.mean()


def noisy_loss(network: Discriminator, rows: torch.Tensor, noise_like: NoiseLike, margin: float) -> torch.Tensor:
    """Return the loss of rows (N, D), and of the same rows with noise added behind the adapter.

    Both go through the network together, so that batch norm sees them as one batch. `noise_like` returns noise for
    what the adapter gives, (N, D).
    """
    adapted = network.adapter(rows)
    noise = noise_like(adapted.detach())
    both = torch.cat([adapted, adapted + noise])
    normal, noisy = network.judged(both).chunk(2)
    return margin_loss(normal, noisy, margin)


def train(
    network: Discriminator,
    table: KeptRows,
    training: Training,
    advance: Callable[[int], object] = lambda steps: None,
) -> float:
    """Train a network on a table of normal features, and return its loss on rows that it was not trained on.

    Parameters
    ----------
    network : Discriminator
        On the device of the table. Afterwards it is in evaluation mode, and has no gradients.
    table : KeptRows
    training : Training
    advance : callable, optional
        Called with 1 after each step.

    Returns
    -------
    float
        At `2 * training.margin` the network tells nothing apart.
    """
    learned, held = _divided(len(table), training.seed)
    noise = Noise(training, table.device)
    optimizers = _optimizers(network, training)
    enough = max(_LEAST_ROWS, len(learned))
    count = min(training.rows, enough)

    network.train()
    for step in in_time(range(training.steps)):
        rng = generator(training.seed, 0, step, "simplenet.rows")
        numbers = rng.integers(len(learned), size=count)
        places = learned[numbers]
        rows = table.take(places)
        loss = noisy_loss(network, rows, noise, training.margin)

        for each in optimizers:
            each.zero_grad()
        loss.backward()
        for each in optimizers:
            each.step()
        advance(1)

    network.eval().requires_grad_(False)
    return _held_loss(network, table, held, noise, training)


def has_learned(loss: float, margin: float) -> bool:
    """Return whether the loss of a network is below that of one which knows nothing."""
    chance = 2 * margin
    return loss < AT_CHANCE * chance


def _divided(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the rows to train on, and of those that are held out, chosen at random."""
    rng = generator(seed, 0, 0, "simplenet.held")
    order = rng.permutation(count)
    held = count // _ONE_HELD_OF
    at_least_one = max(1, held)
    return order[held:], order[:at_least_one]


def _optimizers(network: Discriminator, training: Training) -> list[torch.optim.Optimizer]:
    """Return the optimizers of the published code, one for the adapter and one for the rest."""
    adapter = list(network.adapter.parameters())
    rest = [*network.hidden.parameters(), *network.norm.parameters(), *network.last.parameters()]
    of_rest = torch.optim.Adam(rest, training.rate, weight_decay=_DECAY)
    if not adapter:
        return [of_rest]

    of_adapter = torch.optim.AdamW(adapter, training.adapter_rate)
    return [of_rest, of_adapter]


def _held_loss(
    network: Discriminator, table: KeptRows, held: np.ndarray, noise: Noise, training: Training
) -> float:
    """Return the mean loss over the rows that were held out."""
    total = 0.0
    for start in range(0, len(held), training.rows):
        end = start + training.rows
        places = held[start:end]
        rows = table.take(places)
        loss = noisy_loss(network, rows, noise, training.margin)
        total += len(places) * float(loss)
    return total / len(held)
