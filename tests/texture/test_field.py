import json

import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.texture import field

DRAWN = [name for name in field.KINDS if name != "flat"]


def sampled(kind, number=0, warps=0.3):
    rng = generator(4, number, 0, "test")
    return field.sample_field(rng, (kind,), warps)[0]


def window(side, step=1.0, start=0.0):
    line = start + np.arange(side) * step
    return np.repeat(line, side), np.tile(line, side)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_place_has_one_value_in_every_window_that_shows_it(kind):
    for number in range(8):
        drawn = sampled(kind, number, warps=0.5)
        rows, columns = window(40, start=100.0)
        whole = field.evaluate(drawn, rows, columns, 1.0)
        some = np.random.default_rng(1).permutation(1600)[:300]
        np.testing.assert_array_equal(field.evaluate(drawn, rows[some], columns[some], 1.0), whole[some])


@pytest.mark.parametrize("kind", DRAWN)
def test_mean_and_deviation_are_those_of_far_places_too(kind):
    means, deviations = [], []
    for number in range(20):
        rows, columns = window(50, step=5.0, start=3000.0)
        values = field.evaluate(sampled(kind, number), rows, columns, 1.0)
        means.append(values.mean())
        deviations.append(values.std())
    assert abs(np.median(means)) < 0.2
    assert 0.7 < np.median(deviations) < 1.3


@pytest.mark.parametrize("kind", DRAWN)
def test_the_parameters_survive_a_trip_through_json(kind):
    drawn = sampled(kind)
    again = json.loads(json.dumps(drawn))
    assert again == drawn
    places = window(20)
    np.testing.assert_array_equal(field.evaluate(again, *places, 1.0), field.evaluate(drawn, *places, 1.0))


def test_all_kinds_have_the_same_keys():
    keys = {tuple(sampled(kind)) for kind in DRAWN}
    assert len(keys) == 1


def test_a_warp_moves_places_by_as_much_as_it_says():
    drawn = {**sampled("periodic"), "warp": [3.0, 40.0]}
    rows, columns = window(200, step=7.0)
    moved_rows, moved_columns = field.warped(drawn, rows, columns)
    assert (moved_rows - rows).std() == pytest.approx(3.0, rel=0.15)
    assert (moved_columns - columns).std() == pytest.approx(3.0, rel=0.15)


def test_kinds_are_drawn_as_often_as_their_shares_say():
    rng = generator(4, 0, 0, "test")
    drawn = [field.sample_field(rng, ("spectral", "wood"), 0.0)[0]["kind"] for _ in range(120)]
    expected = field.SHARES["wood"] / (field.SHARES["wood"] + field.SHARES["spectral"])
    assert drawn.count("wood") / 120 == pytest.approx(expected, abs=0.1)
