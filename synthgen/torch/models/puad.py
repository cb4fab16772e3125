"""PUAD: EfficientAD, and how unusual the student's features of whole images are (Sugawara and Imamura 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthgen.errors import UsageError
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import size_of
from synthgen.torch.models.efficientad import EfficientAd
from synthgen.torch.models.efficientad import Options as _EfficientAdOptions

if TYPE_CHECKING:
    import torch

    from synthgen.torch.models.student import Networks

HELP = """
Fit PUAD: EfficientAD, whose scores of images also look at the features of the whole image: for anomalies that lie
nowhere, such as a part too many. --backbone is a teacher of `synthgen distill`, or a fitted efficientad, which is
not trained again.

\b
synthgen fit puad --normal photos/good --backbone teacher.safetensors --out part.safetensors
synthgen fit puad --normal photos/good --backbone efficientad.safetensors --out part.safetensors
"""
_AT_ONCE = 8
# Images held out of which there is a deviation; of fewer, those that were trained on count, too.
_LEAST_HELD = 2
_LEAST_DEVIATION = 1e-6


class Options(_EfficientAdOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of PUAD: those of EfficientAD."""


class Puad(EfficientAd):
    """Add to the scores of EfficientAD how unusual the mean features of the student are.

    Parameters
    ----------
    backbone
        A teacher as for `EfficientAd`; or a fitted `EfficientAd` or its file, whose networks and options are taken.
    memory, device, **options
        As for `EfficientAd`.

    Notes
    -----
    The mean features of an image are compared with a Gaussian of those of the images that the student was trained
    on, with the covariance of Ledoit and Wolf 2004. Both scores are brought to mean 0 and deviation 1 on the images
    that were held out, and added. Maps are those of EfficientAD.
    """

    kind = "puad"
    Options = Options
    state = ("mean", "whitening", "scales")
    mean: torch.Tensor
    whitening: torch.Tensor
    scales: torch.Tensor

    def __init__(self, backbone, **options):
        self._ready: EfficientAd | None = _fitted(backbone, options)
        if self._ready is not None:
            options = {**options, **self._ready.options()}
            backbone = self._ready.features.net
        super().__init__(backbone, **options)

    def tensors(self):
        """Return what was learned; see `AnomalyModel.tensors`."""
        own = {name: getattr(self, name) for name in self.state}
        return {**super().tensors(), **own}

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take what was learned; see `AnomalyModel.take`."""
        super().take(tensors)
        for name in self.state:
            setattr(self, name, tensors[name])

    def state_forms(self, shape):
        """Return the forms of what was learned; see `AnomalyModel.state_forms`."""
        import torch

        channels = shape[0]
        own = {"mean": (channels,), "whitening": (channels, channels), "scales": (2, 2)}
        forms = {name: (form, torch.float32) for name, form in own.items()}
        return {**super().state_forms(shape), **forms}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the networks and the Gaussian, in bytes, for any number of images."""
        channels = self.features.shape(size)[0]
        return super().predicted_bytes(images, size) + FLOAT_BYTES * (channels * (channels + 1) + 4)

    def _learned(self, pictures, held, progress) -> Networks:
        if self._ready is None:
            return super()._learned(pictures, held, progress)
        if self._ready.image_size != size_of(pictures):
            height, width = self._ready._need_fit()
            found = " x ".join(map(str, size_of(pictures)))
            raise UsageError(f"images must be {height} x {width} as those of the efficientad, got {found}")
        return self._ready.networks

    def _look_at_whole(self, pictures, held) -> None:
        """Take the Gaussian of the student's mean features, and the scale of both scores."""
        import torch

        from synthgen.torch.models.gaussians import shrunken

        _, means = self._both(pictures)
        mean, whitening = shrunken(means.double())  # of few images the covariance is nearly flat
        self.mean = mean.float()
        self.whitening = whitening.float()
        if len(held) < _LEAST_HELD:
            held = torch.cat([pictures, held])
        patches, means = self._both(held)
        maps = self._pixel_maps(patches, self._need_fit())

        of_pictures = maps.amax((1, 2))
        both = torch.stack([of_pictures, self._distances(means)])
        deviation = both.std(1, correction=0)
        deviation = deviation.clamp(min=_LEAST_DEVIATION)
        self.scales = torch.stack([both.mean(1), deviation], 1)

    def _both(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return combined maps of places (N, h, w), and the student's mean features (N, 384)."""
        import torch

        patches = []
        means = []
        for images in pictures.split(_AT_ONCE):
            batch = self.features.normalise(images)
            maps, of_whole = self._judged(batch)
            combined = self.networks.combined(maps)
            patches.append(combined)
            means.append(of_whole)
        return torch.cat(patches), torch.cat(means)

    def _distances(self, means: torch.Tensor) -> torch.Tensor:
        from synthgen.torch.models.gaussians import mahalanobis

        offsets = means - self.mean
        whitening = self.whitening.unsqueeze(0)
        found = mahalanobis(offsets.unsqueeze(0), whitening)
        return found[0]

    def _scores(self, features):
        maps, means = self._judged(features)
        return self._distances(means), self.networks.combined(maps)

    def judged(self, scores, size):
        """Return scores of images and maps; see `AnomalyModel.judged`."""
        import torch

        distances, patches = scores
        maps = self._pixel_maps(patches, size)
        of_pictures = maps.amax((1, 2))
        both = torch.stack([of_pictures, distances])
        mean, deviation = self.scales.unbind(1)
        above = both - mean.unsqueeze(1)
        scaled = above / deviation.unsqueeze(1)
        return scaled.sum(0), maps


def _fitted(backbone, options: dict) -> EfficientAd | None:
    """Return the fitted model that is given in place of a teacher, None where a teacher is given."""
    model = backbone if isinstance(backbone, EfficientAd) else None
    if isinstance(backbone, str | Path) and Path(backbone).is_file():
        model = _read(Path(backbone), options)
    if model is None:
        return None

    for name, value in options.items():
        if name not in ("memory", "device") and value is not None:
            raise UsageError(f"{name} must be left out with a fitted efficientad, which keeps its own")
    return model


def _read(path: Path, options: dict) -> EfficientAd | None:
    """Return the model in a file, None of a file of weights."""
    from synthgen.torch.models.loading import load_model
    from synthgen.torch.models.store import is_model

    if not is_model(path):
        return None
    model = load_model(path, device=options.get("device"))
    if not isinstance(model, EfficientAd):
        raise UsageError(f"backbone must be a teacher or a fitted efficientad for puad, got {model.kind}")
    return model


MODEL = Puad
