"""What models share that train a copy of their backbone on the normal images."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from synthgen.errors import UsageError
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.held import HeldImages, held_bytes

if TYPE_CHECKING:
    import torch

    from synthgen.torch.features import FeatureExtractor


class TunedModel(HeldImages):
    """A model whose backbone is trained; the one that was given stays as it is.

    The images are held as bytes while the backbone is trained: the memory for that grows with them.
    """

    features: FeatureExtractor
    trained = "the training of the backbone"

    def __init__(self, backbone, **options):
        super().__init__(backbone, **options)
        self._given: FeatureExtractor | None = None
        self._own: FeatureExtractor | None = None
        if not hasattr(self.features, "with_net"):
            name = type(self.features).__name__
            raise UsageError(f"{self.kind} must have a backbone that it can train, got features of {name}")

    def _begin_tuning(self) -> torch.nn.Module:
        """Take a copy of the backbone that was given, and return it."""
        if self._given is None or self.features is not self._own:
            self._given = self.features
        net = copy.deepcopy(self._given.net)
        self._own = self._given.with_net(net)
        self.features = self._own
        return net

    def embedded(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of images (N, C, H, W), averaged over their places, with gradients: (N, D)."""
        batch = self.features.normalise(images)
        maps = self.features.forward(batch)
        return maps.mean((2, 3))

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""
        weights = sum(weight.numel() for weight in self.features.net.parameters())
        # a copy of the weights, gradients, and the momentum of these
        training = 3 * FLOAT_BYTES * weights
        return held_bytes(images, size) + training + self.predicted_bytes(images, size)


def late_weights(features: FeatureExtractor) -> list[torch.nn.Parameter]:
    """Return the weights of a backbone behind its layer 2, or in the second half of a vision transformer."""
    from synthgen.torch.features import levels_of

    info = features.net.feature_info
    levels = getattr(info, "info", info)
    level = levels_of([middle_of(features)], features.blocks)[0]
    last_early = _flat(levels[level]["module"])

    weights = list(features.net.named_parameters())
    first_late = 0
    for number, (name, _) in enumerate(weights, 1):
        if last_early in _flat(name):
            first_late = number
    return [weight for _, weight in weights[first_late:]]


def middle_of(features: FeatureExtractor) -> int:
    """Return the last layer whose weights stay: 2, or the block at the middle of a vision transformer."""
    from synthgen.torch.features import spread_layers

    return spread_layers((2,), features.blocks)[0]


def _flat(name: str) -> str:
    return "_" + name.replace(".", "_") + "_"
