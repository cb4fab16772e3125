"""Powers of numbers up to 1, compiled, in plain arithmetic.

The C library's ``pow`` goes another way on another CPU, and its last bits may differ; these operations are rounded
the same way on all of them (IEEE 754).
"""

import math

import numba
import numpy as np

i64, u64, f64 = np.int64, np.uint64, np.float64

_ONE, _ROOT_HALF = i64(0x3FF0000000000000), i64(0x3FE6A09E667F3BCD)  # the bits of 1 and of 1 / sqrt(2)
_MANTISSA, _EXPONENT = i64(0x000FFFFFFFFFFFFF), u64(52)
# 2**52 as bits: with a small integer in the lower ones this is 2**52 and that integer.
_SHIFTED, _SHIFT = i64(0x4330000000000000), 2.0**52 + 1023
_ROUND = 1.5 * 2.0**52  # added to a small number, the sum's last bit is worth 1
# log2((1 + s) / (1 - s)) = L0 s + L1 s^3 + ..., where |s| <= 0.172: the next term is below 3e-11
_L0, _L1, _L2, _L3, _L4, _L5 = (2 / math.log(2) / (2 * k + 1) for k in range(6))
# 2**f = E0 + E1 f + ..., where |f| <= 0.5: the next term is below 3e-10
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8 = (math.log(2) ** k / math.factorial(k) for k in range(9))


@numba.njit(cache=True, error_model="numpy")  # a division that may raise would keep loops from becoming vector code
def power(base, exponent):
    """Return base**exponent for a base in [0, 1] and an exponent >= 0, to 1e-9 as long as the exponent is below 20.

    In a loop 4 ns, where ``**`` takes 15. Results below 1e-300 are not exact; a base above 1, infinity among them,
    gives any finite number.
    """
    bits = f64(base).view(i64) + (_ONE - _ROOT_HALF)
    whole = i64(i64(u64(bits) >> _EXPONENT) | _SHIFTED).view(f64) - _SHIFT
    part = i64((bits & _MANTISSA) + _ROOT_HALF).view(f64)  # base = part * 2**whole, 0.707 <= part < 1.415
    s = (part - 1.0) / (part + 1.0)
    q = s * s
    y = exponent * (whole + s * (_L0 + q * (_L1 + q * (_L2 + q * (_L3 + q * (_L4 + q * _L5))))))
    y = y if y > -1022.0 else -1022.0
    y = y if y < 1.0 else 1.0
    rounded = y + _ROUND
    f = y - (rounded - _ROUND)
    g = _E0 + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * (_E6 + f * (_E7 + f * _E8)))))))
    scale = i64((f64(rounded).view(i64) + i64(1023)) << i64(52)).view(f64)
    return 0.0 if base == 0.0 and exponent > 0.0 else g * scale
