"""How the objective is descended on: gradients that neighbors share, and Adan (Tao et al. 2024, section III-D)."""

import warnings

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
    padded = np.full([side + 2 * REACH for side in region.shape], -1)
    rows, columns = np.nonzero(region)
    padded[rows + REACH, columns + REACH] = np.arange(len(rows))
    own = image[rows, columns]

    pixels = []
    others = []
    weights = []
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            numbers = padded[rows + REACH + down, columns + REACH + right]
            there = np.flatnonzero(numbers >= 0)
            neighbors = numbers[there]
            unlike = np.square(own[there] - own[neighbors]).sum(axis=1) / color_spread**2
            apart = (down**2 + right**2) / SPREAD**2
            pixels.append(there)
            others.append(neighbors)
            weights.append(np.exp(-apart - unlike))

    places = (np.concatenate(pixels), np.concatenate(others))
    values = np.concatenate(weights)
    sums = np.bincount(places[0], values)
    shares = (values / sums[places[0]]).astype(np.float32)
    return csr_array((shares, places), shape=(len(rows), len(rows)))


def as_tensor(matrix: csr_array, device) -> torch.Tensor:
    """Return a sparse matrix of SciPy's as one of torch's, of compressed rows."""
    parts = [torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that such matrices are new in torch
        return torch.sparse_csr_tensor(*parts, matrix.shape, check_invariants=False).to(device)


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
