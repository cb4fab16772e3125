"""Batches: what is asked for wrongly is named, and tensors that are sent lie in shared memory."""

import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch import ShardDataset, StreamDataset
from synthgen.torch.data.batches import BatchReader


def test_arguments_of_batches_are_checked(data_set):
    with pytest.raises(UsageError, match=r"threads must lie in 1\.\.256, got 0"):
        ShardDataset(data_set, threads=0)
    with pytest.raises(UsageError, match="check must be 'crc' or 'none', got 'md5'"):
        StreamDataset(data_set, check="md5")


def test_shared_batches_hold_the_same(data_set):
    reader = BatchReader(ShardDataset(data_set).dataset, ("mask",), 1, "crc")
    plain = reader.read([5, 1, 2])
    shared = reader.read([5, 1, 2], shared=True)
    assert all(map(torch.equal, plain, shared))
    assert all(tensor.is_shared() for tensor in shared)
