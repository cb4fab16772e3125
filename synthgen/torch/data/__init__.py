"""Data sets for `torch.utils.data.DataLoader`: from shards, as a stream, or drawn on the fly."""

from synthgen.torch.data.live import LiveDataset
from synthgen.torch.data.shards import ShardDataset
from synthgen.torch.data.stream import StreamDataset

__all__ = ["LiveDataset", "ShardDataset", "StreamDataset"]
