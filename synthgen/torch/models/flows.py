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
    half = CODES // 4
    exponents = torch.arange(half) / half
    rates = torch.exp(-math.log(_LARGEST_PERIOD) * exponents)

    columns = _waves(width, rates).expand(height, width, 2 * half)
    rows = _waves(height, rates).unsqueeze(1).expand(height, width, 2 * half)
    return torch.cat([columns, rows], dim=2).reshape(-1, CODES)


def _waves(length: int, rates: torch.Tensor) -> torch.Tensor:
    """Return sines and cosines of the places 0 to length - 1, by turns, (length, 2 R)."""
    angles = torch.arange(length).unsqueeze(1) * rates
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
        self.net = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, 2 * self.changed))
        # 0.1 softplus(scale), of beta 0.5, is 1
        start = 2 * math.log(math.expm1(5))
        self.scale = nn.Parameter(torch.full((channels,), start))
        self.offset = nn.Parameter(torch.zeros(channels))
        self.register_buffer("permutation", torch.arange(channels))

    def forward(self, rows: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows (P, D) after the block, and the logarithm of how much it stretches space there, (P,)."""
        kept, changed = rows.split([self.kept, self.changed], dim=1)
        said = _SHRINK * self.net(torch.cat([kept, codes], dim=1))
        stretch, shift = said.chunk(2, dim=1)
        stretch = _CLAMP * stretch.tanh()
        moved = changed * stretch.exp() + shift

        scale = _SHRINK * functional.softplus(self.scale, beta=0.5)
        whole = torch.cat([kept, moved], dim=1) * scale + self.offset
        logarithm = stretch.sum(1) + scale.log().sum()
        return whole[:, self.permutation], logarithm


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
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))

    def draw(self, seed: int, number: int) -> "Flow":
        """Draw weights and permutations at random, and return the flow; `number` tells flows of one seed apart."""
        for count, block in enumerate(self.blocks):
            rng = generator(seed, number, count, "cflow.block")
            block.permutation = torch.from_numpy(rng.permutation(self.channels))
            for layer in (block.net[0], block.net[2]):
                bound = 1 / math.sqrt(layer.in_features)
                for weight in (layer.weight, layer.bias):
                    drawn = rng.uniform(-bound, bound, tuple(weight.shape))
                    weight.data = torch.from_numpy(drawn.astype(np.float32))
        return self

    def forward(self, rows: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the density of rows (P, D) at places of codes (P, 128), by channels, (P,)."""
        logarithm = torch.zeros(len(rows), dtype=rows.dtype, device=rows.device)
        for block in self.blocks:
            rows, stretched = block(rows, codes)
            logarithm = logarithm + stretched

        gaussian = -0.5 * rows.square().sum(1) - self.channels / 2 * math.log(2 * math.pi)
        return (gaussian + logarithm) / self.channels

    def scores(self, rows: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return how unlikely rows are, (P,): minus the log-sigmoid of the log-density."""
        return -functional.logsigmoid(self(rows, codes))
