"""Data sets for `torch.utils.data.DataLoader`: from shards, as a stream, or drawn on the fly."""

from synthgen.torch.data.datasets import LiveDataset, ShardDataset, StreamDataset

__all__ = ["LiveDataset", "ShardDataset", "StreamDataset"]
