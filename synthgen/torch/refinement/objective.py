"""The terms of the objective (Tao et al. 2024, section III): pure functions of pixels, in the backbone's units.

Each returns a value for every pixel, place or pair, whose sum is the term: images of a batch are told apart later.
"""

import torch

EPSILON = 1e-4  # of the penalty on sparsity, Tao et al. 2024, section IV-A
_LEAST = 1e-12  # keeps the gradient of a length finite at zero


def feature_term(scores: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return the scores of places (P,) in units of what is usual in their image, (P,).

    The scores of models and backbones differ by factors of 100 and more: without a scale no weight of the other
    terms would serve two of them.
    """
    return scores / scale


def color_term(pixels: torch.Tensor, means: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """Return how unusual colors are: the squared Mahalanobis distance to the nearest Gaussian (equation 10).

    Parameters
    ----------
    pixels : Tensor, (P, 3)
    means : Tensor, (K, 3)
    whitening : Tensor, (K, 3, 3)
        W of each Gaussian: its inverse covariance is W' W.

    Returns
    -------
    Tensor, (P,)
    """
    offsets = pixels - means.unsqueeze(1)
    whitened = offsets @ whitening.mT
    distances = whitened.square().sum(2)
    return distances.amin(0)


def variation_term(values: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Return the differences of neighboring pixels, summed over the channels (equation 11).

    Parameters
    ----------
    values : Tensor, (N, 3)
        All pixels of all images.
    pairs : Tensor of int64, (M, 2)
        Which are neighbors.

    Returns
    -------
    Tensor, (M,)
    """
    first, second = pairs.unbind(1)
    changes = values[first] - values[second]
    return changes.abs().sum(1)


def sparsity_term(differences: torch.Tensor) -> torch.Tensor:
    """Return the penalty on differences from the image, which hardly grows with their length (equation 8).

    Parameters
    ----------
    differences : Tensor, (P, 3)
        Of each pixel.

    Returns
    -------
    Tensor, (P,)
    """
    squared = differences.square().sum(1)
    length = (squared + _LEAST).sqrt()
    rounded = (squared + EPSILON).sqrt()
    return (rounded + length).log()
