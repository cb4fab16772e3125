"""A conditional normalizing flow over patch features, for CFLOW-AD (Gudovskiy et al. 2022, section 4)."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from synthgen.seeding import generator

CODES = 128  # numbers of a place's code: 64 of its column, 64 of its row
_CLAMP = 1.9  # of the logarithm of scales
_SHRINK = 0.1  # of what a network says, so that a flow begins near the identity
_LARGEST_PERIOD = 10_000.0


def place_codes(height: int, width: int) -> torch.Tensor:
    """Return the code of each place of a grid, (height * width, 128): sines and cosines of column and row."""
    frequencies = CODES // 4
    shares = torch.arange(frequencies) / frequencies
    rates = _LARGEST_PERIOD**-shares

    half = CODES // 2
    size = (height, width, half)
    of_column = _waves(width, rates)
    of_row = _waves(height, rates).unsqueeze(1)
    codes = torch.cat([of_column.expand(size), of_row.expand(size)], dim=2)
    return codes.reshape(-1, CODES)


def _waves(length: int, rates: torch.Tensor) -> torch.Tensor:
    """Return sines and cosines of the places 0 to length - 1, by turns, (length, 2 R)."""
    places = torch.arange(length).unsqueeze(1)
    angles = places * rates
    pairs = torch.stack([angles.sin(), angles.cos()], dim=2)
    return pairs.flatten(1)


class Block(nn.Module):
    """A block of a flow: one half of the channels scales and moves the other; then all are scaled, moved, mixed.

    Parameters
    ----------
    channels : int
        At least 2.
    """

    permutation: torch.Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.kept = (channels + 1) // 2
        self.changed = channels // 2
        width = self.kept + CODES
        hidden = 2 * width
        said = 2 * self.changed
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, said))

        # 0.1 softplus(scale), of beta 0.5, is 1
        start = 2 * math.log(math.expm1(5))
        scale = torch.full((channels,), start)
        offset = torch.zeros(channels)
        self.scale = nn.Parameter(scale)
        self.offset = nn.Parameter(offset)
        order = torch.arange(channels)
        self.register_buffer("permutation", order)

    def linear_layers(self) -> list[nn.Linear]:
        """Return the linear layers of the block's network, in order."""
        return [layer for layer in self.net if isinstance(layer, nn.Linear)]

    def forward(self, rows: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows (P, D) after the block, and the logarithm of how much it stretches space there, (P,)."""
        kept, changed = rows.split([self.kept, self.changed], dim=1)
        known = torch.cat([kept, codes], dim=1)
        said = _SHRINK * self.net(known)
        stretch, shift = said.chunk(2, dim=1)
        stretch = _CLAMP * stretch.tanh()
        moved = changed * stretch.exp() + shift

        scale = _SHRINK * functional.softplus(self.scale, beta=0.5)
        whole = torch.cat([kept, moved], dim=1)
        scaled = whole * scale + self.offset
        of_all = scale.log().sum()
        logarithm = stretch.sum(1) + of_all
        return scaled[:, self.permutation], logarithm


class Flow(nn.Module):
    """A flow from features to a standard Gaussian, whose density is that of the features at a place.

    Parameters
    ----------
    channels : int
    blocks : int
    """

    def __init__(self, channels: int, blocks: int):
        super().__init__()
        self.channels = channels
        made = [Block(channels) for _ in range(blocks)]
        self.blocks = nn.ModuleList(made)

    def steps(self) -> list[Block]:
        """Return the blocks, in order."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def draw(self, seed: int, number: int) -> "Flow":
        """Draw weights and permutations at random, and return the flow; `number` tells flows of one seed apart."""
        for count, block in enumerate(self.steps()):
            rng = generator(seed, number, count, "cflow.block")
            order = rng.permutation(self.channels)
            block.permutation = torch.from_numpy(order)
            for layer in block.linear_layers():
                _draw_weights(layer, rng)
        return self

    def forward(self, rows: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the density of rows (P, D) at places of codes (P, 128), by channels, (P,)."""
        logarithm = rows.new_zeros(len(rows))
        for block in self.steps():
            rows, stretched = block(rows, codes)
            logarithm = logarithm + stretched

        squared = rows.square().sum(1)
        constant = self.channels * math.log(2 * math.pi)
        gaussian = -(squared + constant) / 2
        return (gaussian + logarithm) / self.channels

    def scores(self, rows: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return how unlikely rows are, (P,): minus the log-sigmoid of the log-density."""
        density = self(rows, codes)
        return -functional.logsigmoid(density)


def _draw_weights(layer: nn.Linear, rng: np.random.Generator) -> None:
    """Draw the weights of a layer, as torch does by default."""
    bound = 1 / math.sqrt(layer.in_features)
    for weight in (layer.weight, layer.bias):
        size = tuple(weight.shape)
        drawn = rng.uniform(-bound, bound, size)
        weight.data = torch.from_numpy(drawn.astype(np.float32))
