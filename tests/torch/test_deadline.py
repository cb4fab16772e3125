"""A deadline ends a training, and nothing else."""

import pytest

from synthgen.torch.deadline import in_time, within


def test_steps_end_where_the_time_is_over_and_somebody_knows():
    with within(0) as deadline:
        assert not deadline.stopped
        assert list(in_time(range(3))) == []
    assert deadline.stopped


def test_without_a_limit_or_outside_of_its_block_all_steps_are_taken():
    with within(None) as deadline:
        assert list(in_time(range(3))) == [0, 1, 2]
    assert not deadline.stopped
    with within(0):
        pass
    assert list(in_time(range(3))) == [0, 1, 2]


def test_of_two_blocks_the_inner_one_counts_and_the_outer_one_comes_back():
    with within(0):
        with within(60):
            assert list(in_time(range(2))) == [0, 1]
        assert list(in_time(range(2))) == []


def test_a_training_that_fails_leaves_no_deadline_behind():
    with pytest.raises(ZeroDivisionError), within(0):
        raise ZeroDivisionError
    assert list(in_time(range(2))) == [0, 1]
