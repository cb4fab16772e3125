"""Coresets and nearest neighbours: pure functions on rows of features.

Squared distances are expanded, |x|^2 + |c|^2 - 2 x.c, so that nearly all work is matrix products, and are taken
in blocks of a stated size. What is rounded away by the expansion matters where distances are reported: there
the distances to the neighbours found are measured again, directly.
"""

from collections.abc import Callable

import numpy as np
import torch

from synthgen.errors import UsageError
from synthgen.seeding import generator

BLOCK_BYTES = 64 << 20


def squared_norms(points: torch.Tensor) -> torch.Tensor:
    """Return |x|^2 of each row, (N,)."""
    return torch.linalg.vecdot(points, points)


def squared_distances(queries: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return the squared Euclidean distances of all pairs of rows, (Q, D) and (M, D) -> (Q, M), never below 0."""
    norms = squared_norms(queries)
    point_norms = squared_norms(points)
    table = torch.addmm(point_norms, queries, points.T, alpha=-2)
    table += norms.unsqueeze(1)
    return table.clamp_(min=0)


def nearest_points(
    queries: torch.Tensor, points: torch.Tensor, count: int = 1, block_bytes: int = BLOCK_BYTES
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nearest points of each query, and how far they are.

    Parameters
    ----------
    queries : Tensor of float, (Q, D)
    points : Tensor of float, (M, D)
    count : int
        Neighbours of each, at most M.
    block_bytes : int
        Largest size of the table of distances that is held at a time; one row of it is always held.

    Returns
    -------
    distances : Tensor of float, (Q, count)
        Ascending but for rounding in the search.
    indices : Tensor of int64, (Q, count)
    """
    count = min(count, len(points))
    rows = rows_in(block_bytes, points)

    origin = points.mean(0)  # near the points there is less to round away
    centered = points - origin
    norms = squared_norms(centered)

    found = []
    for part in queries.split(rows):
        # |query|^2 is the same for all points, and so left out of the comparison
        from_origin = part - origin
        table = torch.addmm(norms, from_origin, centered.T, alpha=-2)
        found.append(_places_of_least(table, count))
    indices = torch.cat(found)

    distances = []
    for column in indices.T:
        offsets = queries - points[column]
        distances.append(torch.linalg.vector_norm(offsets, dim=1))
    return torch.stack(distances, dim=1), indices


def rows_in(block_bytes: int, points: torch.Tensor) -> int:
    """Return how many rows a table of distances to all points may have, at least one."""
    row_bytes = points.element_size() * len(points)
    rows = block_bytes // row_bytes
    return max(1, rows)


def _places_of_least(table: torch.Tensor, count: int) -> torch.Tensor:
    """Return the places of the `count` least values of each row."""
    if count == 1:
        return table.argmin(1, keepdim=True)
    return table.topk(count, largest=False).indices


def projected(points: torch.Tensor, channels: int | None, seed: int = 0) -> torch.Tensor:
    """Return rows in fewer dimensions, by a random matrix that nearly keeps distances (Johnson-Lindenstrauss).

    Rows of fewer than twice as many channels are returned as they are, and so are all where `channels` is None.
    """
    width = points.shape[1]
    if channels is None or width < 2 * channels:
        return points

    rng = generator(seed, 0, 0, "coreset.projection")
    size = (width, channels)
    matrix = rng.standard_normal(size)
    matrix /= np.sqrt(channels)
    projection = torch.from_numpy(matrix)
    projection = projection.to(points.device, points.dtype)
    return points @ projection


def k_center(
    points: torch.Tensor, count: int, seed: int = 0, advance: Callable[[int], object] = lambda steps: None
) -> torch.Tensor:
    """Return points chosen greedily so that none is far from all of them: each next one is the farthest.

    The first one is drawn at random. The largest distance to a chosen point is at most twice the least possible
    (Gonzalez 1985). PatchCore takes its bank so (Roth et al. 2022, algorithm 1).

    Parameters
    ----------
    points : Tensor of float32, (N, D)
        On the CPU or a GPU.
    count : int
        How many to choose, 1 to N.
    seed : int
        Of the first choice.
    advance : callable
        Given the number of choices made since it was last called.

    Returns
    -------
    Tensor of int64, (count,)
        Different rows of `points`, in the order of their choice.

    Raises
    ------
    UsageError
        If `count` is out of range.
    """
    most = len(points)
    if not 1 <= count <= most:
        raise UsageError(f"coreset must have 1 to {most:,} points, got {count:,}")

    rng = generator(seed, 0, 0, "coreset.start")
    first = int(rng.integers(most))
    if points.device.type != "cpu":
        return chosen_rows_by_products(points, count, first, advance)

    from synthgen.torch.coreset.greedy_compiled import chosen_rows

    rows = points.contiguous().numpy()
    chosen = chosen_rows(rows, count, first, advance)
    return torch.from_numpy(chosen)


def chosen_rows_by_products(points: torch.Tensor, count: int, first: int, advance) -> torch.Tensor:
    """Return what `k_center` returns, by one product of matrix and vector a step, which suits a GPU."""
    chosen = torch.empty(count, dtype=torch.int64, device=points.device)
    chosen[0] = first
    norms = squared_norms(points)
    gaps = torch.full_like(norms, torch.inf)

    for step in range(1, count):
        last = chosen[step - 1]
        distances = torch.addmv(norms, points, points[last], alpha=-2)
        distances += norms[last]
        torch.minimum(gaps, distances, out=gaps)

        gaps[last] = -torch.inf  # rounding must not bring it back
        chosen[step] = gaps.argmax()
        advance(1)

    advance(1)
    return chosen
