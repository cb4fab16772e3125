"""Where samples lie in a data set that grew: FORMAT.md's rule, and what growth must leave as it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.shards.arrangement import Arrangement
from synthgen.shards.order import Permutation


@st.composite
def growths(draw):
    """Stages of a growth, each larger than the one before."""
    cuts = []
    classes = 0
    per_class = 0
    for _ in range(draw(st.integers(1, 4))):
        more_classes = draw(st.integers(0, 4))
        more_images = draw(st.integers(0, 4))
        grows = more_classes * (per_class + more_images) + classes * more_images > 0
        classes += more_classes if grows else 1
        per_class += more_images if grows else 1
        cuts.append((classes, per_class, draw(st.integers(1, 9))))
    return cuts


seeds = st.integers(0, 2**63 - 1)


def pairs(labels, indices):
    return list(zip(labels.tolist(), indices.tolist(), strict=True))


def by_the_book(cuts, seed):
    """Return all samples in stored order, and the lengths of all shards, as FORMAT.md says."""
    samples = []
    lengths = []
    before = (0, 0)
    for classes, per_class, shard_size in cuts:
        old_classes, old_images = before
        added = per_class - old_images
        count = classes * per_class - old_classes * old_images
        for m in Permutation(count, seed).forward(np.arange(count)).tolist():
            if m < old_classes * added:
                samples.append((m // added, old_images + m % added))
            else:
                rest = m - old_classes * added
                samples.append((old_classes + rest // per_class, rest % per_class))
        lengths += [min(shard_size, count - start) for start in range(0, count, shard_size)]
        before = (classes, per_class)
    return samples, lengths


@given(growths(), seeds)
def test_the_arrangement_is_that_of_the_specification(cuts, seed):
    samples, lengths = by_the_book(cuts, seed)
    places = Arrangement(cuts, seed)
    assert pairs(*places.samples(range(places.count))) == samples
    assert [len(places.positions_of(shard)) for shard in range(places.shards)] == lengths


@given(growths(), seeds)
def test_every_sample_has_one_place_and_is_found_there(cuts, seed):
    places = Arrangement(cuts, seed)
    classes, per_class, _ = cuts[-1]
    everything = [(label, index) for label in range(classes) for index in range(per_class)]
    labels, indices = np.array(everything).T
    positions = places.positions(labels, indices)
    assert sorted(positions.tolist()) == list(range(places.count))
    assert pairs(*places.samples(positions)) == everything


@given(growths(), seeds)
def test_shards_follow_one_another_and_positions_name_their_rows(cuts, seed):
    places = Arrangement(cuts, seed)
    rows = [(shard, row) for shard in range(places.shards) for row in range(len(places.positions_of(shard)))]
    assert [places.place(position) for position in range(places.count)] == rows
    joined = [position for shard in range(places.shards) for position in places.positions_of(shard)]
    assert joined == list(range(places.count))


@given(growths(), seeds)
def test_growth_leaves_what_was_there_where_it_was(cuts, seed):
    whole = Arrangement(cuts, seed)
    for stages in range(1, len(cuts)):
        before = Arrangement(cuts[:stages], seed)
        old = range(before.count)
        assert pairs(*whole.samples(old)) == pairs(*before.samples(old))
        assert [whole.positions_of(k) for k in range(before.shards)] == [
            before.positions_of(k) for k in range(before.shards)
        ]
        assert {whole.stage_of(shard) for shard in range(before.shards)} == set(range(stages))


def test_one_position_is_found_as_many_are():
    places = Arrangement([(2, 3, 2), (4, 5, 3)], seed=7)
    for position in range(places.count):
        label, index = places.samples(position)
        assert int(places.positions(label, index)) == position


@pytest.mark.parametrize("cuts", [[(2, 3, 1), (2, 3, 1)], [(2, 3, 1), (1, 9, 1)], [(2, 3, 1), (9, 2, 1)]])
def test_what_does_not_grow_is_refused(cuts):
    with pytest.raises(ValueError, match="a data set of 2 x 3 samples must grow"):
        Arrangement(cuts, seed=0)
