import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthgen.surface.stains.rows import near_rows, renumber, unite

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), max_size=8)


@given(SPANS)
def test_rows_list_what_reaches_them(extents):
    near = near_rows(np.array(extents, np.int64).reshape(-1, 2), 30)
    for row in range(30):
        found = near.things[near.starts[row] : near.starts[row + 1]].tolist()
        assert found == [n for n, (first, last) in enumerate(extents) if first <= row < last]


@given(SPANS)
def test_the_union_of_chords_covers_them_and_nothing_else(chords):
    spans = np.zeros((40, 3), np.int64)
    table = np.array(chords, np.int64).reshape(-1, 2)
    count = unite(table, len(table), 7, spans, 2)
    covered = [c for _, begin, end in spans[2:count] for c in range(begin, end)]
    wanted = {c for begin, end in chords for c in range(begin, end)}
    assert sorted(covered) == sorted(wanted)
    assert (spans[2:count, 0] == 7).all()


def test_only_spans_are_renumbered():
    ids = np.array([[0, 1, 2], [2, 2, 1]], np.uint16)
    renumber(ids, np.array([0, 5, 9], np.uint16), np.array([[0, 0, 3], [1, 1, 2]]))
    assert ids.tolist() == [[0, 5, 9], [2, 9, 1]]
