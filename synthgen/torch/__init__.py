"""The torch companion: data sets for training loops. Optional; nothing else of synthgen imports it."""

try:
    import torch  # noqa: F401
except ImportError as error:
    from synthgen.errors import MissingExtraError

    raise MissingExtraError("Install synthgen[torch] to read data sets in PyTorch") from error

from synthgen.torch.datasets import LiveDataset, ShardDataset, StreamDataset

__all__ = ["LiveDataset", "ShardDataset", "StreamDataset"]
