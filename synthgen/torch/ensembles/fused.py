"""Extractors made of others: a fitted model cut open, and several extractors fused into one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from synthgen.errors import UsageError
from synthgen.torch.ensembles.blocks import Block, fused, joined, resized
from synthgen.torch.features import check_finite, size_of, without_border
from synthgen.torch.models.batches import as_images

if TYPE_CHECKING:
    from synthgen.torch.models.base import AnomalyModel, Extractor


class Opened:
    """The features of a fitted model, taken where its kind says that it is cut open.

    Images of other sizes are resized to the model's own.

    Parameters
    ----------
    model : AnomalyModel
        Fitted.
    """

    border = 0

    def __init__(self, model: AnomalyModel):
        if model.features.border:
            raise UsageError(f"member {model.kind} must have border 0 to be cut open, got {model.features.border}")
        self.model = model
        self.size = model._need_fit()
        self.device = model.device

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (N, D, h, w) of images (N, C, H, W), without gradients."""
        with torch.no_grad():
            maps = self.model.feature_maps(at_size(images, self.size))
        return check_finite(maps)

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (D, h, w): the same for images of all sizes."""
        return self.model.maps_shape()


def at_size(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return images at another size, as floats in [0, 1]; as they are where they have it."""
    images = as_images(images)
    if size_of(images) == tuple(size):
        return images

    values = images.float()
    if images.dtype == torch.uint8:
        values = values / 255
    return resized(values, size).clamp(0, 1)


class FusedExtractor:
    """Several extractors whose maps are brought to one grid and become one map.

    Parameters
    ----------
    members : sequence of Extractor
        Their borders are 0.
    names : sequence of str
        How messages name them.
    grid : (int, int), optional
        Height and width of the map; by default those of the largest member.
    border : int
        Places left out at each edge of the map.

    Attributes
    ----------
    block : Block or None
        Which components of the joined channels are returned; None for all channels as they are.

    Raises
    ------
    UsageError
        If there is no member, or they are on several devices.
    """

    def __init__(
        self,
        members: Sequence[Extractor],
        names: Sequence[str],
        grid: tuple[int, int] | None = None,
        border: int = 0,
    ):
        if not members:
            raise UsageError("member must name a backbone or the file of a model, got none")
        devices = {str(each.device) for each in members}
        if len(devices) > 1:
            listed = ", ".join(sorted(devices))
            raise UsageError(f"members must lie on one device, got {listed}")

        self.members = list(members)
        self.names = list(names)
        self.grid = grid
        self.border = border
        self.block: Block | None = None
        self.device = self.members[0].device

    def separate(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps (N, D_m, h_m, w_m) of each member, without gradients."""
        maps = []
        for name, member in zip(self.names, self.members, strict=True):
            try:
                maps.append(member(images))
            except UsageError as error:
                raise UsageError(f"member {name}: {error}") from None
        return maps

    def shapes(self, size: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Return (D, h, w) of each member's map of an image of `size` = (H, W)."""
        shapes = []
        for name, member in zip(self.names, self.members, strict=True):
            try:
                shapes.append(member.shape(size))
            except UsageError as error:
                raise UsageError(f"member {name}: {error}") from None
        return shapes

    def grid_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the fused map, the border included."""
        if self.grid is not None:
            return self.grid
        grids = [(height, width) for _, height, width in self.shapes(size)]
        return max(grids, key=math.prod)

    def channels(self, size: tuple[int, int]) -> list[int]:
        """Return the channels of each member."""
        return [channels for channels, _, _ in self.shapes(size)]

    def whole(self, images: torch.Tensor) -> torch.Tensor:
        """Return the joined channels of all members on the grid, the border included."""
        grid = self.grid_of(size_of(images))
        return joined(self.separate(images), grid)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the fused features (N, D, h, w) of images (N, C, H, W), without gradients."""
        if self.block is None:
            maps = self.whole(images)
        else:
            grid = self.grid_of(size_of(images))
            maps = fused(self.separate(images), self.block, grid)
        return without_border(maps, self.border)

    def shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return (D, h, w) of an image of `size` = (H, W)."""
        height, width = self.grid_of(size)
        inner = (height - 2 * self.border, width - 2 * self.border)
        if min(inner) < 1:
            raise UsageError(f"border must be less than half of the {height} x {width} places, got {self.border}")
        channels = sum(self.channels(size)) if self.block is None else self.block.basis.shape[1]
        return channels, *inner
