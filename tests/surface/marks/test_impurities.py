import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.seeding import generator
from synthgen.surface.marks import fingerprints, impurities

AREA = (12, 12, 14, 14)
SAMPLERS = {"fingerprint": impurities.sample_fingerprint, "sticker": impurities.sample_sticker}


def drawn(kind, number=0, **changes):
    return {**SAMPLERS[kind](generator(5, 0, number, "test"), AREA), **changes}


def grid(step=0.2, side=26.0):
    places = np.arange(0, side, step)
    return places[None, :], places[:, None]


@pytest.mark.parametrize("kind", SAMPLERS)
@settings(max_examples=10)
@given(number=st.integers(0, 1000))
def test_parameters_survive_json_and_draw_the_same_coating(kind, number):
    params = drawn(kind, number)
    assert json.loads(json.dumps(params)) == params
    u, v = grid(0.5)
    for one, other in zip(
        impurities.coating(params, u, v), impurities.coating(json.loads(json.dumps(params)), u, v), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("number", range(4))
def test_the_mask_is_where_anything_changes_and_lies_within_the_extent(kind, number):
    params = drawn(kind, number)
    u, v = grid()
    coating = impurities.coating(params, u, v)
    np.testing.assert_array_equal(coating.mask, (coating.cover != 0) | (coating.paint != 0) | (coating.matte != 0))
    away = np.hypot(u - params["center"][0], v - params["center"][1])
    assert not coating.mask[away >= impurities.extent(params)].any()
    assert 40 < coating.mask.sum() * 0.2**2 < 350  # mm2
    for share in (coating.cover, coating.matte):
        assert share.min() >= 0
        assert share.max() <= 1


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("origin", [(0, 0), (10.03, 4.01), (-20, 60), (14, 14)])
@pytest.mark.parametrize("step", [(0.11, 0.13), (-0.2, 0.2)])
def test_a_stamp_is_the_coating_of_the_whole_picture_cut_to_its_window(kind, origin, step):
    params, shape = drawn(kind), (90, 110)
    window, part = impurities.stamp(params, shape, origin, step)
    u, v = origin[0] + np.arange(110) * step[0], origin[1] + np.arange(90) * step[1]
    whole = impurities.coating(params, u, v[:, None])
    for inside, everywhere in zip(part, whole, strict=True):
        expected = np.zeros_like(everywhere)
        expected[window] = inside
        np.testing.assert_array_equal(everywhere, expected)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_points_in_any_order_get_the_values_of_the_grid(kind):
    params = drawn(kind)
    u, v = (a.ravel() for a in np.broadcast_arrays(*grid(0.5)))
    order = np.random.default_rng(0).permutation(u.size)
    for shuffled, straight in zip(
        impurities.coating(params, u[order], v[order]), impurities.coating(params, u, v), strict=True
    ):
        np.testing.assert_array_equal(shuffled, straight[order])
    assert not impurities.coating(params, np.nan, [1.0, np.inf]).mask.any()


def test_ridges_have_their_spacing():
    params = drawn("fingerprint", pattern="arch", angle=0.0, smudge=[0.0, 0.0], pressure=0.0, spacing=0.5)
    places = np.arange(-2.5, 2.5, 0.05)
    u, v = params["center"][0] + places[None, :], params["center"][1] + places[:, None]
    paint = impurities.coating(params, u, v).paint
    strength = np.abs(np.fft.fft2(paint - paint.mean()))
    rows, columns = np.meshgrid(np.fft.fftfreq(100, 0.05), np.fft.fftfreq(100, 0.05), indexing="ij")
    frequency = np.hypot(rows, columns)
    assert np.average(frequency, weights=strength**2) == pytest.approx(2.0, rel=0.15)


def test_a_fingerprint_is_faint_and_wiped_ones_have_weaker_ridges():
    u, v = grid()
    clear = impurities.coating(drawn("fingerprint", smudge=[0.0, 0.0]), u, v)
    wiped = impurities.coating(drawn("fingerprint", smudge=[2.5, 0.3]), u, v)
    assert 0.03 < np.abs(clear.paint).max() < 0.25
    assert (clear.cover == 0).all()
    assert wiped.paint[clear.mask].std() < clear.paint[clear.mask].std()
    np.testing.assert_array_equal(wiped.mask, clear.mask)


@pytest.mark.parametrize("pattern", fingerprints.PATTERNS)
def test_ridges_run_along_their_field(pattern):
    params = drawn("fingerprint", pattern=pattern, smudge=[0.0, 0.0])
    ridges = fingerprints._ridges(params)
    across, along = params["semi_axes"]
    columns, rows = (np.linspace(-1, 1, n) * (n - 1) / 20 for n in ridges.shape[::-1])
    x, y = columns[None, :], rows[:, None]
    angle = fingerprints._orientation(params, x, y)
    down, right = np.gradient(ridges)
    inside = (x / across) ** 2 + (y / along) ** 2 < 0.8
    with_field = (right * np.cos(angle) + down * np.sin(angle))[inside]
    across_field = (down * np.cos(angle) - right * np.sin(angle))[inside]
    assert (with_field**2).mean() < 0.2 * (across_field**2).mean()


def test_a_sticker_hides_the_surface_under_its_paper_and_shades_it_beside():
    params = drawn(
        "sticker", angle=0.0, size=[12.0, 9.0], corner=1.0, number="8", digit=6.0, bubbles=[], wrinkles=[]
    )
    u, v = (a + b for a, b in zip(grid(0.05, 16), (params["center"][0] - 8, params["center"][1] - 8), strict=True))
    coating = impurities.coating(params, u, v)
    x, y = np.abs(u - params["center"][0]), np.abs(v - params["center"][1])
    paper, outside = (x < 5.9) & (y < 3.4) | (x < 4.9) & (y < 4.4), (x > 6.1) | (y > 4.6)
    assert (coating.cover[paper] == 1).all()
    assert (coating.matte[paper] == 1).all()
    assert (coating.paint[outside] == 0).all()
    assert (coating.matte[outside] == 0).all()
    assert 0.05 < coating.cover[outside].max() < 0.6
    # strokes of 0.14 of the height around two circles of a quarter of it
    dark = (coating.paint < (params["paper"] + params["ink"]) / 2) & paper
    assert dark.sum() * 0.05**2 == pytest.approx(2 * np.pi * 0.26 * 0.14 * 6**2, rel=0.15)


def test_every_digit_has_its_own_print():
    u, v = grid(0.2)
    prints = {
        digit: impurities.coating(drawn("sticker", number=digit, bubbles=[], wrinkles=[]), u, v).paint.tobytes()
        for digit in "0123456789"
    }
    assert len(set(prints.values())) == 10


def test_unknown_kinds_are_named():
    with pytest.raises(UsageError, match=r"^kind must be one of fingerprint, sticker, got 'gum'"):
        impurities.coating({"kind": "gum"}, 0.0, 0.0)
