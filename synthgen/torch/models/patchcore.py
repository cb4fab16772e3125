"""PatchCore: a bank of normal patch features, thinned out evenly (Roth et al. 2022)."""

from collections.abc import Sequence

import torch

from synthgen.errors import UsageError
from synthgen.run.progress import Progress
from synthgen.torch.coreset.greedy import BLOCK_BYTES, k_centre, nearest, projected
from synthgen.torch.features import as_vectors
from synthgen.torch.models.base import FLOAT_BYTES, AnomalyModel, image_progress
from synthgen.torch.models.batches import batches, images_in
from synthgen.torch.models.memory import largest_fitting, refuse_if_larger
from synthgen.torch.models.scoring import image_scores


class BankModel(AnomalyModel):
    """A model that scores patches by the distance to the nearest point of a bank."""

    state = ("bank",)

    def __init__(
        self, backbone, layers, pool, sigma, seed, memory, device, border, pool_padding, neighbours: int, block: int
    ):
        super().__init__(backbone, layers, pool, sigma, seed, memory, device, border, pool_padding)
        if neighbours < 1:
            raise UsageError(f"neighbours: must be >= 1, got {neighbours}")
        if block < 1:
            raise UsageError(f"block: must be a positive number of bytes, got {block}")
        self.neighbours, self.block = neighbours, block
        self.bank: torch.Tensor | None = None

    def options(self) -> dict:
        """Return the arguments of the constructor, without backbone, memory and device: JSON-able."""
        return {**super().options(), "neighbours": self.neighbours, "block": self.block}

    def state_forms(self, shape):
        """Return the form of the bank; see `AnomalyModel.state_forms`."""
        return {"bank": ((None, shape[0]), torch.float32)}

    def _scores(self, features):
        count, channels, *grid = features.shape
        patches = as_vectors(features)
        distances, indices = nearest(patches, self.bank, 1, self.block)
        table = patches.view(count, -1, channels), distances.view(count, -1), indices.view(count, -1)
        return image_scores(*table, self.bank, self.neighbours), distances.view(count, *grid)


class PatchCore(BankModel):
    """Keep a coreset of all normal patches, chosen at once.

    Parameters
    ----------
    backbone, layers, pool, sigma, seed, memory, device, border, pool_padding
        As for `AnomalyModel`.
    coreset : float or int
        Points to keep: a share of all patches in (0, 1], or their number.
    projection : int, optional
        Channels to which features are reduced at random while points are chosen, where they have at least twice
        as many; None for never.
    neighbours : int
        Points of the bank that the re-weighting of image scores looks at; 1 for none.
    block : int
        Bytes of the largest table of distances.

    Notes
    -----
    All patches are held until the points are chosen: the memory for that grows with the images, which
    `SequentialPatchCore` avoids.
    """

    kind = "patchcore"

    def __init__(
        self,
        backbone,
        layers: Sequence[int] = (2, 3),
        coreset: float | int = 0.1,
        projection: int | None = 128,
        neighbours: int = 9,
        pool: int = 3,
        sigma: float = 4.0,
        seed: int = 0,
        memory: int | None = None,
        block: int = BLOCK_BYTES,
        device=None,
        border: int = 0,
        pool_padding: str = "zeros",
    ):
        super().__init__(
            backbone, layers, pool, sigma, seed, memory, device, border, pool_padding, neighbours, block
        )
        if not (0 < coreset <= 1 if isinstance(coreset, float) else coreset >= 1):
            raise UsageError(f"coreset: must be a share in (0, 1] or a number of points >= 1, got {coreset}")
        if projection is not None and projection < 1:
            raise UsageError(f"projection: must be >= 1, got {projection}")
        self.coreset, self.projection = coreset, projection

    def options(self) -> dict:
        """Return the arguments of the constructor, without backbone, memory and device: JSON-able."""
        return {**super().options(), "coreset": self.coreset, "projection": self.projection}

    def points_of(self, patches: int) -> int:
        """Return how many of so many patches are kept."""
        return max(1, round(self.coreset * patches)) if isinstance(self.coreset, float) else self.coreset

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the bank learned from `images` images of `size` = (H, W), in bytes."""
        channels, height, width = self.features.shape(size)
        return FLOAT_BYTES * channels * self.points_of(images * height * width)

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""
        return self._needed(images, self.features.shape(size))

    def _needed(self, images: int, shape) -> int:
        channels, height, width = shape
        patches = images * height * width
        reduced = self.projection if self.projection and channels >= 2 * self.projection else 0
        # the distance to the nearest point and its number or norm take up to three more floats a patch
        return FLOAT_BYTES * (patches * (channels + reduced + 3) + self.points_of(patches) * (channels + 3))

    def fit(self, loader, progress="auto", log=None) -> "PatchCore":
        """Learn normal images; see `AnomalyModel.fit`."""
        limit, total = self._limit(), images_in(loader)
        patches, size, shape = self._collected(loader, progress, log, total, limit)
        if total is None:
            self._tell(log, len(patches) // (shape[1] * shape[2]), size)
        count = self._checked_points(len(patches))
        with Progress(progress, count, unit="points") as bar:
            chosen = k_centre(projected(patches, self.projection, self.seed), count, self.seed, bar.advance)
        self.bank, self.image_size = patches[chosen], size
        return self

    def _collected(self, loader, progress, log, total: int | None, limit: float):
        """Return the patches of all images (N * h * w, D), the size of the images, and the shape of features."""
        rows, seen = None, 0
        with image_progress(progress, loader) as bar:
            for images in batches(loader):
                if rows is None:
                    size = tuple(images.shape[-2:])
                    shape = self.features.shape(size)
                    if total:
                        self._checked_points(total * shape[1] * shape[2])
                        self._check(total, size, shape, limit)
                        self._tell(log, total, size)
                    rows = _Rows((total or 0) * shape[1] * shape[2], shape[0], self.device)
                seen += len(images)
                if seen > (total or 0):
                    self._check(seen, size, shape, limit)
                rows.append(as_vectors(self.features(images)))
                bar.advance(len(images))
        return rows.filled(), size, shape

    def _checked_points(self, patches: int) -> int:
        count = self.points_of(patches)
        if count > patches:
            raise UsageError(f"coreset: must be at most the {patches:,} patches of the images, got {count:,}")
        return count

    def _check(self, images: int, size: tuple[int, int], shape, limit: float) -> None:
        needed, points = self._needed(images, shape), self.points_of(images * shape[1] * shape[2])
        what = f"{images} images of {size[0]} x {size[1]} for a bank of {points:,} points"
        fitting = largest_fitting(lambda n: self._needed(n, shape), images, limit)
        refuse_if_larger(what, needed, limit, f"{fitting} images would fit, and any number in SequentialPatchCore")


class _Rows:
    """A tensor that rows are appended to; it never moves where their number was known."""

    def __init__(self, capacity: int, channels: int, device):
        self._rows = torch.empty((capacity, channels), device=device)
        self._used = 0

    def append(self, block: torch.Tensor) -> None:
        used = self._used + len(block)
        if used > len(self._rows):
            larger = torch.empty((max(used, len(self._rows) * 3 // 2), block.shape[1]), device=block.device)
            larger[: self._used] = self.filled()
            self._rows = larger
        self._rows[self._used : used] = block
        self._used = used

    def filled(self) -> torch.Tensor:
        return self._rows[: self._used]
