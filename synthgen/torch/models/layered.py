"""What models share that take each layer of the backbone by itself, at its own size."""

from __future__ import annotations

from synthgen.torch.models.base import AnomalyModel
from synthgen.torch.models.batches import size_of


class LayeredModel(AnomalyModel):
    """A model whose features are a map for each layer; an extractor without `shapes` counts as one layer."""

    def _shapes(self, size: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Return channels, height and width of each layer's map, without the border."""
        if not hasattr(self.features, "shapes"):
            return [self.features.shape(size)]
        return [
            (channels, height, width)
            for (channels, _, _), (height, width, _) in zip(
                self.features.shapes(size), self.grids(size), strict=True
            )
        ]

    def grids(self, size: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Return height, width and border of each layer's places; see `AnomalyModel.grids`."""
        if not hasattr(self.features, "shapes"):
            return super().grids(size)

        shapes = self.features.shapes(size)
        largest = max(height for _, height, _ in shapes)
        grids = []
        for _, height, width in shapes:
            border = -(-self.features.border * height // largest)
            grids.append((height - 2 * border, width - 2 * border, border))
        return grids

    def _features(self, images):
        """Return the map of each layer, without the border."""
        import torch

        from synthgen.torch.features import check_finite, without_border

        features = self.features
        if not hasattr(features, "separate"):
            return [features(images)]
        with torch.no_grad():
            maps = features.separate(features.normalise(images))
        grids = self.grids(size_of(images))
        maps = [without_border(each, grid[2]) for each, grid in zip(maps, grids, strict=True)]
        for each in maps:
            check_finite(each)
        return maps

    def _whole_maps(self):
        features = self._gradual_features()
        return features.separate, features.coarsest
