import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.compose.grouping import group


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**40), st.sampled_from(["random", "near", "far"]))
def test_each_class_is_in_one_group(count, groups, seed, how):
    groups = min(groups, count)
    points = None if how == "random" else np.random.default_rng(seed).random((count, 3))
    found = group(count, groups, seed, points, distinct=how == "far")
    assert sorted(number for members in found for number in members) == list(range(count))
    sizes = {len(members) for members in found}
    assert len(found) == groups
    assert max(sizes) - min(sizes) <= 1


def test_similar_groups_are_tighter_than_random_ones_and_distinct_ones_wider():
    points = np.random.default_rng(0).normal(size=(200, 3))

    def spread(groups):
        return np.mean([points[members].std(axis=0).mean() for members in groups])

    similar, distinct = (spread(group(200, 20, 5, points, distinct)) for distinct in (False, True))
    assert similar < 0.6 * spread(group(200, 20, 5)) < 0.6 * 1.1 * distinct


def test_another_seed_gives_other_groups():
    assert group(50, 10, 0) != group(50, 10, 1)
