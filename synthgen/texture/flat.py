"""A field without anything: the ground that the elements of other kinds lie on. It is never sampled."""

import numpy as np

from synthgen.texture.shape import Shape

NAME = "flat"
VARIANTS = ("ground",)


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return 0 at every point, float64 (N,)."""
    return np.zeros(len(rows))
