import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.optics.light import INNER, OUTER, look_up, reflection_map, sample_light


def light(kind="ring", index=0):
    return sample_light(generator(0, 0, index, "light"), kind)


def at(values, row, column):
    """Look a table up by linear interpolation, point by point."""
    r, c = int(row), int(column)
    y, x = row - r, column - c
    top = values[r, c] * (1 - x) + values[r, c + 1] * x
    return top * (1 - y) + (values[r + 1, c] * (1 - x) + values[r + 1, c + 1] * x) * y


def test_the_mirrored_light_is_a_hexagonal_ring():
    sharp = reflection_map(light(), 0.0, (1e-5, 1e-5))

    def shine(x, y):
        return at(sharp.values, (y - sharp.start[0]) / sharp.step[0], (x - sharp.start[1]) / sharp.step[1])

    assert shine(0, 0) == 0
    assert shine(0, (INNER + OUTER) / 2) == pytest.approx(1, abs=1e-3)
    # flats lie at 30, 90 and 150 degrees, so that a corner points along x
    corner = OUTER / np.cos(np.pi / 6)
    assert shine(corner - 5, 0) == pytest.approx(1, abs=1e-3)
    assert shine(corner + 5, 0) == shine(0, OUTER + 5) == 0
    turned = reflection_map(light("ring-rotated"), 0.0, (1e-5, 1e-5))
    assert (
        at(turned.values, -turned.start[0] / turned.step[0], (corner - 5 - turned.start[1]) / turned.step[1]) == 0
    )


def test_the_large_light_is_the_ring_scaled_by_two_and_as_bright():
    small, large = (reflection_map(light(k), 0.0, (1e-5, 1e-5)).values for k in ("ring", "ring-large"))
    assert large.max() == pytest.approx(small.max(), rel=1e-3)
    assert large.sum() / small.sum() == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("kind", ["ring-large", "random"])
def test_a_light_of_constant_power_is_dimmer_where_it_is_larger(kind):
    for index in range(3):
        bright = light(kind, index)
        same_power = sample_light(generator(0, 0, index, "light"), kind, "power")
        assert bright["luminance"] == 1
        assert same_power["luminance"] * bright["scale"] ** 2 == pytest.approx(1, rel=1e-3)
        assert {**same_power, "luminance": 1} == bright


def test_the_highlight_is_stretched_across_the_brushing():
    def spread(direction):
        values = reflection_map(light(), direction, (0.006, 0.05)).values
        sharp = reflection_map(light(), direction, (1e-5, 1e-5)).values
        return [abs(a - b) for a, b in zip(moments(values), moments(sharp), strict=True)]

    def moments(values):
        rows, columns = (np.arange(n) - (n - 1) / 2 for n in values.shape)
        total = values.sum()
        return (values.sum(1) * rows**2).sum() / total * 2.5**2, (values.sum(0) * columns**2).sum() / total

    across, along = spread(0.0)
    assert across > 10 * along


def test_random_lights_differ_and_nominal_ones_do_not():
    assert light("ring", 0) == light("ring", 1)
    drawn = [light("random", k) for k in range(50)]
    assert len({d["rotation"] for d in drawn}) == 50
    assert all(0.7 <= d["scale"] <= 2.2 for d in drawn)


def test_a_look_up_is_a_linear_interpolation_and_the_border_goes_on():
    values = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    for row, column in [(0.0, 0.0), (1.25, 3.5), (3.9, 5.9)]:
        assert look_up(values, np.float32(row), np.float32(column)) == pytest.approx(at(values, row, column))
    for row, column in [(-4, -1), (9, 9), (-1, 30)]:
        edge = values[np.clip(row, 0, 4), np.clip(column, 0, 6)]
        assert look_up(values, np.float32(row), np.float32(column)) == pytest.approx(edge, abs=2e-3)
