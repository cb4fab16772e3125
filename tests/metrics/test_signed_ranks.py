"""The signed-rank test equals counting all ways, and scipy's where it is exact."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from synthgen.errors import UsageError
from synthgen.metrics.signed_ranks import holm, signed_ranks

SMALL = st.lists(st.integers(-4, 4), min_size=1, max_size=8)


def counted(differences):
    """Return how often the smaller sum of ranks is as small by chance: all ways of signs, one by one."""
    unequal = np.array([each for each in differences if each])
    lengths = rankdata(np.abs(unequal))
    least = min(lengths[unequal > 0].sum(), lengths[unequal < 0].sum())
    ways = [np.dot(signs, lengths) for signs in itertools.product((0, 1), repeat=len(unequal))]
    return min(1.0, 2 * np.mean([way <= least for way in ways]))


@given(SMALL.filter(any))
def test_all_ways_are_counted_with_ties_and_zeros(differences):
    found = signed_ranks(differences)
    assert found.p == pytest.approx(counted(differences))
    assert found.positive + found.negative + found.equal == len(differences)


@given(SMALL.filter(any), st.lists(st.integers(-9, 9), min_size=8, max_size=8))
def test_rounding_neither_breaks_a_tie_nor_makes_a_difference(differences, errors):
    rounded = [each / 10 + error * 1e-15 for each, error in zip(differences, errors, strict=False)]
    assert signed_ranks(rounded) == signed_ranks(differences)


@given(SMALL)
def test_the_other_way_round_is_as_likely(differences):
    one = signed_ranks(differences)
    other = signed_ranks([-each for each in differences])
    assert (one.p, one.statistic) == (other.p, other.statistic)
    assert (one.positive, one.negative) == (other.negative, other.positive)


@pytest.mark.parametrize("count", [5, 27, 40])
def test_without_ties_it_is_the_exact_test_of_scipy(count):
    differences = np.random.default_rng(count).normal(0.4, 1, count)
    expected = wilcoxon(differences, method="exact")
    found = signed_ranks(differences)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


def test_where_nothing_differs_nothing_is_shown():
    assert signed_ranks([0.0, 0.0]) == (0, 0, 2, 0.0, 1.0)
    with pytest.raises(UsageError, match=r"^differences must hold finite numbers, got 1"):
        signed_ranks([0.1, np.nan])


@given(st.lists(st.floats(0, 1), max_size=6))
def test_several_tests_make_each_less_sure_and_keep_their_order(values):
    corrected = holm(values)
    plain = np.array(values)
    assert (corrected >= plain).all()
    assert (corrected <= 1).all()
    order = np.argsort(plain, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
