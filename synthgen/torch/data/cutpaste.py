"""CutPaste as a transform, for self-supervised training (Li et al., CVPR 2021)."""

import math

import numpy as np
import torch
from torch.utils import data

from synthgen.compose.anomalies import paste_defects
from synthgen.compose.shapes import sample_turn
from synthgen.compose.sources import sample_source
from synthgen.errors import UsageError
from synthgen.seeding import noise_generator

KINDS = ("normal", "scar", "3-way")
# The values of Li et al.: share of the image and aspect of rectangles, jitter of their colors ..
_AREA = (0.02, 0.15)
_ASPECT = 0.3
_JITTER = 0.1
# .. width and length of scars in pixels of an image of 256, and the angle that they are turned by at most.
_SCAR_WIDTH = (2, 16)
_SCAR_LENGTH = (10, 25)
_SCAR_ANGLE = math.pi / 4
_SEEDS = 2**63 - 1
_GOLDEN_RATIO = 0x9E3779B97F4A7C15


class CutPaste:
    """Cut a piece out of an image and paste it elsewhere.

    The operators are those of the family ``cutpaste``.

    Parameters
    ----------
    kind : str
        ``normal``: a rectangle of 2 to 15 % of the image. ``scar``: a long thin one, turned by up to 45 degrees.
        ``3-way``: the image, a normal and a scar of it, with labels 0, 1 and 2.
    area : (float, float)
        Range of the share of the image that the rectangle takes.
    jitter : float
        Channels of the piece are multiplied by up to 1 +- jitter.
    severity : (float, float)
        Range of the opacity of the piece, in (0, 1].
    contrast : int
        Bound on the difference, in gray levels, as for the family; with 1 each pixel of the piece changes.
    seed : int or torch.Generator, optional
        Where all random numbers come from; by default torch's own generator.

    Raises
    ------
    UsageError
        If an argument breaks a rule.

    Notes
    -----
    In workers of a `DataLoader` the random numbers also depend on the seed that the loader gives to each worker,
    which differs from worker to worker and from epoch to epoch: runs repeat if the loader's generator is seeded.

    Examples
    --------
    >>> image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    >>> int((CutPaste("normal", seed=1)(image) != image).any(dim=0).sum()) > 80
    True
    >>> images, labels = CutPaste("3-way", seed=1)(image)
    >>> images.shape, labels.tolist()
    (torch.Size([3, 3, 64, 64]), [0, 1, 2])
    """

    def __init__(
        self,
        kind: str = "normal",
        *,
        area: tuple[float, float] = _AREA,
        jitter: float = _JITTER,
        severity: tuple[float, float] = (1.0, 1.0),
        contrast: int = 1,
        seed: "int | torch.Generator | None" = None,
    ):
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise UsageError(f"kind must be one of {known}, got {kind!r}")
        _check_range("area", area, 0.5)
        _check_range("severity", severity, 1)
        if not 0 <= jitter <= 1:
            raise UsageError(f"jitter must lie in [0, 1], got {jitter}")
        if not 1 <= contrast <= 127:
            raise UsageError(f"contrast must lie in 1..127, got {contrast}")

        self.kind = kind
        self.area = area
        self.jitter = jitter
        self.severity = severity
        self.contrast = contrast
        self.generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
        self._worker: tuple[int, int] | None = None

    def __call__(self, image: torch.Tensor):
        """Transform an image or a batch of images.

        Parameters
        ----------
        image : tensor of uint8, (C, H, W) or (N, C, H, W)
            Gray or RGB, at least 16 pixels wide and high; it is not changed.

        Returns
        -------
        tensor of uint8, of the same shape
            For the kind ``3-way`` a pair: images (3, C, H, W) or (N, 3, C, H, W), and labels, int64 (3,) or (N, 3).

        Raises
        ------
        UsageError
            If the tensor is of another kind.
        """
        _check_image(image)
        if image.ndim == 3:
            return self._one(image)

        results = [self._one(each) for each in image]
        if self.kind != "3-way":
            return torch.stack(results)
        images, labels = zip(*results, strict=True)
        return torch.stack(images), torch.stack(labels)

    def _one(self, image: torch.Tensor):
        """Return what becomes of one image."""
        seed = self._draw_seed()
        rng = noise_generator(seed)
        planes = image.cpu().numpy()
        pixels = np.ascontiguousarray(planes.transpose(1, 2, 0))

        device = image.device
        if self.kind != "3-way":
            changed = self._pasted(rng, pixels, self.kind)
            return changed.to(device)

        normal = self._pasted(rng, pixels, "normal")
        scar = self._pasted(rng, pixels, "scar")
        images = [image, normal.to(device), scar.to(device)]
        labels = torch.arange(3, device=device)
        return torch.stack(images), labels

    def _draw_seed(self) -> int:
        """Draw the seed of one image."""
        if self.generator is None:
            drawn = torch.randint(_SEEDS, ())
        else:
            own = self._own_generator(self.generator)
            self.generator = own
            drawn = torch.randint(_SEEDS, (), generator=own, device=own.device)
        return int(drawn)

    def _own_generator(self, generator: torch.Generator) -> torch.Generator:
        """Return the generator of this worker: copies of one would draw the same in each worker."""
        info = data.get_worker_info()
        if info is None:
            return generator

        worker = (info.id, info.seed)
        if self._worker == worker:
            return generator
        self._worker = worker

        spread = generator.initial_seed() * _GOLDEN_RATIO
        mixed = (spread + info.seed) % 2**63
        return torch.Generator().manual_seed(mixed)

    def _pasted(self, rng: np.random.Generator, pixels: np.ndarray, kind: str) -> torch.Tensor:
        """Return the image (C, H, W) of `pixels` (H, W, C) with one piece pasted."""
        row, column, for_size, for_length, for_severity = rng.random(5).tolist()
        # Most of the jitter is common to the channels, so that colors stay what they are.
        brightness = (0.0, 0.6 * self.jitter)
        jitter = 0.4 * self.jitter
        anomaly = sample_source(rng, "piece", turned=False, brightness=brightness, jitter=jitter)

        if kind == "scar":
            cosine, sine = sample_turn(rng, _SCAR_ANGLE)
            anomaly["turn"] = [cosine, sine]
            mask = _scar(for_size, for_length, cosine, sine)
        else:
            area = _between(self.area, for_size)
            mask = _rectangle(area, for_length)

        defect = {
            "mask": mask,
            "anomaly": anomaly,
            "at": [row, column],
            "severity": _between(self.severity, for_severity),
            "blur": 0.0,
        }
        changed, _, _ = paste_defects(pixels, [defect], self.contrast)
        planes = np.ascontiguousarray(changed.transpose(2, 0, 1))
        return torch.from_numpy(planes)


