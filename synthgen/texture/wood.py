"""Wood: growth rings of a trunk that is cut at a small angle to its axis, with pores along the grain."""

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed, second_share
from synthgen.texture.noise import smooth_noise
from synthgen.texture.shape import Shape

NAME = "wood"
VARIANTS = ("board",)
# Pores: how many lie across a ring, their share of the surface, and how far they are shifted, in lengths.
_ACROSS = 8
_PORES = 0.12
_SHIFT = 97


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters.

    `form` is by how much rings waver, how sharply a ring ends, and how deep pores are. Rings lie across the rows.
    """
    waver = rng.uniform(0.5, 2.5)
    sharpness = rng.uniform(1, 5)
    pores = rng.uniform(0, 0.7)
    scale = 6 * 4 ** rng.uniform(0, 1)
    return {"variant": "board", "scale": scale, "form": [waver, sharpness, pores]}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    waver, sharpness, pores = shape.form
    of_bends = derived(shape.seed, 0)
    of_rings = derived(shape.seed, 1)
    # the grain is ten times as long as it is wide
    bent = smooth_noise(rows, columns / 10, of_bends, 6.0)
    rings = rows + waver * bent

    start = max(0.06, 1.5 * softness)
    _darken(rings, of_rings, sharpness, start)
    _add_pores(rings, rows, columns, of_rings, pores)
    return rings


@numba.njit(cache=True)
def _darken(rings, seed, sharpness, start):
    """Turn the number of the ring at each point into its brightness: it darkens to the end of the ring."""
    for i in range(len(rings)):
        ring = np.int64(np.floor(rings[i]))
        place = rings[i] - ring
        late = place / (place + sharpness * (1 - place))
        early = min(place / start, 1.0)
        bits = hashed(seed, ring, 0)
        own = 0.7 + 0.6 * first_share(bits)
        rings[i] = own * (1 - late * early)


@numba.njit(cache=True)
def _add_pores(levels, rows, columns, seed, depth):
    """Darken short lines along the grain."""
    for i in range(len(levels)):
        row = np.int64(np.floor(_ACROSS * rows[i]))
        of_row = hashed(seed, row, 1)
        place = 0.5 * columns[i] + _SHIFT * second_share(of_row)
        column = np.int64(np.floor(place))
        bits = hashed(seed, row, column + 2)
        pore = first_share(bits)
        if pore < _PORES:
            levels[i] -= depth * (1 - pore / _PORES)
