"""Reaction and diffusion: the spots and mazes of two substances, one of which feeds on the other (Pearson 1993).

Gray and Scott's equations on a small torus, from a random start until the pattern fills it. The field repeats after
`SIDE` cells, which are eight wavelengths.
"""

from functools import lru_cache

import numba
import numpy as np

from synthgen.texture.lattice import derived, first_share, hashed
from synthgen.texture.shape import Shape

NAME = "reaction"
VARIANTS = ("spots", "worms", "maze", "holes")
# Rates of feeding and of removal.
_RATES = {"spots": (0.035, 0.064), "worms": (0.05, 0.063), "maze": (0.029, 0.057), "holes": (0.039, 0.058)}
SIDE = 96
STEPS = 2500
# Cells in a unit of the coordinates.
_WAVE = 12.0
# How fast the two substances spread, in cells squared a step.
_SPREADS = (0.1, 0.05)


def sample(rng: np.random.Generator) -> dict:
    """Return random parameters; the scale is about a wavelength, and there is no `form`."""
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    return {"variant": variant, "scale": 9 * 4 ** rng.random(), "form": []}


def evaluate(shape: Shape, rows: np.ndarray, columns: np.ndarray, softness: float) -> np.ndarray:
    """Return the field at points in units of its scale, float64 (N,); see `synthgen.texture.field`."""
    pattern = grown(shape.variant, shape.seed)
    total = np.empty(len(rows))
    _look_up(total, rows, columns, pattern)
    return total


@lru_cache(maxsize=1024)
def grown(variant: str, seed: int) -> np.ndarray:
    """Return how much of the second substance is in each cell of the torus, float32 (SIDE, SIDE)."""
    start = derived(seed, 0)
    food = np.ones((SIDE, SIDE), np.float32)
    eater = np.zeros((SIDE, SIDE), np.float32)
    _sow(food, eater, start)

    rates = np.array([*_RATES[variant], *_SPREADS], np.float32)
    _react(food, eater, rates, STEPS)
    eater.setflags(write=False)
    return eater


@numba.njit(cache=True)
def _sow(food, eater, seed):
    """Put some of the second substance into every fourth block of 4 x 4 cells."""
    for row in range(SIDE):
        for column in range(SIDE):
            bits = hashed(seed, row // 4, column // 4)
            if first_share(bits) < 0.25:
                food[row, column] = 0.5
                eater[row, column] = 0.25


@numba.njit(cache=True)
def _react(food, eater, rates, steps):
    """Go so many steps on, in place."""
    feed, kill, food_spread, eater_spread = rates
    loss = feed + kill
    new_food = np.empty_like(food)
    new_eater = np.empty_like(eater)
    one = np.float32(1)

    for _ in range(steps):
        for row in range(SIDE):
            for column in range(SIDE):
                u = food[row, column]
                v = eater[row, column]
                eaten = u * v * v
                fed = feed * (one - u)
                food_comes = food_spread * _flow(food, row, column)
                eater_comes = eater_spread * _flow(eater, row, column)

                new_food[row, column] = u + food_comes - eaten + fed
                new_eater[row, column] = v + eater_comes + eaten - loss * v

        food[:] = new_food
        eater[:] = new_eater


@numba.njit(cache=True, inline="always")
def _flow(values, row, column):
    """Return what flows into a cell from its four neighbors on the torus."""
    above = row - 1 if row else SIDE - 1
    below = row + 1 if row < SIDE - 1 else 0
    left = column - 1 if column else SIDE - 1
    right = column + 1 if column < SIDE - 1 else 0

    in_column = values[above, column] + values[below, column]
    in_row = values[row, left] + values[row, right]
    return in_column + in_row - np.float32(4) * values[row, column]


@numba.njit(cache=True)
def _weights(share):
    """Return the weights of three neighboring cells, whose sum has no creases (quadratic B-spline)."""
    to_behind = 0.5 - share
    to_before = 0.5 + share
    before = 0.5 * to_behind * to_behind
    behind = 0.5 * to_before * to_before

    middle = 1 - before - behind
    return before, middle, behind


@numba.njit(cache=True)
def _look_up(total, rows, columns, pattern):
    for i in range(len(total)):
        y = _WAVE * rows[i]
        x = _WAVE * columns[i]
        row = np.int64(np.floor(y + 0.5))
        column = np.int64(np.floor(x + 0.5))
        down = _weights(y - row)
        right = _weights(x - column)

        level = 0.0
        for r in range(3):
            cell_row = (row + r - 1) % SIDE
            along = 0.0
            for c in range(3):
                cell_column = (column + c - 1) % SIDE
                along += right[c] * pattern[cell_row, cell_column]
            level += down[r] * along

        total[i] = level
