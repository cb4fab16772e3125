"""Samples are shared out over ranks and workers, and batches over the workers of a loader."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, IterableDataset

from synthgen.errors import UsageError
from synthgen.torch.data.shares import given_after, part_of, share_of_rank, worker_and_workers

SOME = st.integers(1, 9)


@given(st.integers(0, 60), SOME)
def test_without_evening_each_sample_goes_to_one_rank(count, world):
    shares = [share_of_rank(count, rank, world, None) for rank in range(world)]
    assert [i for share in shares for i in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 60), SOME)
def test_padding_repeats_less_than_a_sample_a_rank_and_loses_none(count, world):
    shares = [share_of_rank(count, rank, world, "pad") for rank in range(world)]
    assert {len(share) for share in shares} == {-(-count // world)}
    assert {i for share in shares for i in share} == set(range(count))


@given(st.integers(1, 60), SOME)
def test_dropping_repeats_none_and_loses_fewer_than_there_are_ranks(count, world):
    assume(count >= world)
    shares = [share_of_rank(count, rank, world, "drop") for rank in range(world)]
    assert {len(share) for share in shares} == {count // world}
    given_out = [i for share in shares for i in share]
    assert sorted(set(given_out)) == given_out
    assert set(given_out) <= set(range(count))


@given(st.integers(1, 60), SOME, SOME, SOME, st.booleans(), st.sampled_from(["pad", "drop"]))
def test_evened_ranks_take_equally_many_steps(count, world, workers, batch, drop_last, even):
    assume(count >= world)
    steps = set()
    for rank in range(world):
        share = share_of_rank(count, rank, world, even)
        sizes = [len(part_of(share, worker, workers)) for worker in range(workers)]
        steps.add(sum(size // batch if drop_last else -(-size // batch) for size in sizes))
    assert len(steps) == 1


def test_a_rank_without_samples_is_refused():
    with pytest.raises(UsageError, match="even must be 'pad' where 3 ranks share 2 samples, got 'drop'"):
        share_of_rank(2, 0, 3, "drop")


class Workers(IterableDataset):
    """Gives (worker, number of the sample), as many as each worker has."""

    def __init__(self, sizes):
        self.sizes = sizes

    def __iter__(self):
        worker, _ = worker_and_workers()
        return iter([torch.tensor([worker, i]) for i in range(self.sizes[worker])])


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("sizes", [[7], [0, 5], [4, 4, 4], [9, 1, 6]])
@pytest.mark.parametrize("drop_last", [False, True])
def test_what_was_given_is_what_a_loader_gives(sizes, drop_last):
    loader = DataLoader(Workers(sizes), batch_size=3, num_workers=len(sizes), drop_last=drop_last)
    given = [0] * len(sizes)
    batches = [batch.tolist() for batch in loader]
    for number, batch in enumerate(batches):
        found, turn = given_after(sizes, number, 3, drop_last)
        assert found == given
        worker, first = batch[0]
        assert first == given[worker]
        assert not any(sizes[w] - given[w] >= (3 if drop_last else 1) for w in between(turn, worker, len(sizes)))
        given[worker] += len(batch)
    assert given_after(sizes, len(batches) + 5, 3, drop_last)[0] == given


def between(first, last, count):
    """Return the workers from `first` to before `last`, cyclic."""
    return [(first + i) % count for i in range((last - first) % count)]
