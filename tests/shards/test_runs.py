"""Runs hold every sample of a batch once, at its place."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthgen
from synthgen.shards.runs import runs_of


@given(st.lists(st.integers(-40, 39), min_size=1, max_size=30))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_hold_each_sample_of_a_batch_at_its_place(data_set, positions):
    dataset = synthgen.open(data_set)
    found = {}
    for run in runs_of(dataset, positions):
        for row, place in zip(run.rows, run.places, strict=True):
            assert place not in found
            found[place] = run.reader.key(row)
    assert [found[place] for place in range(len(positions))] == [dataset[i].key for i in positions]


def test_neighbors_are_one_run(data_set):
    dataset = synthgen.open(data_set)
    runs = list(runs_of(dataset, range(8)))
    assert len(runs) <= 2
    assert sorted(place for run in runs for place in run.places) == list(range(8))
