"""Wood: growth rings of a trunk that is cut at a small angle to its axis, with pores along the grain."""

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, second_share
from synthgen.texture.noise import smooth_noise
from synthgen.texture.shape import Shape

NAME = "wood"
VARIANTS = ("board",)


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is by how much rings waver, how sharply a ring ends, and how deep pores are. The rings lie across the rows.
    """
    waver = rng.uniform(0.5, 2.5)
    sharpness = rng.uniform(1, 5)
    pores = rng.uniform(0, 0.7)
    return {"variant": "board", "scale": 6 * 4 ** rng.uniform(0, 1), "form": [waver, sharpness, pores]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    waver = shape.form[0]
    # the grain is ten times as long as it is wide
    bent = smooth_noise(rows, columns / 10, derived(shape.seed, 0), 6.0)
    rings = rows + waver * bent
    _fill(rings, rows, columns, derived(shape.seed, 1), shape.form, softness)
    return rings


@numba.njit(cache=True)
def _fill(rings, rows, columns, seed, form, softness):
    """Turn the number of the ring at each point into its brightness: it darkens to the end of the ring."""
    _, sharpness, pores = form
    start = max(0.06, 1.5 * softness)
    for i in range(len(rings)):
        ring = np.int64(np.floor(rings[i]))
        place = rings[i] - ring
        # bright at its start, and dark in a narrow band at its end
        late = place / (place + sharpness * (1 - place))
        early = min(place / start, 1.0)
        level = 1 - late * early
        level *= 0.7 + 0.6 * first_share(hashed(seed, ring, 0))

        row = np.int64(np.floor(8 * rows[i]))
        column = np.int64(np.floor(0.5 * columns[i] + 97 * second_share(hashed(seed, row, 1))))
        pore = first_share(hashed(seed, row, column + 2))
        if pore < 0.12:
            level -= pores * (1 - pore / 0.12)
        rings[i] = level
