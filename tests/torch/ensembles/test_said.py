"""Pixels are thinned out as they come, so that a loader of unknown length has its limit too."""

import pytest
import torch

from synthgen.torch.ensembles.said import Thinned


@pytest.mark.parametrize(("expected", "step"), [(0, 4), (1000, 4), (700, 6), (2000, 7)])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_no_more_columns_are_kept_than_asked_for_whatever_is_expected(expected, step, size):
    columns = torch.arange(1000).expand(2, -1)
    thinned = Thinned(expected, 300)
    for table in columns.split(size, dim=1):
        thinned.add(table)
        assert thinned.table().shape[1] <= 300
    assert torch.equal(thinned.table(), columns[:, ::step])
