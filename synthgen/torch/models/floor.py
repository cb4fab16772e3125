"""The floor: how far blurred gray values lie from those of normal images. A model below it has learned nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import batches, begun, image_progress, size_of
from synthgen.torch.models.options import Meta
from synthgen.torch.models.pixels import PixelModel, PixelOptions

if TYPE_CHECKING:
    import torch

HELP = """
Keep the mean of the normal images, blurred and in gray: what any other model must be better than.

\b
synthgen fit floor --normal photos/good --out floor.safetensors
"""


class Options(PixelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the floor; see the annotations."""

    sigma: Annotated[
        float, Meta(ge=0, le=1000, description="Pixels by which images are blurred, by a Gaussian; 0 for none.")
    ] = 4.0


# Within the class the name `Options` means its attribute.
_Options = Options


class Floor(PixelModel):
    """Score pixels by the distance of their blurred gray value from the mean of the normal images there.

    Parameters
    ----------
    memory, device, seed
        As for `AnomalyModel`.
    sigma : float
        Of the Gaussian that blurs the images, in pixels.

    Notes
    -----
    The score of an image is the largest value of its map.
    """

    kind = "floor"
    of_places = True
    Options = Options  # type: ignore[assignment]
    state = ("mean",)
    settings: _Options  # type: ignore[assignment]
    mean: torch.Tensor

    def state_forms(self, shape):
        """Return the form of the mean; see `AnomalyModel.state_forms`."""
        import torch

        _, height, width = shape
        return {"mean": ((height, width), torch.float32)}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the mean, in bytes, for any number of images."""
        height, width = size
        return FLOAT_BYTES * height * width

    def fit(self, loader, progress="auto", log=None) -> Floor:
        """Learn normal images; see `AnomalyModel.fit`."""
        import torch

        given, first = begun(batches(loader))
        size = size_of(first)
        self._report(log, 1, size)

        total = torch.zeros(size, dtype=torch.float64, device=self.device)
        count = 0
        with image_progress(progress, loader) as bar:
            for images in given:
                total += self._blurred(self.features(images)).double().sum(0)
                count += len(images)
                bar.advance(len(images))

        mean = total / count
        self.mean = mean.float()
        self.image_size = size
        return self

    def _blurred(self, features: torch.Tensor) -> torch.Tensor:
        """Return blurred gray values (N, H, W) of features (N, 1, H, W)."""
        from synthgen.torch.models.scoring import smoothed

        return smoothed(features[:, 0], self.settings.sigma)

    def _scores(self, features: torch.Tensor):
        distances = self._blurred(features) - self.mean
        return None, distances.abs()

    def _pixel_maps(self, patch_scores, size: tuple[int, int]):
        return patch_scores


MODEL = Floor
