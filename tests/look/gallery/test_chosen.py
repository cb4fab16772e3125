"""Samples of a gallery: classes spread over all, the same samples each time, fewer where they do not fit."""

from types import SimpleNamespace

import pytest

from synthgen.errors import UsageError
from synthgen.look.gallery.chosen import chosen_samples, fewer


def manifest_of(classes, per_class):
    return SimpleNamespace(classes=classes, per_class=per_class, seed=3)


@pytest.mark.parametrize(
    ("classes", "per_class", "shown"),
    [(4, 100, (4, 32)), (64, 100, (64, 8)), (1000, 1000, (64, 8)), (3, 5, (3, 5)), (10**6, 10**6, (64, 8))],
)
def test_about_five_hundred_samples_are_shown_however_many_there_are(classes, per_class, shown):
    chosen = chosen_samples(manifest_of(classes, per_class))
    assert (len(chosen.labels), len(chosen.indices[0])) == shown
    assert chosen.labels[0] == 0
    assert chosen.labels[-1] == classes - 1
    assert all(index < per_class for indices in chosen.indices for index in indices)


def test_samples_are_drawn_by_lot_once_each_and_are_the_same_each_time():
    chosen = chosen_samples(manifest_of(5, 1000), 3, 20)
    assert chosen == chosen_samples(manifest_of(5, 1000), 3, 20)
    assert chosen.indices[0] != chosen.indices[1]
    for indices in chosen.indices:
        assert indices == sorted(set(indices))
        assert len(indices) == 20


@pytest.mark.parametrize("share", [0.8, 0.5, 0.1, 0.001])
def test_fewer_samples_are_no_more_than_the_share_until_one_is_left(share):
    chosen = chosen_samples(manifest_of(40, 16), 40, 16)
    less = fewer(chosen, share)
    assert less.total <= max(1, share * chosen.total)
    assert set(less.labels) <= set(chosen.labels)
    while less.total > 1:
        before = less.total
        less = fewer(less, 0.8)
        assert less.total < before


@pytest.mark.parametrize("numbers", [(0, None), (None, 0), (10**6, None), (None, 65)])
def test_numbers_out_of_range_are_refused(numbers):
    with pytest.raises(UsageError, match=r"^(classes|per_class) must lie in 1\.\.\d+, got"):
        chosen_samples(manifest_of(5, 5), *numbers)
