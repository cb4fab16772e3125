"""Runs hold every sample of a batch once, at its place."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthgen
from synthgen.shards.runs import shares_of


@given(st.lists(st.integers(-40, 39), min_size=1, max_size=30), st.integers(1, 5))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_hold_each_sample_of_a_batch_at_its_place(data_set, positions, count):
    dataset = synthgen.open(data_set)
    shares = shares_of(dataset, positions, count)
    assert len(shares) == min(count, len(positions))
    found = {}
    for share in shares:
        for run in share.runs:
            for row, place in zip(run.rows, run.places, strict=True):
                assert place not in found
                found[place] = run.reader.key(row)
        np.testing.assert_array_equal(share.labels(), [dataset.label(positions[place]) for place in share.places])
    assert [found[place] for place in range(len(positions))] == [dataset[i].key for i in positions]


def test_neighbors_are_one_run(data_set):
    dataset = synthgen.open(data_set)
    (share,) = shares_of(dataset, range(8))
    runs = share.runs
    assert len(runs) <= 2
    assert sorted(place for run in runs for place in run.places) == list(range(8))


@pytest.mark.parametrize("wrong", [40, -41, 10**30])
def test_a_position_that_is_not_there_is_named(data_set, wrong):
    with pytest.raises(IndexError, match=f"sample {wrong} of 40"):
        shares_of(synthgen.open(data_set), [3, wrong])
