"""Small steps that the samplers and painters of this package share."""

import numpy as np

# What `perlin.perlin3` never exceeds: the largest blend over all places in a cell,
# with the best gradient at each corner
BOUND = 1.0364


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a uniform number, rounded to 1e-4."""
    drawn = rng.uniform(low, high)
    return round(float(drawn), 4)


def place(rng: np.random.Generator, area: tuple[float, float, float, float]) -> list[float]:
    """Draw a point of the rectangle (u0, v0, u1, v1)."""
    left, top, right, bottom = area
    u = between(rng, left, right)
    v = between(rng, top, bottom)
    return [u, v]


def cosine_and_sine(degrees: float) -> tuple[float, float]:
    """Return cosine and sine of an angle, rounded to 1e-9: their last bits differ between CPUs."""
    angle = np.deg2rad(degrees)
    cosine = round(float(np.cos(angle)), 9)
    sine = round(float(np.sin(angle)), 9)
    return cosine, sine


def smooth_step(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """Return 0 below `low`, 1 above `high` and a smooth ramp between; `low` may be the larger one."""
    width = high - low
    place = (values - low) / width
    share = np.clip(place, 0, 1)
    square = share * share
    return square * (3 - 2 * share)
