"""CutPaste: a backbone that learned to see pasted pieces, and a Gaussian of what it sees (Li et al. 2021)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from synthgen.errors import UsageError
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import size_of
from synthgen.torch.models.options import Layers, Meta, ModelOptions
from synthgen.torch.models.tuned import TunedModel

if TYPE_CHECKING:
    import torch

HELP = """
Fit CutPaste: the backbone learns to tell normal patches from those with a piece or a scar pasted in. Then patches
are scored by a Gaussian of its features.

\b
synthgen fit cutpaste --normal photos/good --backbone resnet18 --out part.safetensors
synthgen fit cutpaste --normal mvtec/bottle --backbone resnet18 --patch 1 --epochs 100 --out bottle.safetensors
"""
_CLASSES = 3  # an image, one with a piece pasted, one with a scar
_MOMENTUM = 0.9
_DECAY = 3e-5
_LEAST_SIDE = 16
_AT_ONCE = 64  # patches


class Options(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of CutPaste; see the annotations."""

    layers: Layers = (4,)
    pool: Annotated[
        int, Meta(ge=1, le=99, description="Side of the local average of features, in places; 1 for none.")
    ] = 1
    patch: Annotated[
        float,
        Meta(gt=0, le=1, description="Side of a patch, as a share of the image; 1 for whole images, without maps."),
    ] = 0.25
    stride: Annotated[
        float, Meta(gt=0, le=1, description="Distance of patches that are scored, as a share of their side.")
    ] = 0.25
    epochs: Annotated[int, Meta(ge=1, le=10**6, description="Passes through the images.")] = 256
    rate: Annotated[float, Meta(gt=0, le=1, description="Learning rate at the start; it falls as a cosine.")] = 0.03
    step_images: Annotated[int, Meta(ge=2, le=10**6, description="Images in a step of the training.")] = 32
    hidden: Annotated[
        int, Meta(ge=1, le=65_536, description="Width of the layer between features and classes, in training.")
    ] = 512
    views: Annotated[
        int, Meta(ge=1, le=10_000, description="Patches of each image that the Gaussian is taken from.")
    ] = 16


# Within the class the name `Options` means its attribute.
_Options = Options


