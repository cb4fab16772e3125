"""Sets of features as vectors of fixed length: pure functions, for SINBAD (Cohen et al. 2023)."""

import math
from typing import NamedTuple

import numpy as np
import torch

from synthgen.seeding import generator

_LEAST_VARIANCE = 1e-12


def random_directions(channels: int, count: int, seed: int, number: int) -> torch.Tensor:
    """Return random directions as columns (channels, count), of about length 1; `number` tells layers apart."""
    rng = generator(seed, 0, number, "sinbad.directions")
    size = (channels, count)
    drawn = rng.standard_normal(size, dtype=np.float32)

    length = math.sqrt(channels)
    return torch.from_numpy(drawn) / length


def described(maps: torch.Tensor, directions: torch.Tensor, quantiles: int) -> torch.Tensor:
    """Return how the features of each image are distributed along each direction.

    Parameters
    ----------
    maps : Tensor, (N, D, h, w)
    directions : Tensor, (D, P)
    quantiles : int
        Of the h * w features; with 5 these are the quantiles 0.1, 0.3, 0.5, 0.7 and 0.9.

    Returns
    -------
    Tensor, (N, P * quantiles)
        The order of the places makes no difference.
    """
    found = []
    for each in maps:
        places = each.flatten(1).T
        along = places @ directions
        ascending = along.sort(0).values
        of_image = _quantiles(ascending, quantiles)
        found.append(of_image.T.flatten())
    return torch.stack(found)


def _quantiles(ascending: torch.Tensor, count: int) -> torch.Tensor:
    """Return quantiles (count, P) of sorted columns (n, P), between two values by a straight line."""
    steps = torch.arange(count, device=ascending.device)
    shares = (steps + 0.5) / count

    last = len(ascending) - 1
    places = shares * last
    below = places.long()
    above = (below + 1).clamp(max=last)

    weight = places - below
    lower = ascending[below]
    upper = ascending[above]
    return torch.lerp(lower, upper, weight.unsqueeze(1))


class Whitening(NamedTuple):
    """A linear map after which distances are Mahalanobis distances.

    Attributes
    ----------
    floor : Tensor, ()
        What lengths are multiplied by in directions in which nothing varies.
    basis : Tensor, (D, r)
        Directions that vary; the longer a column is, the more lengths along it are shortened.
    """

    floor: torch.Tensor
    basis: torch.Tensor

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows (N, D) in the whitened space, (N, D)."""
        along = rows @ self.basis
        shortened = along @ self.basis.T
        whole = self.floor * rows
        return whole - shortened


def whitening_of(rows: torch.Tensor, shrinkage: float) -> Whitening:
    """Return the whitening of rows (N, D), whose covariance is drawn towards a ball by a share in (0, 1]."""
    count, channels = rows.shape
    centered = rows - rows.mean(0)
    _, lengths, axes = torch.linalg.svd(centered, full_matrices=False)

    # covariance along its axes, and that of the ball
    variances = lengths.square() / count
    total = float(variances.sum())
    ball = max(total / channels, _LEAST_VARIANCE)
    least = shrinkage * ball
    own = (1 - shrinkage) * variances
    shrunken = own + least

    # what the axes are shortened by, beside all other directions
    floor = torch.tensor(least, device=rows.device)
    floor = floor.rsqrt()
    difference = floor - shrunken.rsqrt()
    factors = difference.clamp(min=0).sqrt()
    basis = axes.T * factors
    return Whitening(floor, basis)
