"""How the objective is descended on: gradients that neighbors share, and Adan (Tao et al. 2024, section III-D)."""

import warnings
from itertools import product

import numpy as np
import torch
from scipy.sparse import csr_array

# Of Tao et al. 2024, section IV-A: neighbors in a square of 11 x 11, and how fast weights fall with distance
# and color.
REACH = 5
SPREAD = 1.1
COLOR_SPREAD = 3.0
# Of Adan (Xie et al. 2022), recommended by its authors.
_BETAS = (0.98, 0.92, 0.99)
_EPSILON = 1e-8


def sharing_weights(region: np.ndarray, image: np.ndarray, color_spread: float = COLOR_SPREAD) -> csr_array:
    """Return the weights by which the pixels of a region share their gradients (equation 14).

    Parameters
    ----------
    region : ndarray of bool, (H, W)
    image : ndarray of float, (H, W, 3)
        In the backbone's units.
    color_spread : float
        Difference of colors at which a weight has fallen to 1/e.

    Returns
    -------
    csr_array of float32, (P, P)
        Of the pixels of the region row by row; each row has the sum 1.
    """
    colors = image[region]
    pixels = []
    others = []
    weights = []
    steps = range(-REACH, REACH + 1)
    for offset in product(steps, steps):
        own, neighbors = _neighbors(region, offset)
        differences = colors[own] - colors[neighbors]
        unlike = np.square(differences).sum(axis=1) / color_spread**2
        apart = np.square(offset).sum() / SPREAD**2

        pixels.append(own)
        others.append(neighbors)
        weights.append(np.exp(-apart - unlike))

    rows = np.concatenate(pixels)
    columns = np.concatenate(others)
    values = np.concatenate(weights)

    sums = np.bincount(rows, values)
    shares = values / sums[rows]
    count = len(colors)
    return csr_array((shares.astype(np.float32), (rows, columns)), shape=(count, count))


def _neighbors(region: np.ndarray, offset: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the pixels whose neighbor at an offset lies in the region, too, and of these."""
    numbers = np.full(region.shape, -1)
    numbers[region] = np.arange(np.count_nonzero(region))
    padded = np.pad(numbers, REACH, constant_values=-1)

    down, right = offset
    top = REACH + down
    left = REACH + right
    height, width = region.shape
    shifted = padded[top : top + height, left : left + width]
    found = shifted[region]
    there = np.flatnonzero(found >= 0)
    return there, found[there]


def as_tensor(matrix: csr_array, device) -> torch.Tensor:
    """Return a sparse matrix of SciPy's as one of torch's, of compressed rows."""
    ends = torch.from_numpy(matrix.indptr)
    columns = torch.from_numpy(matrix.indices)
    values = torch.from_numpy(matrix.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that such matrices are new in torch
        made = torch.sparse_csr_tensor(ends, columns, values, matrix.shape, check_invariants=False)
        return made.to(device)


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

        change = gradient - self._last
        ahead = gradient + second * change
        self._last = gradient
        self._count += 1

        mean = self._running(self._mean, gradient, first)
        change = self._running(self._change, change, second)
        square = self._running(self._square, ahead.square(), third)
        length = square.sqrt() + _EPSILON
        return (mean + second * change) / length

    def _running(self, kept: torch.Tensor, value: torch.Tensor, beta: float) -> torch.Tensor:
        """Return a running mean after one more value; it began at zero, which is made up for."""
        kept.lerp_(value, 1 - beta)
        share = 1 - beta**self._count
        return kept / share
