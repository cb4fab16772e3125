import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.surface.stains.drops import MOST_DROPS, REACH, Drops, Splashes, drops_in


def splashes(**changes) -> Splashes:
    values = {
        "seed": np.uint64(7), "cell": 5.0, "low": 0.1, "high": 4.0, "even": False, "older": 0.3,
        "slope": (0.0, 1.0),
    }  # fmt: skip
    return Splashes(**{**values, **changes})


def rows_of(drops: Drops) -> set:
    return set(zip(*(values.tolist() for values in drops), strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**64 - 1), st.floats(-60, 40), st.floats(-50, 30))
def test_drops_do_not_depend_on_the_window(seed, x, y):
    field = splashes(seed=np.uint64(seed))
    small = rows_of(drops_in(field, (x, y, x + 9.0, y + 7.0)))
    large = rows_of(drops_in(field, (x - 20.0, y - 20.0, x + 30.0, y + 30.0)))
    assert small <= large
    reaching = [d for d in large if x - d[2] < d[0] < x + 9 + d[2] and y - d[2] < d[1] < y + 7 + d[2]]
    assert set(reaching) <= small


def test_a_splash_has_few_drops_which_lie_within_its_reach():
    # cells so large that a window in the middle of one sees no other splash
    for seed in range(300):
        field = splashes(seed=np.uint64(seed), cell=1000.0, low=1.0, high=1.0 + 1e-9)
        drops = drops_in(field, (400.0, 400.0, 600.0, 600.0))
        assert 1 <= len(drops.x) <= MOST_DROPS
        far = np.hypot(drops.x - drops.x[0], drops.y - drops.y[0]) + drops.radius
        assert far.max() <= REACH
        assert drops.radius[0] == pytest.approx(1.0)


@pytest.mark.parametrize("even", [False, True])
def test_radii_follow_their_law(even):
    # radii so small that each splash is a single drop
    field = splashes(even=even, low=0.002, high=0.2, cell=1.0)
    drops = drops_in(field, (0.0, 0.0, 100.0, 100.0))
    radius = drops.radius
    assert radius.min() >= 0.002
    assert radius.max() <= 0.2
    shares = [(radius > r).mean() for r in (0.01, 0.02, 0.04)]
    if even:
        assert shares == pytest.approx([(0.2 - r) / 0.198 for r in (0.01, 0.02, 0.04)], abs=0.02)
    else:
        assert shares == pytest.approx([0.192, 0.091, 0.0404], abs=0.015)
    assert drops.older.mean() == pytest.approx(0.3, abs=0.03)


def test_the_density_is_that_of_the_cells():
    for cell in (2.0, 5.0):
        drops = drops_in(splashes(cell=cell, low=0.05, high=0.06), (0.0, 0.0, 100.0, 80.0))
        inside = (drops.x >= 0) & (drops.x < 100) & (drops.y >= 0) & (drops.y < 80)
        assert inside.sum() == 8000 / cell**2


def test_runs_go_down_the_slope():
    down = []
    for seed in range(200):
        field = splashes(seed=np.uint64(seed), cell=1000.0, low=2.0, high=2.0 + 1e-9, slope=(1.0, 0.0))
        drops = drops_in(field, (400.0, 400.0, 600.0, 600.0))
        away = drops.x - drops.x[0]
        if away.max() > 3.2 * 2:
            down.append(np.abs(drops.y[np.argmax(away)] - drops.y[0]) / away.max())
    assert len(down) > 5
    assert np.mean(down) < 0.35
