"""Transformation blocks: the features of several members become few components (Saghir 2024, section 4.4).

Pure functions on tensors. A block is a linear map of the channels at each place. Resizing is a linear map of the
places, so both may change order: each member is projected on its own grid, and few channels are resized instead of
all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from synthgen.errors import UsageError
from synthgen.torch.features import size_of
from synthgen.torch.models.gaussians import Moments

# Most components that a share of the variance may take.
MOST = 512
_ROUNDING = 1e-12


class Block(NamedTuple):
    """A linear map from the D channels of all members to N components.

    Attributes
    ----------
    mean, scale : Tensor, (D,)
        Of each channel: what is taken away from it, and what it is then divided by.
    basis : Tensor, (D, N)
        A column for each component.
    eigenvalues : Tensor, (N,)
        Variance of each component.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    basis: torch.Tensor
    eigenvalues: torch.Tensor


class Wanted(NamedTuple):
    """What a block should be.

    Attributes
    ----------
    components : int or float
        Their number, or the share of the variance that they keep.
    scale : {'member', 'channel', 'none'}
        What is brought to variance 1: all channels of a member together, each channel, or nothing.
    whiten : bool
        Divide each component by its deviation.
    """

    components: int | float
    scale: str = "member"
    whiten: bool = False


class Found(NamedTuple):
    """A block, and the share of the variance that it keeps."""

    block: Block
    share: float


def resized(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return maps (N, D, h, w) at another size (H, W), bilinearly; antialiased where they shrink."""
    here = size_of(maps)
    if here == tuple(size):
        return maps
    height, width = here
    shrinks = size[0] < height or size[1] < width
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=shrinks)


def joined(maps: Sequence[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """Return the maps (N, D_m, h_m, w_m) of all members at one size, their channels joined."""
    alike = [resized(each, size) for each in maps]
    return torch.cat(alike, dim=1)


def fused(maps: Sequence[torch.Tensor], block: Block, size: tuple[int, int]) -> torch.Tensor:
    """Return the components of maps, as if these had been resized, joined and projected.

    Parameters
    ----------
    maps : sequence of Tensor, (N, D_m, h_m, w_m)
        Of each member.
    block : Block
    size : (int, int)
        Height and width of the result.

    Returns
    -------
    Tensor, (N, components, H, W)
    """
    channels = [each.shape[1] for each in maps]
    means = block.mean.split(channels)
    scales = block.scale.split(channels)
    bases = block.basis.split(channels)

    total = None
    for each, mean, scale, basis in zip(maps, means, scales, bases, strict=True):
        components = projected(each, mean, scale, basis)
        part = resized(components, size)
        total = part if total is None else total + part
    assert total is not None
    return total


def projected(maps: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """Return maps (N, D, h, w), standardised and multiplied by a basis (D, K): (N, K, h, w)."""
    rows = maps.permute(0, 2, 3, 1)
    standard = (rows - mean) / scale
    components = standard @ basis
    return components.permute(0, 3, 1, 2)


def global_block(moments: Moments, channels: Sequence[int], wanted: Wanted) -> Found:
    """Return the block of principal components of all members together.

    Parameters
    ----------
    moments : Moments
        Of one place: the rows of all members, joined.
    channels : sequence of int
        Of each member.
    wanted : Wanted

    Returns
    -------
    Found

    Raises
    ------
    UsageError
        If there are not so many components.
    """
    mean = moments.mean[0]
    covariance = _covariance(moments)
    scale = _scales(covariance.diagonal(), channels, wanted.scale)
    pairs = scale * scale[:, None]
    eigenvalues, vectors = principal_axes(covariance / pairs)

    count = components_of(eigenvalues, wanted.components, moments.count)
    kept = eigenvalues[:count]
    basis = _whitened(vectors[:, :count], kept, wanted.whiten)
    share = kept.sum() / eigenvalues.sum()
    # contiguous as in a file, so that a loaded block rounds as this one does
    plain = basis.to(mean).contiguous()
    block = Block(mean, scale.to(mean), plain, kept.to(mean))
    return Found(block, float(share))


def individual_block(moments: Sequence[Moments], wanted: Wanted) -> Found:
    """Return the block of the principal components of each member alone, one after the other.

    Parameters
    ----------
    moments : sequence of Moments
        Of one place: the rows of each member, on its own grid.
    wanted : Wanted
        The components are those of each member.

    Returns
    -------
    Found
        Its share is that of the member which keeps the least.

    Raises
    ------
    UsageError
        If a member has not so many components.
    """
    found = []
    for each in moments:
        channels = each.mean.shape[1]
        found.append(global_block(each, [channels], wanted))

    blocks = [each.block for each in found]
    means, scales, bases, eigenvalues = zip(*blocks, strict=True)
    block = Block(
        torch.cat(means),
        torch.cat(scales),
        torch.block_diag(*bases),
        torch.cat(eigenvalues),
    )
    least = min(each.share for each in found)
    return Found(block, least)


def principal_axes(covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the eigenvalues (D,) of a covariance (D, D), descending and >= 0, and its eigenvectors in columns.

    The largest entry of each vector is positive: so the result is the same on all machines.
    """
    ascending, vectors = torch.linalg.eigh(covariance)
    eigenvalues = ascending.flip(0).clamp(min=0)
    vectors = vectors.flip(1)

    largest = vectors.abs().argmax(0, keepdim=True)
    signs = vectors.gather(0, largest).sign()
    return eigenvalues, vectors * signs


def components_of(eigenvalues: torch.Tensor, wanted: int | float, rows: int) -> int:
    """Return the number of components: the one that is wanted, or the smallest that keeps a share of the variance.

    Parameters
    ----------
    eigenvalues : Tensor, (D,)
        Descending.
    wanted : int or float
        1.0 keeps all; a smaller share keeps at most `MOST`.
    rows : int
        Of the table that the eigenvalues are of.

    Raises
    ------
    UsageError
        If there are fewer channels, or rows but one.
    """
    channels = len(eigenvalues)
    if wanted == 1 and isinstance(wanted, float):
        count = channels
    elif isinstance(wanted, float):
        shares = eigenvalues.cumsum(0) / eigenvalues.sum()
        is_below = shares < wanted - _ROUNDING
        below = int(is_below.sum())
        count = min(below + 1, MOST)
    else:
        count = wanted

    most = min(channels, rows - 1)
    if count > most:
        raise UsageError(
            f"components must be at most {most:,}, of {channels:,} channels in {rows:,} places, got {count:,}"
        )
    return count


def _covariance(moments: Moments) -> torch.Tensor:
    """Return the covariance of the rows of one place, float64 (D, D)."""
    degrees = max(1, moments.count - 1)
    scatter = moments.scatter[0].cpu().double()
    return scatter / degrees


def _scales(variances: torch.Tensor, channels: Sequence[int], how: str) -> torch.Tensor:
    """Return what each channel is divided by, (D,); a channel that never varies by 1."""
    if how == "none":
        return torch.ones_like(variances)
    if how == "member":
        parts = variances.split(list(channels))
        totals = [each.sum().expand(len(each)) for each in parts]
        variances = torch.cat(totals)
    positive = variances.masked_fill(variances <= 0, 1)
    return positive.sqrt()


def _whitened(basis: torch.Tensor, eigenvalues: torch.Tensor, whiten: bool) -> torch.Tensor:
    """Return a basis whose components have variance 1, if that is wanted."""
    if not whiten:
        return basis
    least = eigenvalues[0] * _ROUNDING
    variances = eigenvalues.clamp(min=least)
    return basis / variances.sqrt()
