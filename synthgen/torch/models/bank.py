"""What models with a bank of patches share: scores by the nearest point, and a table that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from synthgen.torch.models.base import AnomalyModel
from synthgen.torch.models.options import Meta, ModelOptions

if TYPE_CHECKING:
    import torch


# Points of the bank that a place may come to during a refinement (Tao et al. 2024, section IV-A).
CANDIDATES = 50


class BankOptions(ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of models with a bank."""

    neighbours: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Points of the bank that weigh the score of an image; 1 for no weights."),
    ] = 9
    block: Annotated[
        int, Meta(ge=1, le=2**40, description="Bytes of the largest table of distances that is held at a time.")
    ] = 64 << 20


class BankModel(AnomalyModel):
    """A model that scores patches by the distance to the nearest point of a bank."""

    Options = BankOptions
    state = ("bank",)
    differentiable = True
    exportable = True
    settings: BankOptions
    bank: torch.Tensor

    def state_forms(self, shape):
        """Return the form of the bank; see `AnomalyModel.state_forms`."""
        import torch

        channels = shape[0]
        return {"bank": ((None, channels), torch.float32)}

    def _scores(self, features):
        from synthgen.torch.coreset.greedy import nearest_points
        from synthgen.torch.features import as_vectors
        from synthgen.torch.models.scoring import image_scores

        count, channels, *grid = features.shape
        settings = self.settings
        rows = as_vectors(features)
        distances, indices = nearest_points(rows, self.bank, 1, settings.block)

        patches = rows.view(count, -1, channels)
        distances = distances.view(count, -1)
        indices = indices.view(count, -1)
        scores = image_scores(patches, distances, indices, self.bank, settings.neighbours)
        return scores, distances.view(count, *grid)

    def graph_scores(self, features):
        """Return what `_scores` returns, without a loop over blocks; see `AnomalyModel.graph_scores`."""
        from synthgen.torch.models.scoring import image_scores

        _, channels, height, width = features.shape
        channels_last = features.permute(0, 2, 3, 1)
        patches = channels_last.reshape(-1, height * width, channels)

        origin = self.bank.mean(0)  # near the points there is less to round away
        centered = self.bank - origin
        norms = centered.square().sum(1)
        table = norms - 2 * ((patches - origin) @ centered.T)
        indices = table.argmin(2)

        offsets = patches - self.bank[indices]
        distances = offsets.square().sum(2).sqrt()
        scores = image_scores(patches, distances, indices, self.bank, self.settings.neighbours)
        return scores, distances.reshape(-1, height, width)

    def local_scores(self, reference, places):
        """Return squared distances to the bank as a function of the images; see `AnomalyModel.local_scores`.

        Of the bank only the 50 points count that are nearest to the reference (Tao et al. 2024, equation 5).
        """
        from synthgen.torch.coreset.greedy import nearest_points

        rows_of = self._local_rows(reference, places)
        count = min(CANDIDATES, len(self.bank))
        _, indices = nearest_points(rows_of.reference[0], self.bank, count, self.settings.block)
        candidates = self.bank[indices]
        norms = candidates.square().sum(2)

        def scores(images):
            rows = rows_of(images)[0]
            columns = rows.detach().unsqueeze(2)
            products = (candidates @ columns).squeeze(2)
            # |row|^2 is the same for all candidates, and so left out of the comparison
            number = (norms - 2 * products).argmin(1)
            nearest = candidates[range(len(rows)), number]
            return [(rows - nearest).square().sum(1)]

        return scores


class Rows:
    """A table (N, D) that rows are appended to; it never moves where their number was known."""

    def __init__(self, capacity: int, channels: int, device, dtype: torch.dtype | None = None):
        import torch

        self._rows = torch.empty((capacity, channels), device=device, dtype=dtype)
        self._used = 0

    def append(self, block: torch.Tensor) -> None:
        """Append rows (n, D)."""
        used = self._used + len(block)
        if used > len(self._rows):
            self._grow(used)
        self._rows[self._used : used] = block
        self._used = used

    def _grow(self, needed: int) -> None:
        before, channels = self._rows.shape
        usual = before * 3 // 2
        capacity = max(needed, usual)
        larger = self._rows.new_empty((capacity, channels))
        larger[: self._used] = self.filled()
        self._rows = larger

    def filled(self) -> torch.Tensor:
        """Return all rows so far."""
        return self._rows[: self._used]