def _check_range(name: str, limits: tuple[float, float], most: float) -> None:
    low, high = limits
    if 0 < low <= high <= most:
        return
    rule = f"0 < low <= high <= {most}"
    raise UsageError(f"{name} must be (low, high) with {rule}, got ({low}, {high})")


def _check_image(image: torch.Tensor) -> None:
    shape = tuple(image.shape)
    dtype = image.dtype
    if dtype != torch.uint8 or len(shape) not in (3, 4):
        raise UsageError(f"image must be a uint8 tensor (C, H, W) or (N, C, H, W), got {dtype} {shape}")

    one = shape[-3:]
    channels, height, width = one
    if channels not in (1, 3) or min(height, width) < 16:
        raise UsageError(f"image must have 1 or 3 channels and at least 16 x 16 pixels, got {one}")
    if shape[0] == 0:
        raise UsageError("image must hold at least one image in a batch, got none")


def _between(limits: tuple[float, float], share: float) -> float:
    low, high = limits
    length = high - low
    return low + share * length


def _rectangle(area: float, drawn: float) -> dict:
    """Return a rectangle of a share of the image, at most 1 / 0.3 times as long as it is wide."""
    exponent = 1 - 2 * drawn
    return {
        "shape": "rectangles",
        "area": area,
        "ratio": _ASPECT**exponent,
    }


def _scar(for_width: float, for_length: float, cosine: float, sine: float) -> dict:
    """Return a scar of their size, in proportion to the image, that stood upright before it was turned."""
    width = _between(_SCAR_WIDTH, for_width)
    length = _between(_SCAR_LENGTH, for_length)
    return {
        "shape": "scars",
        "area": width * length / 256**2,
        "ratio": length / width,
        "turn": [-sine, cosine],
    }
