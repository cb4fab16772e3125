"""A coreset of fixed size that takes patches one after the other: Mao et al. 2025, section IV.

The first patches fill it. Then a patch whose nearest point lies farther than the closest two points of the
coreset lie from each other takes the place of one of these two, the one of lower index. So the closest pair
only ever moves apart.
"""

import torch

from synthgen.torch.coreset.greedy import BLOCK_BYTES, rows_in, squared_distances, squared_norms


class SequentialCoreset:
    """The points, and their matrix of distances.

    Parameters
    ----------
    size : int
        Points to hold.
    channels : int
    device : torch.device
    block : int
        Bytes of the largest table of distances between patches and points.

    Notes
    -----
    Patches are given in blocks, but taken one after the other. The table of distances of a block is computed at
    once; when a patch takes the place of a point, one column of the table is computed anew. The points are
    those that the algorithm chooses patch by patch, whatever the blocks, as far as distances that differ by no
    more than their rounding do not change places.
    """

    def __init__(self, size: int, channels: int, device, block: int = BLOCK_BYTES):
        self.size = size
        self.used = 0
        self.points = torch.empty((size, channels), device=device)
        self._block = block

        # about an origin amid them there is less to round away
        self._origin = torch.zeros(channels, device=device)
        self._centered = torch.empty_like(self.points)
        self._norms = torch.empty(size, device=device)

        square = (size, size)
        self._table = torch.empty(square, device=device)
        self._gaps = torch.empty(size, device=device)  # squared distance to the nearest other point
        self._partners = torch.empty(size, dtype=torch.int64, device=device)  # which point that is

    @classmethod
    def of(cls, points: torch.Tensor, block: int = BLOCK_BYTES) -> "SequentialCoreset":
        """Return the full coreset of these points, (M, D)."""
        size, channels = points.shape
        coreset = cls(size, channels, points.device, block)
        coreset.take(points)
        return coreset

    @property
    def full(self) -> bool:
        """Whether all places are filled."""
        return self.used == self.size

    def take(self, patches: torch.Tensor) -> int:
        """Take patches (P, D) in their order; return how many entered the coreset."""
        entered = self._fill(patches)
        rows = rows_in(self._block, self.points)
        rest = patches[entered:]
        for block in rest.split(rows):
            if len(block):
                entered += self._take(block)
        return entered

    def _fill(self, patches: torch.Tensor) -> int:
        """Put patches into the places that are free; return how many."""
        if self.full:
            return 0

        free = self.size - self.used
        count = min(free, len(patches))
        used = self.used + count
        self.points[self.used : used] = patches[:count]
        self.used = used
        if self.full:
            self._measure()
        return count

    def _measure(self) -> None:
        """Compute the matrix of distances, and the nearest other point of each."""
        self._origin = self.points.mean(0)
        centered = self.points - self._origin
        self._centered = centered
        self._norms = squared_norms(centered)

        table = squared_distances(centered, centered)
        torch.minimum(table, table.T, out=self._table)  # equal both ways, to the last bit
        self._table.fill_diagonal_(torch.inf)
        self._gaps, self._partners = self._table.min(1)

    def _take(self, patches: torch.Tensor) -> int:
        """Take a block of patches, once all places are filled; return how many entered."""
        centered = patches - self._origin
        norms = squared_norms(centered)
        table = _expanded(self._norms, centered, self._centered.T, norms[:, None])
        gaps, nearest = table.min(1)
        count = len(patches)
        entered = 0
        start = 0

        while start < count:
            # the next patch that lies farther from its nearest point than the closest two points from each other
            place = int(self._gaps.argmin())
            least = self._gaps[place]
            farther = gaps[start:] > least
            first = int(farther.byte().argmax())
            if not farther[first]:
                break

            # it takes the place of one of the two
            row = start + first
            self.points[place] = patches[row]
            self._centered[place] = centered[row]
            self._norms[place] = norms[row]
            self._remeasure(place, table[row])
            entered += 1
            start = row + 1

            # the patches after it are measured against it
            left = table[start:]
            column = _expanded(norms[start:], centered[start:], centered[row], norms[row])
            left[:, place] = column
            _update(gaps[start:], nearest[start:], left, place, column)

        return entered

    def _remeasure(self, place: int, distances: torch.Tensor) -> None:
        """Set the distances of the new point in a place, given as squares to all points."""
        column = distances.clone()
        column[place] = torch.inf
        self._table[place] = column
        self._table[:, place] = column

        _update(self._gaps, self._partners, self._table, place, column)
        gap, partner = column.min(0)
        self._gaps[place] = gap
        self._partners[place] = partner


def _expanded(
    norms: torch.Tensor, rows: torch.Tensor, others: torch.Tensor, own_norms: torch.Tensor
) -> torch.Tensor:
    """Return squared distances from norms and products: `others` is a matrix (D, M), or one vector (D,)."""
    is_vector = others.ndim == 1
    product = torch.addmv if is_vector else torch.addmm
    squares = product(norms, rows, others, alpha=-2)
    squares += own_norms
    return squares.clamp_(min=0)


def _update(
    gaps: torch.Tensor, nearest: torch.Tensor, table: torch.Tensor, place: int, column: torch.Tensor
) -> None:
    """Set least value and its place for each row of a table, after its column `place` has changed."""
    lost = (nearest == place).nonzero().squeeze(1)
    closer = column < gaps
    nearest[closer] = place
    torch.minimum(gaps, column, out=gaps)

    if len(lost):
        values, places = table[lost].min(1)
        gaps[lost] = values
        nearest[lost] = places
