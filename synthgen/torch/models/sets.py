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
    drawn = rng.standard_normal((channels, count), dtype=np.float32)
    return torch.from_numpy(drawn) / math.sqrt(channels)


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
        along = each.flatten(1).T @ directions
        ascending = along.sort(0).values
        found.append(_quantiles(ascending, quantiles).T.flatten())
    return torch.stack(found)


def _quantiles(ascending: torch.Tensor, count: int) -> torch.Tensor:
    """Return quantiles (count, P) of sorted columns (n, P), between two values by a straight line."""
    steps = torch.arange(count, device=ascending.device)
    shares = (steps + 0.5) / count
    places = shares * (len(ascending) - 1)
    below = places.long()
    above = (below + 1).clamp(max=len(ascending) - 1)
    weight = (places - below).unsqueeze(1)
    return torch.lerp(ascending[below], ascending[above], weight)


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
        shortened = (rows @ self.basis) @ self.basis.T
        return self.floor * rows - shortened


def whitening_of(rows: torch.Tensor, shrinkage: float) -> Whitening:
    """Return the whitening of rows (N, D), whose covariance is drawn towards a ball by a share in (0, 1]."""
    count, channels = rows.shape
    centered = rows - rows.mean(0)
    _, lengths, axes = torch.linalg.svd(centered, full_matrices=False)

    variances = lengths.square() / count
    ball = max(float(variances.sum()) / channels, _LEAST_VARIANCE)
    least = shrinkage * ball
    shrunken = (1 - shrinkage) * variances + least

    floor = torch.tensor(least, device=rows.device).rsqrt()
    difference = (floor - shrunken.rsqrt()).clamp(min=0)
    return Whitening(floor, axes.T * difference.sqrt())
