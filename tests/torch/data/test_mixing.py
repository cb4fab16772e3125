"""The order of a shuffled stream, whatever the shares and the buffer."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.shards.arrangement import Arrangement
from synthgen.torch.data.mixing import through_buffer, through_shards


@st.composite
def orders(draw):
    """A data set's count and size of shards, and all of its shards in some order."""
    count = draw(st.integers(1, 40))
    size = draw(st.integers(1, 12))
    shards = draw(st.permutations(range(-(-count // size))))
    return count, size, shards


def manifest(count, size):
    return SimpleNamespace(arrangement=Arrangement([(1, count, size)], seed=0))


@given(orders(), st.integers(0, 40), st.integers(0, 40))
def test_a_share_is_a_piece_of_the_order_that_the_shards_give(made, first, last):
    count, size, shards = made
    whole = [position for shard in shards for position in range(shard * size, min((shard + 1) * size, count))]
    share = range(min(first, count), min(last, count))
    assert list(through_shards(shards, manifest(count, size), share)) == whole[share.start : share.stop]


@given(st.integers(0, 50), st.integers(0, 20), st.integers(0, 99))
def test_a_buffer_gives_each_position_once_and_none_too_early(count, size, seed):
    given_out = list(through_buffer(iter(range(count)), size, np.random.default_rng(seed)))
    assert sorted(given_out) == list(range(count))
    assert all(position <= place + size for place, position in enumerate(given_out))


def test_without_a_buffer_the_order_stays():
    assert list(through_buffer(iter(range(9)), 0, np.random.default_rng(0))) == list(range(9))


def test_all_positions_of_a_buffer_may_come_first():
    first = {next(through_buffer(iter(range(9)), 3, np.random.default_rng(seed))) for seed in range(100)}
    assert first == {0, 1, 2, 3}
