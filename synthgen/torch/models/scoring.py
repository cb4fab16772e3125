"""From distances of patches to scores of images and maps of pixels: pure functions."""

import torch
from torch.nn import functional

from synthgen.torch.coreset.greedy import nearest_points
from synthgen.torch.features import enlarged


def image_scores(
    patches: torch.Tensor, distances: torch.Tensor, indices: torch.Tensor, bank: torch.Tensor, neighbours: int
) -> torch.Tensor:
    """Return the scores of images: the distance of the farthest patch, with a weight.

    The weight is smaller where the bank is sparse around the patch: 1 - exp(s) / sum of exp(distances to the
    `neighbours` points of the bank nearest to the patch's own nearest point, itself included), equations 6 and 7 of
    Roth et al. 2022.

    Parameters
    ----------
    patches : Tensor, (N, P, D)
    distances : Tensor, (N, P)
        Of each patch to its nearest point.
    indices : Tensor of int64, (N, P)
        Which point that is.
    bank : Tensor, (M, D)
    neighbours : int
        1 leaves the score as it is, as the published code does.

    Returns
    -------
    Tensor, (N,)
    """
    scores, farthest = distances.max(1)
    if neighbours == 1 or len(bank) == 1:
        return scores

    images = torch.arange(len(patches), device=patches.device)
    patch = patches[images, farthest]
    own = indices[images, farthest]

    _, around = nearest_points(bank[own], bank, neighbours)
    # a twin of the own point in the bank may be found in its place, at the same distance
    around[:, 0] = own

    offsets = bank[around] - patch[:, None]
    lengths = torch.linalg.vector_norm(offsets, dim=2)
    share_of_own = torch.softmax(lengths, dim=1)[:, 0]
    return scores * (1 - share_of_own)


def with_border(patch_scores: torch.Tensor, border: int) -> torch.Tensor:
    """Return maps (N, h, w) with the `border` places that were left out at each edge: what is nearest, repeated."""
    sides = (border, border, border, border)
    return functional.pad(patch_scores[:, None], sides, mode="replicate")[:, 0]


def pixel_maps(
    patch_scores: torch.Tensor, size: tuple[int, int], sigma: float, interpolation: str = "bilinear"
) -> torch.Tensor:
    """Return maps (N, h, w) enlarged to `size` = (H, W) and smoothed by `sigma` pixels: (N, H, W)."""
    maps = enlarged(patch_scores[:, None], size, interpolation)
    return smoothed(maps[:, 0], sigma)


def smoothed(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return maps (N, H, W) blurred by a Gaussian that is cut off at 4 sigma.

    Beyond the edges the map is reflected, the pixel at the edge included, as SciPy's ``gaussian_filter`` does,
    which the published code of PatchCore uses.
    """
    if sigma == 0:
        return maps

    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.softmax(-(offsets**2) / (2 * sigma**2), dim=0)

    columns = _reflected(maps.shape[2], radius, maps.device)
    maps = functional.conv2d(maps[:, None, :, columns], kernel.view(1, 1, 1, -1))
    rows = _reflected(maps.shape[2], radius, maps.device)
    maps = functional.conv2d(maps[:, :, rows], kernel.view(1, 1, -1, 1))
    return maps[:, 0]


def _reflected(length: int, radius: int, device) -> torch.Tensor:
    """Return the places 0..length-1, and `radius` more on both sides, reflected: 1 0 | 0 1 2 | 2 1."""
    places = torch.arange(-radius, length + radius, device=device) % (2 * length)
    return torch.minimum(places, 2 * length - 1 - places)
