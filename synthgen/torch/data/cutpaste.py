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
# As theirs: share and aspect of rectangles, size of scars in pixels of an image of 256, jitter of the colours.
_AREA, _ASPECT = (0.02, 0.15), 0.3
_SCAR_WIDTH, _SCAR_LENGTH, _SCAR_ANGLE = (2, 16), (10, 25), math.pi / 4
_JITTER = 0.1


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
        Bound on the difference, in grey levels, as for the family; 1 changes each pixel of the piece at least.
    seed : int or torch.Generator, optional
        Of all chance; by default torch's own generator is used.

    Raises
    ------
    UsageError
        If an argument breaks a rule.

    Notes
    -----
    In the workers of a `DataLoader` the chance also comes from the seed that the loader gives to each worker, which
    differs from worker to worker and from epoch to epoch: runs repeat if the loader's generator is seeded.

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
            raise UsageError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        for name, (low, high), most in (("area", area, 0.5), ("severity", severity, 1)):
            if not 0 < low <= high <= most:
                raise UsageError(f"{name} must be (low, high) with 0 < low <= high <= {most}, got ({low}, {high})")
        if not 0 <= jitter <= 1:
            raise UsageError(f"jitter must lie in [0, 1], got {jitter}")
        if not 1 <= contrast <= 127:
            raise UsageError(f"contrast must lie in 1..127, got {contrast}")
        self.kind, self.area, self.jitter, self.severity, self.contrast = kind, area, jitter, severity, contrast
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
        if image.dtype != torch.uint8 or image.ndim not in (3, 4):
            raise UsageError(
                f"image must be a uint8 tensor (C, H, W) or (N, C, H, W), got {image.dtype} {tuple(image.shape)}"
            )
        channels, height, width = image.shape[-3:]
        if channels not in (1, 3) or min(height, width) < 16:
            raise UsageError(
                f"image must have 1 or 3 channels and at least 16 x 16 pixels, got {tuple(image.shape[-3:])}"
            )
        if image.ndim == 3:
            return self._one(image)
        if len(image) == 0:
            raise UsageError("image must hold at least one image in a batch, got none")
        results = [self._one(each) for each in image]
        if self.kind != "3-way":
            return torch.stack(results)
        images, labels = zip(*results, strict=True)
        return torch.stack(images), torch.stack(labels)

    def _one(self, image: torch.Tensor):
        rng = noise_generator(self._draw_seed())
        pixels = np.ascontiguousarray(image.cpu().numpy().transpose(1, 2, 0))
        if self.kind != "3-way":
            return self._pasted(rng, pixels, self.kind).to(image.device)
        both = [self._pasted(rng, pixels, kind).to(image.device) for kind in ("normal", "scar")]
        return torch.stack([image, *both]), torch.arange(3, device=image.device)

    def _draw_seed(self) -> int:
        """Draw the seed of one image."""
        info = data.get_worker_info()
        if self.generator is not None and info is not None and self._worker != (info.id, info.seed):
            # a copy of the loader's transform: it must not do in each worker what it does in the others
            self._worker = (info.id, info.seed)
            mixed = (self.generator.initial_seed() * 0x9E3779B97F4A7C15 + info.seed) % 2**63
            self.generator = torch.Generator().manual_seed(mixed)
        device = "cpu" if self.generator is None else self.generator.device
        return int(torch.randint(2**63 - 1, (), generator=self.generator, device=device))

    def _pasted(self, rng: np.random.Generator, pixels: np.ndarray, kind: str) -> torch.Tensor:
        u = rng.random(5).tolist()
        # most of the jitter is common to the channels, so that colours stay what they are
        shares = {"brightness": (0.0, 0.6 * self.jitter), "jitter": 0.4 * self.jitter}
        anomaly = sample_source(rng, "piece", turned=False, **shares)
        if kind == "scar":
            anomaly["turn"] = sample_turn(rng, _SCAR_ANGLE)
        defect = {
            "mask": self._rectangle(u) if kind == "normal" else _scar(u, *anomaly["turn"]),
            "anomaly": anomaly,
            "at": u[:2],
            "severity": self.severity[0] + u[4] * (self.severity[1] - self.severity[0]),
            "blur": 0.0,
        }
        changed, _, _ = paste_defects(pixels, [defect], self.contrast)
        return torch.from_numpy(np.ascontiguousarray(changed.transpose(2, 0, 1)))

    def _rectangle(self, u) -> dict:
        share = self.area[0] + u[2] * (self.area[1] - self.area[0])
        return {"shape": "rectangles", "area": share, "ratio": _ASPECT ** (1 - 2 * u[3])}


def _scar(u, cosine: float, sine: float) -> dict:
    """Return a scar as large as theirs, in proportion to the image, that stood upright before it was turned."""
    ranges = zip(u[2:4], (_SCAR_WIDTH, _SCAR_LENGTH), strict=True)
    width, length = (low + x * (high - low) for x, (low, high) in ranges)
    return {"shape": "scars", "area": width * length / 256**2, "ratio": length / width, "turn": [-sine, cosine]}
