import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from synthgen.texture.shape import Shape


@pytest.fixture(scope="session")
def plain():
    """The functions of plain_fields.py, the truth of these tests."""
    path = Path(__file__).with_name("plain_fields.py")
    return SimpleNamespace(**runpy.run_path(str(path)))


@pytest.fixture
def points():
    """Places of a window that lies across the origin, rows and columns."""
    rng = np.random.default_rng(5)
    return rng.uniform(-3, 2, 150), rng.uniform(-2, 3, 150)


@pytest.fixture
def drawn():
    """A function: module of a kind, variant -> a shape of that variant, as its sampler draws it."""

    def draw(kind, variant):
        rng = np.random.default_rng(3)
        while True:
            found = kind.sample(rng)
            if found["variant"] == variant:
                return Shape(variant, 77, tuple(float(number) for number in found["form"]))

    return draw
