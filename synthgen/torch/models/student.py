"""The networks that EfficientAD trains: a student and an autoencoder (Batzner et al. 2024, tables 6 to 8)."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from synthgen.torch.distillation import pdn
from synthgen.torch.distillation.options import CHANNELS

# Quantiles of the maps of normal images that become 0 and 0.1.
QUANTILES = (0.9, 0.995)
_AT_UPPER = 0.1
_WIDTH = 64
_CODE_SIDE = 8
_DROPPED = 0.2
_LEAST_RANGE = 1e-6


class Autoencoder(nn.Module):
    """Images (N, 3, H, W) through few numbers to the teacher's features (N, 384, h, w).

    Parameters
    ----------
    size : (int, int)
        Height and width of the images.
    places : (int, int)
        Height and width of the features.
    """

    def __init__(self, size: tuple[int, int], places: tuple[int, int]):
        super().__init__()
        self.sizes = [*_steps_up(size), places]
        height, width = (min(_CODE_SIDE, max(1, side // 32)) for side in size)

        widths = (3, 32, 32, _WIDTH, _WIDTH, _WIDTH)
        self.encoder = nn.Sequential()
        for before, after in pairwise(widths):
            down = nn.Conv2d(before, after, 4, stride=2, padding=1)
            self.encoder.append(down)
            self.encoder.append(nn.ReLU())
        code = nn.Conv2d(_WIDTH, _WIDTH, (height, width))
        self.encoder.append(code)

        self.decoder = nn.ModuleList()
        for _ in self.sizes[:-1]:
            up = nn.Conv2d(_WIDTH, _WIDTH, 4, padding=2)
            self.decoder.append(up)
        self.drop = nn.Dropout(_DROPPED)
        before_last = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        last = nn.Conv2d(_WIDTH, CHANNELS, 3, padding=1)
        self.last = nn.Sequential(before_last, nn.ReLU(), last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features that normal images of this kind would have."""
        code = self.encoder(images)
        for size, layer in zip(self.sizes, self.decoder, strict=False):
            larger = _resized(code, size)
            active = functional.relu(layer(larger))
            code = self.drop(active)

        whole = _resized(code, self.sizes[-1])
        return self.last(whole)


def _steps_up(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes that the decoder enlarges to: 3, 8, 15, 32, 63, 127 for images of 256 pixels."""
    sizes = []
    for stride, less in ((64, 1), (32, 0), (16, 1), (8, 0), (4, 1), (2, 1)):
        height, width = (max(1, side // stride - less) for side in size)
        sizes.append((height, width))
    return sizes


def _resized(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


class Losses(NamedTuple):
    """The parts of the loss of a step; their sum is minimized.

    Attributes
    ----------
    student : Tensor
        Of the student that follows the teacher, where it does so least.
    penalty : Tensor
        What the student gives of images of other things.
    autoencoder : Tensor
        Of the autoencoder that follows the teacher.
    follower : Tensor
        Of the student that follows the autoencoder.
    """

    student: torch.Tensor
    penalty: torch.Tensor
    autoencoder: torch.Tensor
    follower: torch.Tensor


class Networks(nn.Module):
    """Student and autoencoder, with what is measured beside them.

    Parameters
    ----------
    arch : str
        Of the teacher.
    size : (int, int)
        Height and width of the images.
    places : (int, int)
        Height and width of the teacher's features.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    quantiles: torch.Tensor

    def __init__(self, arch: str, size: tuple[int, int], places: tuple[int, int]):
        super().__init__()
        make = pdn.medium if arch == "pdn_medium" else pdn.small
        self.student = make(2 * CHANNELS)
        self.autoencoder = Autoencoder(size, places)
        nothing = torch.zeros(CHANNELS)
        self.register_buffer("mean", nothing)
        self.register_buffer("deviation", nothing + 1)
        none_yet = torch.zeros(2, 2)
        self.register_buffer("quantiles", none_yet)

    def normalised(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the teacher with mean 0 and deviation 1 in each channel, on normal images."""
        offsets = features - _by_channel(self.mean)
        return offsets / _by_channel(self.deviation)

    def losses(self, batch, changed, features, changed_features, others, hard_share: float) -> Losses:
        """Return the losses of a step (Batzner et al. 2024, sections 3.2 and 3.3).

        Parameters
        ----------
        batch, changed : Tensor, (N, 3, H, W)
            Normalised images, and the same with other colors.
        features, changed_features : Tensor, (N, 384, h, w)
            What the teacher gives of them, normalised.
        others : Tensor, (N, 3, H, W), or None
            Images of other things.
        hard_share : float
            Share of the student's largest errors that count.
        """
        found, _ = self.student(batch).chunk(2, dim=1)
        student = hard_loss(found, features, hard_share)
        penalty = torch.zeros_like(student)
        if others is not None:
            of_others, _ = self.student(others).chunk(2, dim=1)
            penalty = of_others.square().mean()

        decoded = self.autoencoder(changed)
        autoencoder = functional.mse_loss(decoded, changed_features)
        _, follower = self.student(changed).chunk(2, dim=1)
        following = functional.mse_loss(follower, decoded)
        return Losses(student, penalty, autoencoder, following)

    def judged(self, batch: torch.Tensor, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the networks make of normalised images, whose features the teacher gave, normalised.

        Returns
        -------
        maps : Tensor, (2, N, h, w)
            How far student and teacher, and student and autoencoder, differ at each place.
        means : Tensor, (N, 384)
            Of the student's features over all places.
        """
        found, follower = self.student(batch).chunk(2, dim=1)
        decoded = self.autoencoder(batch)

        of_teacher = _distances(features, found)
        of_autoencoder = _distances(decoded, follower)
        maps = torch.stack([of_teacher, of_autoencoder])
        return maps, found.mean((2, 3))

    def combined(self, maps: torch.Tensor) -> torch.Tensor:
        """Return both maps (2, N, h, w), brought to one scale by their quantiles on normal images, as one."""
        lower, upper = self.quantiles.unbind(1)
        width = upper - lower
        width = width.clamp(min=_LEAST_RANGE)

        above = maps - lower.view(2, 1, 1, 1)
        scaled = above / width.view(2, 1, 1, 1)
        return _AT_UPPER * scaled.mean(0)


def _distances(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference of features (N, D, h, w) at each place, (N, h, w)."""
    differences = one - other
    squared = differences.square()
    return squared.mean(1)


def hard_loss(found: torch.Tensor, wanted: torch.Tensor, share: float) -> torch.Tensor:
    """Return the mean of the largest squared differences: of a share of all, one at least."""
    differences = found - wanted
    errors = differences.square().flatten()
    count = round(share * len(errors))
    largest = errors.topk(max(1, count))
    return largest.values.mean()


def _by_channel(values: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, 1, 1)
