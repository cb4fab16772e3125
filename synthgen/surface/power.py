"""Powers of numbers up to 1, compiled, in plain arithmetic.

The C library's ``pow`` takes another way on another CPU, and its last bits may differ. The operations here are
rounded the same way on all CPUs (IEEE 754).
"""

import math

import numba
import numpy as np

i64, u64, f64 = np.int64, np.uint64, np.float64

# The bits of 1 and of 1 / sqrt(2).
_ONE = i64(0x3FF0000000000000)
_ROOT_HALF = i64(0x3FE6A09E667F3BCD)
_MANTISSA = i64(0x000FFFFFFFFFFFFF)
_MANTISSA_BITS = u64(52)
_EXPONENT_OF_1 = i64(1023)
# 2**52 as bits: with a small integer in the lower bits this is 2**52 plus that integer.
_SHIFTED = i64(0x4330000000000000)
_SHIFT = 2.0**52 + 1023
# Added to a small number, it leaves a sum whose last bit is worth 1.
_ROUND = 1.5 * 2.0**52
# The exponents of doubles that are not denormal, and at most 1.
_LEAST_EXPONENT = -1022.0
_LARGEST_EXPONENT = 1.0
# log2((1 + s) / (1 - s)) = L0 s + L1 s^3 + ..., where |s| <= 0.172: the next term is below 3e-11.
_L0, _L1, _L2, _L3, _L4, _L5 = (2 / math.log(2) / (2 * k + 1) for k in range(6))
# 2**f = E0 + E1 f + ..., where |f| <= 0.5: the next term is below 3e-10.
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8 = (math.log(2) ** k / math.factorial(k) for k in range(9))


@numba.njit(cache=True, error_model="numpy")  # a division that may raise would keep loops from becoming vector code
def power(base, exponent):
    """Return base**exponent for a base in [0, 1] and an exponent >= 0, to 1e-9 as long as the exponent is below 20.

    In a loop it takes 4 ns, where ``**`` takes 15. Results below 1e-300 are not exact, nor those of a base above 0
    and below 2.3e-308 (subnormal). A base above 1, infinity among them, gives any finite number.
    """
    logarithm = exponent * _log2(base)
    logarithm = logarithm if logarithm > _LEAST_EXPONENT else _LEAST_EXPONENT
    logarithm = logarithm if logarithm < _LARGEST_EXPONENT else _LARGEST_EXPONENT

    result = _exp2(logarithm)
    return 0.0 if base == 0.0 and exponent > 0.0 else result


@numba.njit(cache=True, error_model="numpy", inline="always")
def _log2(base):
    """Return the logarithm, from base = part * 2**whole with 0.707 <= part < 1.415."""
    bits = f64(base).view(i64) + (_ONE - _ROOT_HALF)
    exponent_bits = i64(u64(bits) >> _MANTISSA_BITS)
    whole = i64(exponent_bits | _SHIFTED).view(f64) - _SHIFT
    part_bits = i64((bits & _MANTISSA) + _ROOT_HALF)
    part = part_bits.view(f64)

    # the series in s = (part - 1) / (part + 1), by Horner's rule
    s = (part - 1.0) / (part + 1.0)
    square = s * s
    series = _L4 + square * _L5
    series = _L3 + square * series
    series = _L2 + square * series
    series = _L1 + square * series
    series = _L0 + square * series
    return whole + s * series


@numba.njit(cache=True, error_model="numpy", inline="always")
def _exp2(exponent):
    """Return 2**exponent, as the power of the nearest integer times that of the rest."""
    rounded = exponent + _ROUND
    rest = exponent - (rounded - _ROUND)

    # the series of the rest, by Horner's rule
    series = _E7 + rest * _E8
    series = _E6 + rest * series
    series = _E5 + rest * series
    series = _E4 + rest * series
    series = _E3 + rest * series
    series = _E2 + rest * series
    series = _E1 + rest * series
    series = _E0 + rest * series

    integer_bits = f64(rounded).view(i64) + _EXPONENT_OF_1
    scale_bits = i64(integer_bits << i64(52))
    return series * scale_bits.view(f64)
