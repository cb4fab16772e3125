import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UsageError
from synthgen.mandelbulb import Formula, Variant, View, catalogue, render

COLORS = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
PUBLISHED_LIST = Path(__file__).parents[3] / "shared" / "data" / "mandelbulb_hybrid_classes.txt"

variants = st.builds(Variant, st.integers(2, 20), st.integers(0, 511))
formulas = st.builds(Formula, variants, st.none() | variants)


@given(formulas)
def test_name_is_read_back(formula):
    assert Formula.parse(formula.name) == formula


@given(st.text(max_size=40))
def test_any_other_text_is_refused_with_our_error(text):
    with pytest.raises(UsageError, match="Mandelbulb formula"):
        Formula.parse(text)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("power1-rule3", "power must be"),
        ("power21-rule3", "power must be"),
        ("power9-rule600", "rule must be"),
        ("power9-rule512_power2-rule3", "rule must be"),
        ("power9rule40", "must be like"),
        ("power09-rule40", "must be like"),
        ("power9-rule40_power2-rule3_power2-rule4", "must be like"),
        ("power9-rule40_", "must be like"),
        ("power9-rule٤", "must be like"),
        ("", "must be like"),
        (None, "must be a text"),
    ],
)
def test_bad_names_name_the_rule(name, rule):
    with pytest.raises(UsageError, match=rule):
        Formula.parse(name)


@pytest.mark.parametrize(("power", "rule"), [(2.0, 3), (2, "3"), (-1, 3), (2, -1)])
def test_variant_takes_whole_numbers_in_range(power, rule):
    with pytest.raises(UsageError, match="must be a whole number"):
        Variant(power, rule)


@pytest.mark.parametrize(
    ("name", "count", "digest"),
    [
        ("var-1k", 1037, "472924d63636cdcc102d99d316cb54252a51901de454ba204f528ecd37a1da74"),
        ("hybrid-21k", 21365, "5646eb6d1757eca36ee23d7ee9304ffcd3c402cfd6b6c4d37c1dad09b7db6ed8"),
    ],
)
def test_catalogue_has_the_published_classes_in_order(name, count, digest):
    names = [formula.name for formula in catalogue(name)]
    assert len(names) == len(set(names)) == count
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == digest


@pytest.mark.skipif(not PUBLISHED_LIST.is_file(), reason="no published class list beside the repository")
def test_hybrid_catalogue_equals_the_published_list():
    assert [formula.name for formula in catalogue("hybrid-21k")] == PUBLISHED_LIST.read_text().split()


def test_unknown_catalogue_is_refused():
    with pytest.raises(UsageError, match="'var-1k' or 'hybrid-21k', got 'var-2k'"):
        catalogue("var-2k")


@pytest.mark.parametrize("angle", [np.nan, np.inf, "north", None])
def test_angles_must_be_finite(angle):
    with pytest.raises(UsageError, match="latitude must be a finite angle"):
        View(angle, 0.0, COLORS)
    with pytest.raises(UsageError, match="longitude must be a finite angle"):
        View(0.0, angle, COLORS)


@pytest.mark.parametrize(
    "colors",
    [
        COLORS[:2],
        ((1, 0), (0, 1), (0, 0)),
        ((1, 0, 0), (1, 0, 0), (0, 0, 1.1)),
        ((np.nan,) * 3,) * 3,
        "red",
        None,
        3,
    ],
)
def test_colors_must_be_three_triples_in_the_unit_cube(colors):
    with pytest.raises(UsageError, match="colors must be three RGB triples"):
        View(0.0, 0.0, colors)


@given(st.floats(-90, 90), st.floats(0, 360))
def test_camera_axes_are_orthonormal_and_look_at_the_origin(latitude, longitude):
    position, forward, side, up = View(latitude, longitude, COLORS).scene()[:12].reshape(4, 3)
    axes = np.stack([forward, side, up])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(position, -2.5 * forward, atol=1e-6)


def test_views_of_equal_numbers_are_equal():
    assert View(1, 2, np.eye(3)) == View(1.0, 2.0, COLORS)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"size": 0}, "size must be"),
        ({"size": 9000}, "size must be"),
        ({"size": (16, 16, 3)}, "size must be"),
        ({"size": 16.0}, "size must be"),
        ({"size": 16, "supersample": 0}, "supersample must lie"),
        ({"size": 16, "supersample": 9}, "supersample must lie"),
        ({"size": 16, "background": "red"}, "background must be"),
    ],
)
def test_render_refuses_what_cannot_be_drawn(options, rule):
    with pytest.raises(UsageError, match=rule):
        render(Formula.parse("power9-rule40"), View(0, 0, COLORS), **options)
