"""Gaussians of features at each place of an image: pure functions and sums, for PaDiM (Defard et al. 2021)."""

import torch

from synthgen.errors import UsageError
from synthgen.seeding import generator

BLOCK_PLACES = 256
# Of the diagonal of a covariance, so that it can be inverted: as a share of the variances, and at all.
_LEAST_SHARE = 1e-6
_LEAST_VARIANCE = 1e-12


class Moments:
    """Mean and scatter at each place, updated by batches (Chan, Golub and LeVeque 1983).

    ``mean`` is (P, D), ``scatter`` (P, D, D) the sum of the outer products of what differs from the mean.
    """

    def __init__(self, places: int, channels: int, device):
        self.count = 0
        self.mean = torch.zeros((places, channels), device=device)
        size = (places, channels, channels)
        self.scatter = torch.zeros(size, device=device)

    def add(self, values: torch.Tensor) -> None:
        """Add a batch, (P, N, D)."""
        count = values.shape[1]
        total = self.count + count
        mean = values.mean(1, keepdim=True)
        centered = values - mean
        self.scatter.baddbmm_(centered.mT, centered)

        # between the mean of the batch and that of all before
        shift = mean.squeeze(1) - self.mean
        share = count / total
        weight = self.count * share
        row = shift.unsqueeze(1)
        self.scatter.baddbmm_(row.mT, row, alpha=weight)

        self.mean += share * shift
        self.count = total


def whitened(scatter: torch.Tensor, degrees: int, regularisation: float) -> torch.Tensor:
    """Return scatters (P, D, D), in place, as W: W (x - mean) has as its length the Mahalanobis distance.

    W is the inverse of the Cholesky factor of the covariance, scatter / `degrees` + `regularisation` on the
    diagonal.

    Raises
    ------
    UsageError
        If a covariance is not positive definite.
    """
    channels = scatter.shape[1]
    unit = torch.eye(channels, device=scatter.device)
    added = regularisation * unit
    for block in scatter.split(BLOCK_PLACES):
        covariance = block / degrees + added
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if failed.any():
            raise UsageError(
                f"regularisation must be larger, {regularisation:g} leaves covariances that are singular"
            )

        inverse = torch.linalg.solve_triangular(factor, unit.expand_as(factor), upper=False)
        block.copy_(inverse)
    return scatter


def shrunken(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean (D,) and whitening (D, D), as of `whitened`, of rows (N, D).

    The covariance is drawn towards that of a ball, by the share that Ledoit and Wolf 2004 find best, so that it can
    be inverted however few the rows are.
    """
    count, channels = rows.shape
    mean = rows.mean(0)
    centered = rows - mean
    scatter = centered.T @ centered
    variance = float(scatter.trace()) / (count * channels)

    # how far the covariance is from a ball, and how much of that is chance
    offset = scatter.square().sum() / count**2 - channels * variance**2
    fourth = centered.square().sum(1).square().sum() / count
    chance = (fourth - scatter.square().sum() / count**2) / count
    share = float((chance / offset).clamp(0, 1)) if offset > 0 else 1.0

    floor = max(share * variance, _LEAST_SHARE * variance, _LEAST_VARIANCE)
    kept = (1 - share) * scatter
    return mean, whitened(kept.unsqueeze(0), count, floor)[0]


def mahalanobis(offsets: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """Return the Mahalanobis distances of offsets from the mean, (P, N, D) with W (P, D, D) -> (P, N)."""
    whitened_offsets = offsets @ whitening.mT
    return torch.linalg.vector_norm(whitened_offsets, dim=2)


def by_place(features: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """Return some channels of features (N, D, h, w), place by place: (h * w, N, len(channels))."""
    chosen = features[:, channels]
    flat = chosen.flatten(2)
    return flat.permute(2, 0, 1).contiguous()


def random_channels(available: int, count: int, seed: int) -> torch.Tensor:
    """Return `count` numbers below `available`, or all of them, drawn at random, ascending: int64."""
    rng = generator(seed, 0, 0, "padim.channels")
    order = rng.permutation(available)
    chosen = torch.from_numpy(order[:count])
    return chosen.sort().values
