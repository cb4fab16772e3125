"""libdeflate's own functions are looked for, and not missed where they are not offered."""

import types

import pytest
import torch

from synthgen.torch import ShardDataset
from synthgen.torch.data import libdeflate


@pytest.mark.parametrize("place", [None, torch._C.__file__])
def test_a_package_that_offers_no_functions_is_no_error(monkeypatch, place):
    other = types.SimpleNamespace(_deflate=types.SimpleNamespace(__file__=place))
    monkeypatch.setattr(libdeflate, "deflate", other)
    assert not libdeflate._offered()


def test_batches_are_the_same_without_it(data_set, expected, fingerprint, monkeypatch):
    monkeypatch.setattr(libdeflate, "IS_THERE", False)
    dataset = ShardDataset(data_set, fields=("mask",))
    assert [fingerprint(item) for item in dataset.__getitems__(range(40))] == expected
