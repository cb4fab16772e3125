import numpy as np

from synthgen.texture import wood


def test_rings_and_pores_are_the_plain_ones(plain, points, drawn):
    shape = drawn(wood, "board")
    expected = [plain.wood(shape, y, x, 0.05) for y, x in zip(*points, strict=True)]
    np.testing.assert_allclose(wood.evaluate(shape, *points, 0.05), expected, atol=1e-6)
