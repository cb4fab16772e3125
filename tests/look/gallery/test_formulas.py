"""Formulas for people: what a rule draws is what its equations say."""

import math

import numpy as np
import pytest

from synthgen.ifs import System
from synthgen.look.gallery.formulas import formula_of
from synthgen.mandelbulb.fallback import Pair, _pick

MAPS = [[[0.5, 0.0, 0.1], [0.0, 0.5, 0.2]], [[0.3, -0.1, 0.0], [0.1, 0.3, 0.4]]]


def test_affine_maps_come_with_their_sigma_factor():
    found = formula_of({"maps": MAPS})
    assert found["maps"] == MAPS
    assert found["text"] == [f"2 affine maps, sigma factor {System(MAPS).sigma_factor:.4f}"]


@pytest.mark.parametrize(
    "maps", [[], "text", [[1, 2]], {"a": 1}, [[["x"] * 3] * 2], [[[1e300] * 3] * 2, [[1e308] * 3] * 2]]
)
def test_maps_of_another_kind_are_no_formula(maps):
    assert formula_of({"maps": maps}) is None
    assert formula_of({"name": "good"}) is None


@pytest.mark.parametrize("rule", [0, 40, 271, 511])
def test_the_equations_of_a_rule_are_what_the_renderer_computes(rule):
    theta, phi = 0.7, 1.9
    pair = Pair(*(np.float32(v) for v in (2 * math.cos(theta), math.sin(theta), 2 * math.cos(phi), math.sin(phi))))
    lines = formula_of({"variants": [{"power": 5, "rule": rule}]})["text"][1:]
    for line, bits in zip(lines, (rule >> 6, rule >> 3, rule), strict=True):
        wave = math.sin if "sin" in line else math.cos
        value = wave(theta if "θ" in line else phi) * (-1 if "-r" in line else 1)
        assert float(_pick.py_func(bits, pair)) == pytest.approx(value, abs=1e-6)
