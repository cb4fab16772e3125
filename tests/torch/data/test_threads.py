"""Threads do all of the work, and live in the process that asks for it."""

import pytest
from torch.utils.data import DataLoader

from synthgen.torch import ShardDataset
from synthgen.torch.data.threads import Threads


@pytest.mark.parametrize("count", [1, 3])
def test_every_part_is_worked_on_and_the_first_error_is_raised(count):
    done = []
    threads = Threads(count)
    threads.each(done.append, list(range(20)))
    assert sorted(done) == list(range(20))

    def fail(part):
        if part > 2:
            raise ValueError(part)

    with pytest.raises(ValueError, match="3"):
        threads.each(fail, list(range(20)))


def test_threads_are_started_anew_after_a_fork(data_set):
    dataset = ShardDataset(data_set, threads=2)
    expected = [label for _, label in dataset.__getitems__(range(20))]
    loader = DataLoader(dataset, 20, num_workers=1, multiprocessing_context="fork", timeout=60)
    _, labels = next(iter(loader))
    assert labels.tolist() == expected
