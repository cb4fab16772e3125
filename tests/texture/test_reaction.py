import numpy as np
import pytest

from synthgen.texture import reaction
from synthgen.texture.reaction import SIDE
from synthgen.texture.shape import Shape


def test_the_pattern_follows_the_equations(plain):
    rng = np.random.default_rng(2)
    food = rng.uniform(0.4, 1, (SIDE, SIDE)).astype(np.float32)
    eater = rng.uniform(0, 0.4, (SIDE, SIDE)).astype(np.float32)
    expected = plain.reacted(food, eater, 0.03, 0.06, (0.1, 0.05), steps=40)

    rates = np.array([0.03, 0.06, 0.1, 0.05], np.float32)
    reaction._react(food, eater, rates, 40)
    np.testing.assert_allclose(eater, expected, atol=1e-4)


@pytest.mark.parametrize("variant", reaction.VARIANTS)
def test_every_variant_makes_a_pattern_and_none_dies_out(variant):
    pattern = reaction.grown(variant, 5)
    assert pattern.std() > 0.05
    blocks = pattern.reshape(4, SIDE // 4, 4, SIDE // 4)
    assert blocks.std(axis=(1, 3)).min() > 0.02


def test_the_field_repeats_without_a_seam():
    shape = Shape("maze", 5, ())
    rows, columns = np.random.default_rng(1).uniform(-3, 3, (2, 200))
    period = SIDE / reaction._WAVE
    here = reaction.evaluate(shape, rows, columns, 0.1)
    there = reaction.evaluate(shape, rows + period, columns - period, 0.1)
    np.testing.assert_allclose(here, there, atol=1e-9)
