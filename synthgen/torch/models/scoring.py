"""From distances of patches to scores of images and maps of pixels: pure functions."""

import torch
from torch.nn import functional

from synthgen.torch.coreset.greedy import nearest


def image_scores(
    patches: torch.Tensor, distances: torch.Tensor, indices: torch.Tensor, bank: torch.Tensor, neighbours: int
) -> torch.Tensor:
    """Score images by their farthest patch, re-weighted where its neighbourhood in the bank is sparse.

    The weight is 1 - exp(s) / sum of exp(distances to the `neighbours` points of the bank nearest to the
    patch's own nearest point, itself included): equations 6 and 7 of Roth et al. 2022.

    Parameters
    ----------
    patches : Tensor, (N, P, D)
    distances : Tensor, (N, P)
        Of each patch to its nearest point.
    indices : Tensor of int64, (N, P)
        Which point that is.
    bank : Tensor, (M, D)
    neighbours : int
        1 leaves the score as it is.

    Returns
    -------
    Tensor, (N,)
    """
    scores, farthest = distances.max(1)
    if neighbours == 1 or len(bank) == 1:
        return scores
    images = torch.arange(len(patches), device=patches.device)
    own = indices[images, farthest]
    around = nearest(bank[own], bank, neighbours)[1]
    # a twin of the own point in the bank may be found in its place, at the same distance
    around[:, 0] = own
    offsets = torch.linalg.vector_norm(bank[around] - patches[images, farthest][:, None], dim=2)
    return scores * (1 - torch.softmax(offsets, dim=1)[:, 0])


def with_border(patch_scores: torch.Tensor, border: int) -> torch.Tensor:
    """Give maps (N, h, w) back the `border` places that were left out at each edge: what is nearest, repeated."""
    return functional.pad(patch_scores[:, None], (border,) * 4, mode="replicate")[:, 0]


def pixel_maps(patch_scores: torch.Tensor, size: tuple[int, int], sigma: float) -> torch.Tensor:
    """Enlarge maps (N, h, w) bilinearly to `size` = (H, W) and smooth them by `sigma` pixels: (N, H, W)."""
    maps = functional.interpolate(patch_scores[:, None], size=size, mode="bilinear", align_corners=False)
    return smoothed(maps[:, 0], sigma)


def smoothed(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur (N, H, W) by a Gaussian cut off at 4 sigma; at the edges the nearest pixel goes on."""
    if sigma == 0:
        return maps
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.softmax(-(offsets**2) / (2 * sigma**2), dim=0)
    rows = functional.pad(maps[:, None], (radius, radius, 0, 0), mode="replicate")
    rows = functional.conv2d(rows, kernel.view(1, 1, 1, -1))
    columns = functional.pad(rows, (0, 0, radius, radius), mode="replicate")
    return functional.conv2d(columns, kernel.view(1, 1, -1, 1))[:, 0]
