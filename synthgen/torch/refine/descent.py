"""How the objective is descended on: gradients that neighbors share, and Adan (Tao et al. 2024, section III-D)."""

import numpy as np
import torch

# Of Tao et al. 2024, section IV-A: neighbors in a square of 11 x 11, and how fast weights fall with distance
# and color.
REACH = 5
SPREAD = 1.1
COLOR_SPREAD = 3.0
# Of Adan (Xie et al. 2022), recommended by its authors.
_BETAS = (0.98, 0.92, 0.99)
_EPSILON = 1e-8


def sharing_weights(region: np.ndarray, image: np.ndarray) -> torch.Tensor:
    """Return the weights by which the pixels of a region share their gradients (equation 14).

    Parameters
    ----------
    region : ndarray of bool, (H, W)
    image : ndarray of float, (H, W, 3)
        In the backbone's units.

    Returns
    -------
    Tensor, (P, P)
        Sparse, of the pixels of the region row by row; each row has the sum 1.
    """
    height, width = region.shape
    numbers = np.full((height + 2 * REACH, width + 2 * REACH), -1)
    inner = numbers[REACH : REACH + height, REACH : REACH + width]
    inner[region] = np.arange(np.count_nonzero(region))
    rows, columns = np.nonzero(region)
    own = image[rows, columns]

    sources = []
    targets = []
    weights = []
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            other = numbers[rows + REACH + down, columns + REACH + right]
            there = other >= 0
            neighbors = other[there]
            colors = own[there] - own[neighbors]
            apart = (down**2 + right**2) / SPREAD**2
            unlike = np.square(colors).sum(1) / COLOR_SPREAD**2
            sources.append(np.flatnonzero(there))
            targets.append(neighbors)
            weights.append(np.exp(-apart - unlike))
    return _normalized(np.concatenate(sources), np.concatenate(targets), np.concatenate(weights))


def _normalized(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return a sparse matrix whose rows have the sum 1."""
    sums = np.bincount(rows, weights)
    shares = weights / sums[rows]
    indices = torch.from_numpy(np.stack([rows, columns]))
    values = torch.from_numpy(shares.astype(np.float32))
    return torch.sparse_coo_tensor(indices, values, (len(sums), len(sums)))


class Adan:
    """Adan's directions for gradients of one shape (Xie et al. 2022, algorithm 1).

    The caller multiplies them by a step, which may differ from pixel to pixel.
    """

    def __init__(self):
        self._count = 0

    def direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the direction to go against, after one more gradient."""
        first, second, third = _BETAS
        if not self._count:
            self._mean = torch.zeros_like(gradient)
            self._change = torch.zeros_like(gradient)
            self._square = torch.zeros_like(gradient)
            self._last = gradient

        self._count += 1
        change = gradient - self._last
        ahead = gradient + second * change
        self._mean.lerp_(gradient, 1 - first)
        self._change.lerp_(change, 1 - second)
        self._square.lerp_(ahead.square(), 1 - third)
        self._last = gradient

        # the running means begin at zero
        mean = self._mean / (1 - first**self._count)
        change = self._change / (1 - second**self._count)
        square = self._square / (1 - third**self._count)
        return (mean + second * change) / (square.sqrt() + _EPSILON)
