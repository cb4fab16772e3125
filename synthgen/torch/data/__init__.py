"""Data sets for `torch.utils.data.DataLoader`: from shards, as a stream, or drawn on the fly."""

from typing import TYPE_CHECKING

from synthgen.lazy import lazy

if TYPE_CHECKING:
    from synthgen.torch.data.live import LiveDataset
    from synthgen.torch.data.shards import ShardDataset
    from synthgen.torch.data.stream import StreamDataset

# Loaded on first use: a loader's worker that is spawned needs one of them, and waits for what it imports.
_LAZY = {"LiveDataset": "live", "ShardDataset": "shards", "StreamDataset": "stream"}

__all__ = ["LiveDataset", "ShardDataset", "StreamDataset"]

__getattr__, __dir__ = lazy(__name__, _LAZY, optional=True)
