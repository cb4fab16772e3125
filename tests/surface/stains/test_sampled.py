import json

import pytest

from synthgen.seeding import generator
from synthgen.surface.stains.field import stain_field
from synthgen.surface.stains.sampled import (
    Wanted,
    dried_radius,
    largest_reach,
    sample_dried,
    sample_texture,
    texture_radius,
)


def rng(index=0):
    return generator(0, 0, index, "stains")


def test_radii_are_in_mm_and_bounded_by_the_cell():
    for radius in (dried_radius, texture_radius):
        assert radius(Wanted(20.0)) == radius(Wanted(10.0))
        for cell in (0.5, 1.0, 3.0, 8.0):
            low, high = radius(Wanted(cell))
            assert 0 < low < high <= cell
        assert radius(Wanted(5.0, radius=(1.0, 2.0))) == (1.0, 2.0)


FIXED = {
    "radius": (1.75, 1.75),
    "frequency": (0.4, 0.4),
    "amplitude": (0.5, 0.5),
    "decay": (3.0, 3.0),
    "intensity": (-0.25, -0.25),
    "ring": (0.0, 0.0),
    "heterogeneity": (0.0, 0.0),
}


def test_the_numbers_of_the_paper_can_be_given():
    stains = sample_texture(rng(), Wanted(5.0, **FIXED), reach=62.0)
    assert {name: stains[name] for name in ("frequency", "amplitude", "decay", "ring", "heterogeneity")} == {
        "frequency": 0.4, "amplitude": 0.5, "decay": 3.0, "ring": 0, "heterogeneity": 0,
    }  # fmt: skip
    assert stains["radius"] == [1.75, 1.75]
    assert stains["intensity"] == [-0.25, -0.25]


@pytest.mark.parametrize("cell", [0.5, 2.0, 5.0, 30.0])
def test_every_drawn_texture_is_one_that_can_be_drawn(cell):
    for index in range(20):
        wanted = Wanted(cell)
        stains = sample_texture(rng(index), wanted, reach=62.0)
        field = stain_field(stains)
        assert field.radius[1] + 1.0364 * stains["amplitude"] <= largest_reach(wanted) + 1e-5 <= cell + 1e-5
        farthest = max(abs(x) for x in stains["offset"]) + 62
        assert farthest * stains["frequency"] <= 100 + 1e-3 or stains["offset"] == [0, 0, 0]


@pytest.mark.parametrize("sample", [sample_dried, lambda rng, wanted: sample_texture(rng, wanted, 62.0)])
def test_samples_are_plain_values_and_differ(sample):
    drawn = [sample(rng(index), Wanted(5.0)) for index in range(9)]
    assert len({json.dumps(stains) for stains in drawn}) == 9
    assert json.loads(json.dumps(drawn)) == drawn
