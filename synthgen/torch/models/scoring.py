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

    count = patches.shape[0]  # not `len`, which would fix the number of images in an exported graph
    images = torch.arange(count, device=patches.device)
    patch = patches[images, farthest]
    own = indices[images, farthest]
    points = bank[own]

    _, around = nearest_points(points, bank, neighbours)
    # a twin of the own point in the bank may be found in its place, at the same distance
    around[:, 0] = own

    points = bank[around]
    offsets = points - patch.unsqueeze(1)
    lengths = torch.linalg.vector_norm(offsets, dim=2)
    shares = torch.softmax(lengths, dim=1)
    share_of_own = shares[:, 0]
    weights = 1 - share_of_own
    return scores * weights


def with_border(patch_scores: torch.Tensor, border: int) -> torch.Tensor:
    """Return maps (N, h, w) with the `border` places that were left out at each edge: what is nearest, repeated."""
    maps = patch_scores.unsqueeze(1)
    sides = [border] * 4
    padded = functional.pad(maps, sides, mode="replicate")
    return padded.squeeze(1)


def pixel_maps(
    patch_scores: torch.Tensor, size: tuple[int, int], sigma: float, interpolation: str = "bilinear"
) -> torch.Tensor:
    """Return maps (N, h, w) enlarged to `size` = (H, W) and smoothed by `sigma` pixels: (N, H, W)."""
    maps = patch_scores.unsqueeze(1)
    maps = enlarged(maps, size, interpolation)
    return smoothed(maps.squeeze(1), sigma)


def smoothed(maps: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return maps (N, H, W) blurred by a Gaussian that is cut off at 4 sigma.

    Beyond the edges the map is reflected, the pixel at the edge included, as SciPy's ``gaussian_filter`` does,
    which the published code of PatchCore uses.
    """
    if sigma == 0:
        return maps

    kernel = _gaussian(sigma, maps)
    maps = _blurred(maps, kernel)
    turned = maps.transpose(1, 2)
    turned = _blurred(turned, kernel)
    back = turned.transpose(1, 2)
    return back.contiguous()


def _gaussian(sigma: float, maps: torch.Tensor) -> torch.Tensor:
    """Return a Gaussian of sum 1 that is cut off at 4 sigma, (2 r + 1,), of the type of the maps."""
    cut = 4 * sigma
    radius = int(cut + 0.5)
    end = radius + 1
    offsets = torch.arange(-radius, end, device=maps.device)
    offsets = offsets.to(maps.dtype)

    twice_variance = 2 * sigma**2
    exponents = -(offsets**2)
    exponents = exponents / twice_variance
    return torch.softmax(exponents, dim=0)


def _blurred(maps: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Return maps (N, H, W) blurred along their rows by a kernel (2 r + 1,)."""
    radius = len(kernel) // 2
    width = maps.shape[2]
    end = width + radius

    # 1 0 | 0 1 2 | 2 1: the places of a row, reflected at its ends
    period = 2 * width
    places = torch.arange(-radius, end, device=maps.device)
    places %= period
    reflected = period - 1 - places
    places = torch.minimum(places, reflected)

    padded = maps[:, :, places]
    padded = padded.unsqueeze(1)
    row = kernel.view(1, 1, 1, -1)
    blurred = functional.conv2d(padded, row)
    return blurred.squeeze(1)
