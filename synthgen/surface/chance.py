"""Small steps that the samplers and painters of this package share."""

import numpy as np


def between(rng, low: float, high: float) -> float:
    """Draw a uniform number, rounded to 1e-4."""
    return round(float(rng.uniform(low, high)), 4)


def place(rng, area) -> list[float]:
    """Draw a point of the rectangle (u0, v0, u1, v1)."""
    return [between(rng, area[0], area[2]), between(rng, area[1], area[3])]


def smooth_step(low: float, high: float, values):
    """Return 0 below `low`, 1 above `high` and a smooth ramp between; `low` may be the larger one."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
