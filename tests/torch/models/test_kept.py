"""Rows that are kept: the same in memory and on disk."""

import numpy as np
import pytest
import torch

from synthgen.errors import UsageError
from synthgen.torch.models.kept import KeptRows, bytes_of


@pytest.mark.parametrize("expected", [0, 30])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_rows_come_back_from_wherever_they_lie(expected, share):
    rows = torch.randn(30, 5).half()
    kept = KeptRows(expected, 5, torch.device("cpu"), share * bytes_of(30, 5))
    for block in rows.split(7):
        kept.append(block.float())
    assert len(kept) == 30
    assert kept.on_disk == (share < 1)
    places = np.array([29, 0, 0, 13])
    assert torch.equal(kept.take(places), rows[places].float())


def test_features_too_large_for_half_precision_are_refused():
    kept = KeptRows(1, 2, torch.device("cpu"), 100)
    with pytest.raises(UsageError, match=r"features must lie within \+-65,504, got 70,000"):
        kept.append(torch.tensor([[-70_000.0, 1.0]]))
