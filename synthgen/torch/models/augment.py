"""The augmentation of paper 002 (section V): how plates vary, and how a plate ends in a black background.

Parameters are drawn first, from seed, epoch and the number of the image; what is done to the pixels depends on
them alone.
"""

import dataclasses
import math

import torch

from synthgen.errors import UsageError
from synthgen.seeding import generator, noise_generator
from synthgen.torch.models.scoring import smoothed


@dataclasses.dataclass(frozen=True)
class Augmentation:
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
    """

    brightness: float = 0.2
    contrast: float = 0.2
    blur: float = 1.0
    noise: float = 0.02
    border: float = 0.25

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not 0 <= value < math.inf:
                raise UsageError(f"augment: {name} must be >= 0, got {value}")
        if self.border >= 1:
            raise UsageError(f"augment: border must be < 1, got {self.border}")

    def draw(self, seed: int, epoch: int, index: int) -> dict:
        """Draw the parameters of one image in one epoch: JSON-able."""
        rng = generator(seed, epoch, index, "augment")
        return {
            "brightness": round(rng.uniform(0, self.brightness), 4),
            "contrast": round(1 + rng.uniform(0, self.contrast), 4),
            "flip_rows": bool(rng.integers(2)),
            "flip_columns": bool(rng.integers(2)),
            "blur": round(rng.uniform(0, self.blur), 3),
            "noise": round(rng.uniform(0, self.noise), 4),
            "noise_seed": int(rng.integers(2**63)),
            "border_angle": round(rng.uniform(0, 2 * math.pi), 4),
            "border_depth": round(rng.uniform(0, self.border), 4),
        }

    def __call__(self, images: torch.Tensor, seed: int, epoch: int, first: int) -> torch.Tensor:
        """Vary a batch (N, C, H, W), whose first image is number `first`, as `augmented` does with each."""
        return torch.stack([augmented(im, self.draw(seed, epoch, first + i)) for i, im in enumerate(images)])


def augmented(image: torch.Tensor, params: dict) -> torch.Tensor:
    """Return an image (C, H, W), uint8 or float in [0, 1], as `Augmentation.draw` says: float32 in [0, 1]."""
    pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    flips = [axis for axis, name in ((1, "flip_rows"), (2, "flip_columns")) if params[name]]
    pixels = torch.flip(pixels, flips)
    mean = pixels.mean()
    pixels = mean + params["contrast"] * (pixels - mean) + params["brightness"]
    pixels = smoothed(pixels, params["blur"])
    if params["noise"] > 0:
        noise = noise_generator(params["noise_seed"]).standard_normal(pixels.shape, dtype="float32")
        pixels = pixels + params["noise"] * torch.from_numpy(noise).to(pixels.device)
    inside = plate(pixels.shape[1:], params["border_angle"], params["border_depth"]).to(pixels.device)
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
    row = torch.linspace(-0.5, 0.5, size[0])[:, None] * math.cos(angle)
    column = torch.linspace(-0.5, 0.5, size[1])[None] * math.sin(angle)
    extent = (abs(math.cos(angle)) + abs(math.sin(angle))) / 2
    return row + column <= extent * (1 - 2 * depth) + 1e-6
