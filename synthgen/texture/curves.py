"""What is done to every value of a field: the curve that it goes through, and how two fields are mixed."""

import numba
import numpy as np

from synthgen.texture.lattice import wave

CURVES = ("plain", "wave", "fold", "step")
MIXES = ("sum", "product", "most", "inlay")
_TURN = 6.283185307179586


@numba.njit(cache=True)
def standardize(values, level):
    """Take the mean from values, float64 (N,), and divide them by the deviation, in place."""
    mean, deviation = level
    factor = 1 / deviation
    for i in range(len(values)):
        values[i] = (values[i] - mean) * factor


@numba.njit(cache=True)
def bend(values, curve, gain, shift):
    """Send values, float64 (N,), through a curve, in place.

    Parameters
    ----------
    values : ndarray of float64, (N,)
    curve : int
        0 none, 1 the sine of `gain` times the value, 2 its distance from `shift`, 3 a step at `shift` as steep as
        `gain`.
    gain, shift : float
    """
    if curve == 0:
        return
    for i in range(len(values)):
        value = values[i]
        if curve == 1:
            values[i] = wave(gain * value / _TURN)
        elif curve == 2:
            values[i] = abs(value - shift)
        else:
            # a rational S, which needs no exponential
            steep = gain * (value - shift)
            values[i] = steep / np.sqrt(1 + steep * steep)


@numba.njit(cache=True)
def mix_into(first, second, how, weight):
    """Mix the values of a second field into those of a first, float64 (N,), in place.

    Parameters
    ----------
    first, second : ndarray of float64, (N,)
    how : int
        0 sum, 1 product, 2 the larger one of the first and the raised second, 3 an inlay: the second shows where it
        is high, with a narrow rim.
    weight : float
        The factor of the second, by how much it is raised, or the level above which it shows.
    """
    for i in range(len(first)):
        one = first[i]
        other = second[i]
        if how == 0:
            first[i] = one + weight * other
        elif how == 1:
            first[i] = one * other
        elif how == 2:
            first[i] = max(one, other + weight)
        else:
            share = 4 * (other - weight)
            share = min(max(share, 0.0), 1.0)
            first[i] = one + share * (other - one)
