"""The rules of a tray: two of a size in each compartment, screws above, washers below, sizes that rise."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.surface.connector.tray import break_rule, compartment, discs_of, sample_tray

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8)


def contents(tray: dict) -> dict:
    """Return for each compartment how many of a kind and size lie in it, by the places of all items."""
    found = {(column, row): Counter() for column in range(3) for row in range(2)}
    for item in tray["items"]:
        u, v = item["at"]
        for (column, row), there in found.items():
            left, top, right, bottom = compartment(column, row)
            if left <= u <= right and top <= v <= bottom:
                there[item["kind"], item["size"]] += 1
    return found


def normal_contents() -> dict:
    return {(c, r): Counter({(("screw", "washer")[r], c): 2}) for c in range(3) for r in range(2)}


def changes(tray: dict) -> dict:
    """Return what differs from a normal tray: compartment -> (too many, too few)."""
    differing = {}
    for cell, wanted in normal_contents().items():
        there = contents(tray)[cell]
        if there != wanted:
            differing[cell] = (there - wanted, wanted - there)
    return differing


def damaged(items: list[dict]) -> int:
    return sum(item["left"] < 1 or bool(item["bites"]) for item in items)


@few
@given(seeds)
def test_a_normal_tray_keeps_all_rules(seed):
    tray = sample_tray(np.random.default_rng(seed))
    assert changes(tray) == {}
    for item in tray["items"]:
        left, top, right, bottom = compartment(*item["cell"])
        u, v, radius = discs_of(item).T
        assert (u - radius > left - 1).all()
        assert (u + radius < right + 1).all()
        assert (v - radius > top - 1).all()
        assert (v + radius < bottom + 1).all()


SHAPES = {
    "missing": ([(0, 1)],),
    "additional": ([(1, 0)],),
    "misplaced": ([(0, 1), (1, 0)],),
    "wrong_size": ([(1, 1)],),
    "swapped": ([(2, 2), (2, 2)],),
    "count": ([(1, 0), (1, 0)], [(0, 1), (0, 1)]),
    "damaged_edge": ([],),
    "broken": ([],),
}


@pytest.mark.parametrize("kind", SHAPES)
@few
@given(seeds)
def test_an_anomaly_breaks_its_rule(kind, seed):
    rng = np.random.default_rng(seed)
    made, finding = break_rule(rng, sample_tray(rng), kind)
    found = [(more.total(), less.total()) for more, less in changes(made).values()]
    assert sorted(found) in [sorted(shape) for shape in SHAPES[kind]]
    assert damaged(made["items"]) == (kind in ("damaged_edge", "broken"))
    assert (finding["enough"] is None) == (kind in ("damaged_edge", "broken"))
    assert finding["regions"]
