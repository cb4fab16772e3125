"""The rules of a flat connector: a normal one keeps all, each anomaly of logic breaks its own."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.surface.connector.plan import (
    FEWEST,
    HALF_LENGTH,
    HALF_WIDTH,
    LOGICAL,
    MOST,
    STRUCTURAL,
    break_rule,
    sample_plate,
)

ROWS = {4: [4], 5: [5], 6: [3, 3], 7: [4, 3], 8: [4, 4]}
numbers_of_holes = st.integers(FEWEST, MOST)
seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=25)


def places_of(count: int, rows: int, row: int) -> list[tuple[float, float]]:
    across = [0.0] if rows == 1 else [-8.0, 8.0]
    return [(u, across[row]) for u in np.linspace(-37, 37, count)]


def broken_rules(plate: dict, holes: int) -> set[str]:
    """Check a plate as an inspector with a drawing would."""
    rows = ROWS[holes]
    wanted = []
    for row, count in enumerate(rows):
        for place, at in enumerate(places_of(count, len(rows), row)):
            wanted.append((at, place in (0, count - 1)))

    broken = set()
    if len(plate["holes"]) != holes:
        broken.add("count")
    left = list(plate["holes"])
    for at, is_large in wanted:
        there = [hole for hole in left if math.dist(hole["at"], at) < 0.3]
        if not there:
            broken.add("place")
            continue
        left.remove(there[0])
        if abs(there[0]["radius"] - (3.7 if is_large else 2.2)) > 0.1:
            broken.add("size")
    if left:
        broken.add("place")
    return broken


BREAKS = {
    "missing": {"count", "place"},
    "additional": {"count", "place"},
    "misplaced": {"place"},
    "wrong_size": {"size"},
    "swapped": {"size"},
    "count": {"count", "place"},
}


@some
@given(numbers_of_holes, seeds)
def test_a_normal_plate_keeps_all_rules(holes, seed):
    plate = sample_plate(np.random.default_rng(seed), holes)
    assert broken_rules(plate, holes) == set()


@pytest.mark.parametrize("kind", LOGICAL)
@some
@given(numbers_of_holes, seeds)
def test_an_anomaly_of_logic_breaks_its_rule_and_leaves_the_metal_whole(kind, holes, seed):
    rng = np.random.default_rng(seed)
    plate = sample_plate(rng, holes)
    made, finding = break_rule(rng, plate, kind)
    assert broken_rules(made, holes) == BREAKS[kind]
    assert broken_rules(plate, holes) == set()
    assert finding["regions"]
    assert (made["bites"], made["cut"], made["marks"]) == ([], None, [])


@pytest.mark.parametrize("kind", STRUCTURAL)
@some
@given(numbers_of_holes, seeds)
def test_damage_leaves_all_rules_as_they_were(kind, holes, seed):
    rng = np.random.default_rng(seed)
    plate = sample_plate(rng, holes)
    made, finding = break_rule(rng, plate, kind)
    assert broken_rules(made, holes) == set()
    assert finding["enough"] is None
    assert made != plate


@pytest.mark.parametrize("kind", LOGICAL)
@some
@given(numbers_of_holes, seeds)
def test_holes_keep_metal_around_them(kind, holes, seed):
    rng = np.random.default_rng(seed)
    made, _ = break_rule(rng, sample_plate(rng, holes), kind)
    for number, hole in enumerate(made["holes"]):
        u, v = hole["at"]
        assert HALF_LENGTH - abs(u) - hole["radius"] > 1
        assert HALF_WIDTH - abs(v) - hole["radius"] > 1
        for other in made["holes"][:number]:
            assert math.dist(hole["at"], other["at"]) - hole["radius"] - other["radius"] > 1


def test_a_row_with_a_wrong_count_is_found_anywhere_in_it():
    rng = np.random.default_rng(3)
    _, finding = break_rule(rng, sample_plate(rng, 8), "count")
    ((left, top, right, bottom),) = finding["regions"]
    assert (left, right) == (-right, right)
    assert bottom - top < 6 < right - left
    assert finding["enough"] == pytest.approx(math.pi * 2.2**2, abs=1e-3)
