"""The augmentation of Mao et al. 2025 (section V): how plates vary, and how a plate ends in a black background.

Parameters are drawn first, from seed, epoch and the number of the image; what is done to the pixels depends on
them alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from synthgen.seeding import generator, noise_generator

if TYPE_CHECKING:
    import torch


class Augmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Brighten, raise contrast, flip along both axes, blur, add noise, and mask out a border.

    Parameters
    ----------
    brightness : float
        Largest value added, of pixels in [0, 1].
    contrast : float
        Largest gain of the contrast about the mean of the image: 0.2 for factors from 1 to 1.2.
    blur : float
        Largest standard deviation of the Gaussian blur, in pixels.
    noise : float
        Largest standard deviation of the Gaussian noise, of pixels in [0, 1].
    border : float
        Largest depth of the black border, as a share of the image along its direction; 0 for none.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    blur: float = 1.0
    noise: float = 0.02
    border: float = 0.25

    def __post_init__(self):
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"augment must have {name} >= 0, got {value}")
        if self.border >= 1:
            raise ValueError(f"augment must have border < 1, got {self.border}")

    def draw(self, seed: int, epoch: int, index: int) -> dict:
        """Return the parameters of one image in one epoch, drawn at random: JSON-able."""
        rng = generator(seed, epoch, index, "augment")
        brightness = rng.uniform(0, self.brightness)
        contrast = 1 + rng.uniform(0, self.contrast)
        flip_rows = rng.integers(2)
        flip_columns = rng.integers(2)
        blur = rng.uniform(0, self.blur)
        noise = rng.uniform(0, self.noise)
        noise_seed = rng.integers(2**63)
        angle = rng.uniform(0, 2 * math.pi)
        depth = rng.uniform(0, self.border)
        return {
            "brightness": round(brightness, 4),
            "contrast": round(contrast, 4),
            "flip_rows": bool(flip_rows),
            "flip_columns": bool(flip_columns),
            "blur": round(blur, 3),
            "noise": round(noise, 4),
            "noise_seed": int(noise_seed),
            "border_angle": round(angle, 4),
            "border_depth": round(depth, 4),
        }

    def __call__(self, images: torch.Tensor, seed: int, epoch: int, first: int) -> torch.Tensor:
        """Return a batch (N, C, H, W), whose first image is number `first`, each image varied by `augmented`."""
        import torch

        varied = []
        for number, image in enumerate(images, first):
            params = self.draw(seed, epoch, number)
            varied.append(augmented(image, params))
        return torch.stack(varied)


def augmented(image: torch.Tensor, params: dict) -> torch.Tensor:
    """Return an image (C, H, W), uint8 or float in [0, 1], varied by `Augmentation.draw`: float32 in [0, 1]."""
    import torch

    from synthgen.torch.models.scoring import smoothed

    pixels = image.float()
    if image.dtype == torch.uint8:
        pixels = pixels / 255

    if params["flip_rows"]:
        pixels = pixels.flip(1)
    if params["flip_columns"]:
        pixels = pixels.flip(2)

    mean = pixels.mean()
    contrasts = params["contrast"] * (pixels - mean)
    pixels = mean + contrasts + params["brightness"]
    pixels = smoothed(pixels, params["blur"])

    amount = params["noise"]
    if amount > 0:
        rng = noise_generator(params["noise_seed"])
        noise = rng.standard_normal(pixels.shape, dtype="float32")
        pixels = pixels + amount * torch.from_numpy(noise).to(pixels.device)

    height, width = pixels.shape[1:]
    inside = plate((height, width), params["border_angle"], params["border_depth"])
    inside = inside.to(pixels.device)
    return torch.where(inside, pixels.clamp(0, 1), 0)


def plate(size: tuple[int, int], angle: float, depth: float) -> torch.Tensor:
    """Return where the plate is, bool (H, W): all but a border behind a straight edge.

    Parameters
    ----------
    size : (H, W)
    angle : float
        Direction in which the border lies, radians, from the rows' axis towards the columns' axis.
    depth : float
        Share of the image's extent in that direction that the border takes.
    """
    import torch

    height, width = size
    down = math.cos(angle)
    right = math.sin(angle)

    rows = torch.linspace(-0.5, 0.5, height)
    columns = torch.linspace(-0.5, 0.5, width)
    along = down * rows.unsqueeze(1) + right * columns

    extent = (abs(down) + abs(right)) / 2
    edge = extent * (1 - 2 * depth)
    return along <= edge + 1e-6
