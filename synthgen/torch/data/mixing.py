"""The order of a shuffled stream: shards in a random order, samples from a buffer of those that come next."""

from collections.abc import Iterator

import numpy as np


def through_shards(shards: list[int], manifest, share: range) -> Iterator[int]:
    """Yield a share of the positions in the order that the shards, one after another, give.

    Parameters
    ----------
    shards : list of int
        Numbers of all shards, in the order of the epoch.
    manifest : Manifest
    share : range
        Places in that order.
    """
    for _, positions in _spans(shards, manifest, share):
        yield from positions


def shards_of(shards: list[int], manifest, share: range) -> list[int]:
    """Return the shards that hold a share of the positions, in the order in which they are read.

    Parameters are those of `through_shards`.
    """
    return [shard for shard, positions in _spans(shards, manifest, share) if positions]


def _spans(shards: list[int], manifest, share: range) -> Iterator[tuple[int, range]]:
    """Yield each shard, and the positions in it that belong to a share."""
    start = 0
    for shard in shards:
        positions = manifest.arrangement.positions_of(shard)
        first = max(share.start - start, 0)
        last = max(share.stop - start, 0)
        yield shard, positions[first:last]
        start += len(positions)


def through_buffer(positions: Iterator[int], size: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield all positions, each drawn at random from the `size` + 1 that come next."""
    held: list[int] = []
    for position in positions:
        held.append(position)
        if len(held) > size:
            yield _taken(held, rng)
    while held:
        yield _taken(held, rng)


def _taken(held: list[int], rng: np.random.Generator) -> int:
    """Remove and return a random element; the last one takes its place."""
    i = int(rng.random() * len(held))
    held[i], held[-1] = held[-1], held[i]
    return held.pop()
