"""Curves that a field goes through: its wave, its fold at a level, or a soft step."""

import numba
import numpy as np

from synthgen.texture.lattice import wave


@numba.njit(cache=True)
def bent(values, level, curve, gain, shift):
    """Return values, less their mean and over their deviation, after a curve.

    Parameters
    ----------
    values : ndarray of float64, (N,)
    level : (float, float)
        Mean and deviation.
    curve : int
        0 none, 1 the sine of `gain` times the value, 2 its size, 3 a step at `shift` whose steepness is `gain`.
    gain, shift : float
    """
    mean, deviation = level
    out = np.empty(len(values))
    for i in range(len(values)):
        value = (values[i] - mean) / deviation
        if curve == 1:
            value = wave(gain * value / 6.283185307179586)
        elif curve == 2:
            value = abs(value - shift)
        elif curve == 3:
            value = gain * (value - shift)
            # a rational S, which needs no exponential
            value = value / np.sqrt(1 + value * value)
        out[i] = value
    return out