class CutPasteModel(TunedModel):
    """Train the backbone to tell three kinds of patches apart, and score patches by a Gaussian of its features.

    Parameters
    ----------
    backbone, memory, device
        As for `AnomalyModel`.
    patch, stride : float
        Of the patches that are learned and scored.
    epochs, rate, step_images, hidden
        Of the training, by stochastic gradient descent.
    views : int
        Patches of each image for the Gaussian.
    **options
        As for `AnomalyModel`.

    Attributes
    ----------
    localises : bool
        False where a patch is a whole image.

    Notes
    -----
    Patches, one of each image in each epoch, are changed by `synthgen.torch.CutPaste`. The covariance is that of
    Ledoit and Wolf 2004. A score is the Mahalanobis distance, that of an image the largest of its patches.

    The publication trains a network on whole images for scores and one on patches of 64 of 256 pixels, 4 pixels
    apart, for maps. Here the option `patch` chooses. The publication also moves images and changes their colors.
    """

    kind = "cutpaste"
    resumes = True
    Options = Options
    state = ("mean", "whitening")
    settings: _Options
    mean: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, backbone, **options):
        super().__init__(backbone, **options)
        self.localises = self.settings.patch < 1

    def state_forms(self, shape):
        """Return the forms of the Gaussian; see `AnomalyModel.state_forms`."""
        import torch

        channels = shape[0]
        return {"mean": ((channels,), torch.float32), "whitening": ((channels, channels), torch.float32)}

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the Gaussian, in bytes, for any number of images."""
        channels = self.features.shape(self._sides(size))[0]
        return FLOAT_BYTES * channels * (channels + 1)

    def _sides(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of a patch of an image of `size` = (H, W)."""
        height, width = (max(1, round(self.settings.patch * side)) for side in size)
        return height, width

    def fit(self, loader, progress="auto", log=None) -> CutPasteModel:
        """Learn normal images; see `AnomalyModel.fit`."""
        from synthgen.torch.models.gaussians import shrunken

        pictures = self._pictures(loader, progress, log)
        size = size_of(pictures)
        shortest = min(self._sides(size))
        if shortest < _LEAST_SIDE:
            raise UsageError(f"patch must be at least {_LEAST_SIDE} pixels wide and high, got {shortest}")

        net = self._begin_tuning()
        net.train().requires_grad_()
        self._train(pictures, net, progress)
        net.eval().requires_grad_(False)

        rows = self._seen(pictures)
        self.mean, self.whitening = shrunken(rows)
        self.image_size = size
        return self

    def _train(self, pictures: torch.Tensor, net, progress) -> None:
        import torch
        from torch.nn.functional import cross_entropy

        from synthgen.torch.course import Course, set_rate, steps_in_epoch

        settings = self.settings
        head = self._new_head(pictures)
        both = torch.nn.ModuleDict({"net": net, "head": head})
        optimizer = torch.optim.SGD(both.parameters(), settings.rate, momentum=_MOMENTUM, weight_decay=_DECAY)
        steps = settings.epochs * steps_in_epoch(len(pictures), settings.step_images)

        course = Course(both, optimizer, steps, settings.seed, self.kind, self.kept_in, [pictures], progress)
        with course:
            for step in course:
                height = 1 + math.cos(math.pi * step / steps)
                set_rate(optimizer, settings.rate * height / 2)
                images, labels = self._changed_patches(pictures, step)
                found = head(self.embedded(images))
                course.descend(cross_entropy(found, labels.to(self.device)))
        self.history = course.history

    def _new_head(self, pictures: torch.Tensor):
        """Return the layers that tell the classes apart, with weights from the seed."""
        import torch
        from torch import nn

        sides = self._sides(size_of(pictures))
        channels = self.features.shape(sides)[0]
        hidden = self.settings.hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            head = nn.Sequential(
                nn.Linear(channels, hidden),
                nn.BatchNorm1d(hidden),
                nn.ReLU(),
                nn.Linear(hidden, _CLASSES),
            )
        return head.to(self.device)

    def _changed_patches(self, pictures: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the batch of a step: patches (3 n, C, h, w) and their classes (3 n,)."""
        from synthgen.seeding import generator
        from synthgen.torch.course import shuffled
        from synthgen.torch.data.cutpaste import CutPaste

        settings = self.settings
        chosen = shuffled(len(pictures), settings.step_images, settings.seed, "cutpaste.order", step)
        rng = generator(settings.seed, 0, step, "cutpaste.patches")
        change = CutPaste("3-way", seed=int(rng.integers(2**62)))
        patches = self._random_patches(pictures[chosen], rng)
        images, labels = change(patches)
        return images.flatten(0, 1), labels.flatten()

    def _random_patches(self, images: torch.Tensor, rng) -> torch.Tensor:
        """Return a patch of each image, (N, C, h, w)."""
        import torch

        height, width = self._sides(size_of(images))
        patches = []
        for image in images:
            top = rng.integers(image.shape[1] - height + 1)
            left = rng.integers(image.shape[2] - width + 1)
            patches.append(_cut(image, (int(top), int(left)), (height, width)))
        return torch.stack(patches)

    def _seen(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the features of some patches of all images, (M, D)."""
        import torch

        from synthgen.seeding import generator

        whole = self.settings.patch == 1
        found = []
        for view in range(1 if whole else self.settings.views):
            rng = generator(self.settings.seed, 1, view, "cutpaste.patches")
            patches = self._random_patches(pictures, rng)
            found += [self._embedded(part) for part in patches.split(_AT_ONCE)]
        return torch.cat(found)

    def _embedded(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the features of patches, without gradients, (N, D)."""
        return self.features(patches).mean((2, 3))

    def _features(self, images):
        """Return the features of the patches on a grid, (N, rows, columns, D)."""
        import torch

        height, width = self._sides(size_of(images))
        tops = self._starts(images.shape[2], height)
        lefts = self._starts(images.shape[3], width)
        places = [(top, left) for top in tops for left in lefts]

        count = len(images)
        at_once = max(1, _AT_ONCE // count)
        found = []
        for first in range(0, len(places), at_once):
            cuts = [_cut(images, place, (height, width)) for place in places[first : first + at_once]]
            patches = torch.stack(cuts, 1).flatten(0, 1)
            found.append(self._embedded(patches).view(count, len(cuts), -1))
        return torch.cat(found, 1).view(count, len(tops), len(lefts), -1)

    def _starts(self, side: int, patch: int) -> list[int]:
        """Return where patches begin along a side of the image: evenly, from its one end to the other."""
        last = side - patch
        stride = self.settings.stride * patch
        gaps = math.ceil(last / stride)
        if not gaps:
            return [0]
        return [round(last * number / gaps) for number in range(gaps + 1)]

    def _scores(self, features):
        from synthgen.torch.models.gaussians import mahalanobis

        count, rows, columns, channels = features.shape
        offsets = features.view(1, -1, channels) - self.mean
        found = mahalanobis(offsets, self.whitening.unsqueeze(0))
        scores = found.view(count, rows, columns)
        return scores.amax((1, 2)), scores

    def _pixel_maps(self, patch_scores, size):
        """Return maps in which the score of a patch stands at its middle, and the nearest beyond the outermost."""
        from torch.nn.functional import interpolate, pad

        from synthgen.torch.models.scoring import smoothed

        height, width = self._sides(size)
        inner = (size[0] - height + 1, size[1] - width + 1)
        maps = interpolate(patch_scores.unsqueeze(1), inner, mode="bilinear", align_corners=True)
        top = (height - 1) // 2
        bottom = height - 1 - top
        left = (width - 1) // 2
        right = width - 1 - left
        sides = [left, right, top, bottom]
        whole = pad(maps, sides, mode="replicate").squeeze(1)
        return smoothed(whole, self.settings.sigma)


def _cut(images: torch.Tensor, at: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """Return the patch of images (.., H, W) that begins at (row, column), of a size (h, w)."""
    top, left = at
    height, width = size
    return images[..., top : top + height, left : left + width]


MODEL = CutPasteModel
