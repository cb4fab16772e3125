"""PatchCore: a bank of normal patch features, thinned out evenly (Roth et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from synthgen.errors import UsageError
from synthgen.torch.models.bank import BankModel, BankOptions, Rows
from synthgen.torch.models.base import FLOAT_BYTES
from synthgen.torch.models.batches import batches, begun, image_progress, images_in, size_of
from synthgen.torch.models.memory import refuse_too_many
from synthgen.torch.models.options import Meta

if TYPE_CHECKING:
    import torch

HELP = """
Fit PatchCore: a bank of normal patches, thinned out evenly. An image is as anomalous as its patch that lies
farthest from the bank.

\b
synthgen fit patchcore --normal photos/good --backbone resnet18 --out brick.safetensors
synthgen fit patchcore --normal mvtec/bottle --backbone out/best.safetensors --coreset 0.01 --out bottle.safetensors
"""


class Options(BankOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of PatchCore; see the annotations."""

    coreset: Annotated[
        int | float, Meta(description="Patches to keep in the bank: a share such as 0.1, or their number.")
    ] = 0.1
    projection: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(
            description="Random channels in which patches are chosen, where there are twice as many; null: all.",
        ),
    ] = 128

    def __post_init__(self):
        super().__post_init__()
        share = isinstance(self.coreset, float)
        if not (0 < self.coreset <= 1 if share else self.coreset >= 2):
            raise ValueError(
                f"coreset must be a share in (0, 1], such as 1.0, or a number of points >= 2, got {self.coreset}"
            )


# Within the class the name `Options` means its attribute.
_Options = Options


class PatchCore(BankModel):
    """Keep a coreset of all normal patches, chosen at once.

    Parameters
    ----------
    backbone, memory, device
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
    **options
        As for `AnomalyModel`.

    Notes
    -----
    All patches are held until the points are chosen: the memory for that grows with the images, which
    `SequentialPatchCore` avoids.

    Scores of images follow the paper (equations 6 and 7) and anomalib; the published code uses the largest distance
    alone, as ``neighbours=1`` does, and averages channels to 1,024. Maps are enlarged bilinearly and smoothed as in
    the published code; anomalib repeats each place, as ``interpolation="nearest"`` does.
    """

    kind = "patchcore"
    Options = Options
    settings: _Options

    def points_of(self, patches: int) -> int:
        """Return how many of so many patches are kept."""
        coreset = self.settings.coreset
        if isinstance(coreset, float):
            return max(1, round(coreset * patches))
        return coreset

    def predicted_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the size of the bank learned from `images` images of `size` = (H, W), in bytes."""
        channels, height, width = self.features.shape(size)
        places = height * width
        points = self.points_of(images * places)
        return FLOAT_BYTES * channels * points

    def needed_bytes(self, images: int, size: tuple[int, int]) -> int:
        """Return the memory that fitting takes beside the backbone's own, in bytes."""
        shape = self.features.shape(size)
        return self._needed(images, shape)

    def _needed(self, images: int, shape) -> int:
        channels, height, width = shape
        patches = images * height * width
        points = self.points_of(patches)

        reduced = self.settings.projection or 0
        if channels < 2 * reduced:
            reduced = 0

        # the distance to the nearest point and its number or norm take up to three more floats a patch
        floats = channels + reduced + 3
        while_choosing = patches * floats
        chosen = points * (channels + 3)
        return FLOAT_BYTES * (while_choosing + chosen)

    def fit(self, loader, progress="auto", log=None) -> PatchCore:
        """Learn normal images; see `AnomalyModel.fit`."""
        from synthgen.run.progress import Progress
        from synthgen.torch.coreset.greedy import k_center, projected

        patches, size = self._collected(loader, progress, log)
        count = self._checked_points(len(patches))

        with Progress(progress, count, unit="points") as bar:
            seed = self.settings.seed
            narrow = projected(patches, self.settings.projection, seed)
            chosen = k_center(narrow, count, seed, bar.advance)

        self.bank = patches[chosen]
        self.image_size = size
        return self

    def _collected(self, loader, progress, log) -> tuple[torch.Tensor, tuple[int, int]]:
        """Return the patches of all images, (N * h * w, D), and the size of the images."""
        from synthgen.torch.features import as_vectors

        limit = self._limit()
        total = images_in(loader)
        expected = total or 0
        seen = 0

        given, first = begun(batches(loader))
        size = size_of(first)
        shape = self.features.shape(size)
        rows = self._empty_rows(expected, size, shape, limit, log)

        with image_progress(progress, loader) as bar:
            for images in given:
                seen += len(images)
                if seen > expected:
                    self._check(seen, size, shape, limit)
                features = self.features(images)
                rows.append(as_vectors(features))
                bar.advance(len(images))

        if not total:
            self._report(log, seen, size)
        return rows.filled(), size

    def _empty_rows(self, expected: int, size, shape, limit: float, log) -> Rows:
        """Return a table for the patches of so many images, if it and the bank fit into the memory."""
        channels, height, width = shape
        patches = expected * height * width
        if expected:
            self._checked_points(patches)
            self._check(expected, size, shape, limit)
            self._report(log, expected, size)
        return Rows(patches, channels, self.device)

    def _checked_points(self, patches: int) -> int:
        count = self.points_of(patches)
        if count > patches:
            raise UsageError(f"coreset must be at most the {patches:,} patches of the images, got {count:,}")
        return count

    def _check(self, images: int, size: tuple[int, int], shape, limit: float) -> None:
        """Refuse images that do not fit into the memory."""
        _, rows, columns = shape
        height, width = size
        points = self.points_of(images * rows * columns)

        def needed(count: int) -> int:
            return self._needed(count, shape)

        what = f"{images} images of {height} x {width} and a bank of {points:,} points"
        advice = "{} images would fit, and any number in SequentialPatchCore"
        refuse_too_many(what, images, needed, limit, advice)


MODEL = PatchCore
