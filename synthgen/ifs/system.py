"""Affine systems and how they are drawn at random.

Source: Ugwu et al. 2024, section 3.1, after Anderson and Farrell, "Improving Fractal Pre-training" (WACV 2022).
"""

import math

import numba
import numpy as np

from synthgen.errors import UsageError

MAX_MAPS = 8
# Parameters are rounded before use, so that last bits of sin and cos, which differ between CPUs, never reach a
# pixel: 1e-8 is far below a pixel of the largest image and short to write.
UNIT = 1e8
# The sigma factor of n maps with good geometry is half of n plus a number in this range.
GOOD_SIGMA = (5.0, 6.0)
_FACTORS = (0.8, 0.9, 1.1, 1.2)


class System:
    """An iterated function system of affine maps x -> A x + b of the plane.

    Parameters
    ----------
    maps : array_like, (n, 2, 3)
        For each map the rows of A with b as last column; 1 <= n <= 8, all finite.

    Attributes
    ----------
    maps : ndarray of float64, (n, 2, 3)
    probabilities : ndarray of float64, (n,)
        Proportional to abs(det A), uniform if all determinants vanish (Ugwu et al. 2024, section 3.1).
    singular_values : ndarray of float64, (n, 2)
        Of each A, largest first.
    sigma_factor : float
        Sum of s1 + 2 s2 over the maps (Ugwu et al. 2024, equation 3).

    Raises
    ------
    UsageError
        If `maps` has another shape or a value that is not finite.
    """

    def __init__(self, maps):
        maps = np.array(maps, dtype=np.float64)
        shape = maps.shape
        affine = len(shape) == 3 and shape[1:] == (2, 3)
        counted = affine and 1 <= len(maps) <= MAX_MAPS

        if not counted:
            rule = f"must have shape (n, 2, 3) with n in 1..{MAX_MAPS}"
            raise UsageError(f"maps {rule}, got {shape}")
        if not np.isfinite(maps).all():
            raise UsageError("maps must be finite")

        self.maps = maps

    @property
    def probabilities(self) -> np.ndarray:
        """Chance of each map, proportional to abs(det A)."""
        return _probabilities(self.maps)

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of each A, largest first."""
        linear_parts = self.maps[:, :, :2]
        return np.linalg.svd(linear_parts, compute_uv=False)

    @property
    def sigma_factor(self) -> float:
        """Sum of s1 + 2 s2 over the maps."""
        of_maps = self.singular_values @ (1.0, 2.0)
        return float(of_maps.sum())

    def __repr__(self):
        return f"System({self.maps.tolist()})"


def sample_system(
    rng: np.random.Generator, maps: int | tuple[int, int] = 3, sigma: tuple[float, float] = GOOD_SIGMA
) -> System:
    """Draw a system of contractions with good geometry.

    Each A = R(theta) diag(s1, s2) R(phi) D with rotations R, signs D and singular values
    1 > s1 >= s2 > 0 whose sigma factor lies in [(5 + n) / 2, (6 + n) / 2]; b is uniform in [-1, 1]
    (Ugwu et al. 2024, section 3.1).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    maps : int or (int, int)
        Number n of maps, or an inclusive range to draw it from; within 2..8.
    sigma : (float, float)
        The sigma factor lies in [(low + n) / 2, (high + n) / 2]. It can be 0 to 3 n: `low` must be at least -n,
        and `high` at most 5 n, for the smallest n.

    Returns
    -------
    System

    Raises
    ------
    UsageError
        If `maps` is not within 2..8 or is the wrong way round, or `sigma` cannot be reached.

    Examples
    --------
    >>> system = sample_system(np.random.default_rng(0), maps=(2, 4))
    >>> n = len(system.maps)
    >>> (5 + n) / 2 - 1e-6 <= system.sigma_factor <= (6 + n) / 2 + 1e-6
    True
    """
    if isinstance(maps, int | np.integer):
        count = int(maps)
        maps = count, count
    low, high = maps
    if not 2 <= low <= high <= MAX_MAPS:
        rule = f"must be low <= high within 2..{MAX_MAPS}"
        raise UsageError(f"maps {rule}, got {maps}")
    least, most = map(float, sigma)
    if not -low <= least <= most <= 5 * low:
        raise UsageError(f"sigma must be low <= high within {-low}..{5 * low} for {low} maps, got {sigma}")

    n = int(rng.integers(low, high + 1))
    numbers = 1 + 8 * n
    uniform = rng.random(numbers)
    return System(_contractions(n, uniform, least, most))


@numba.njit(cache=True)
def _contractions(n, uniform, least, most):
    """Return n rounded maps (n, 2, 3) made of 1 + 8 n uniform numbers (compiled: 60 -> 3 us for three maps)."""
    maps = np.empty((n, 2, 3))
    width = most - least
    doubled = least + n + width * uniform[0]
    total = doubled / 2

    for i in range(n):
        affine = maps[i]
        first = 1 + 8 * i
        own = uniform[first : first + 8]

        # A
        to_come = n - 1 - i
        others = 3.0 * to_come
        larger, smaller = _singular_pair(total, others, own)
        total -= larger + 2 * smaller
        larger = _opened(larger)
        smaller = _opened(smaller)
        _fill_linear(affine, larger, smaller, own[2:6])

        # b
        affine[0, 2] = _signed(own[6])
        affine[1, 2] = _signed(own[7])

    return _rounded(maps)


@numba.njit(cache=True)
def _opened(value):
    """Return a singular value kept in the open interval (0, 1): 1e-7 keeps rounding from reaching its ends."""
    above = max(value, 1e-7)
    return min(above, 1 - 1e-7)


@numba.njit(cache=True)
def _fill_linear(affine, larger, smaller, own):
    """Fill the linear part of a map with R(theta) diag(larger, smaller) R(phi) D, from four uniform numbers."""
    theta = 2 * math.pi * own[0]
    phi = 2 * math.pi * own[1]
    first_sign = _sign(own[2])
    second_sign = _sign(own[3])

    # R(theta)
    cos = math.cos(theta)
    sin = math.sin(theta)

    # .. diag(larger, smaller)
    along_cos = cos * larger
    along_sin = sin * larger
    across_cos = cos * smaller
    across_sin = sin * smaller

    # .. R(phi)
    cos = math.cos(phi)
    sin = math.sin(phi)
    upper_left, upper_right = _turned(along_cos, -across_sin, cos, sin)
    lower_left, lower_right = _turned(along_sin, across_cos, cos, sin)

    # .. D
    upper = affine[0]
    lower = affine[1]
    upper[0] = upper_left * first_sign
    upper[1] = upper_right * second_sign
    lower[0] = lower_left * first_sign
    lower[1] = lower_right * second_sign


@numba.njit(cache=True)
def _turned(x, y, cos, sin):
    """Return the row vector (x, y) times a rotation."""
    left = x * cos + y * sin
    right = y * cos - x * sin
    return left, right


@numba.njit(cache=True)
def _signed(uniform):
    """Return a number of [0, 1) spread over [-1, 1)."""
    doubled = 2 * uniform
    return doubled - 1


@numba.njit(cache=True)
def _sign(uniform):
    return 1.0 if uniform < 0.5 else -1.0


@numba.njit(cache=True)
def _rounded(maps):
    units = np.rint(maps * UNIT)
    return units / UNIT


@numba.njit(cache=True)
def _singular_pair(total, others, uniform):
    """Return (s1, s2), each drawn evenly from its feasible interval by a uniform number.

    `total` is the sum of s1 + 2 s2 still to reach, `others` the most that the pairs after this one can take.
    """
    if others > 0:
        needed = total - others
        low = max(0.0, needed / 3)
        high = min(1.0, total)
        larger = _between(low, high, uniform[0])

        rest = total - larger
        needed = rest - others
        low = max(0.0, needed / 2)
        high = min(larger, rest / 2)
        smaller = _between(low, high, uniform[1])
        return larger, smaller

    # the last pair takes what is left
    needed = total - 1
    low = max(0.0, needed / 2)
    high = total / 3
    smaller = _between(low, high, uniform[0])
    larger = total - 2 * smaller
    return larger, smaller


@numba.njit(cache=True)
def _between(low, high, share):
    width = high - low
    return low + width * share


@numba.njit(cache=True)
def _probabilities(maps):
    upper = maps[:, 0]
    lower = maps[:, 1]
    diagonal = upper[:, 0] * lower[:, 1]
    other_diagonal = upper[:, 1] * lower[:, 0]
    determinants = diagonal - other_diagonal
    areas = np.abs(determinants)

    total = areas.sum()
    if total > 0:
        return areas / total

    count = len(maps)
    return np.full(count, 1 / count)


def scale_system(rng: np.random.Generator, system: System, low=0.8, high=1.1, attempts=4) -> System:
    """Return a system with one map scaled by a random factor.

    This is the parameter augmentation of Ugwu et al. 2024, section 4.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    system : System
        The system to vary; it is not changed.
    low, high : float
        Range of the factor, which multiplies A and b.
    attempts : int
        Map and factor are drawn again up to this often, until the map contracts; else the system is returned
        as it was.

    Returns
    -------
    System
    """
    shares = rng.random((attempts, 2)).tolist()

    for map_share, factor_share in shares:
        maps = system.maps
        k = int(map_share * len(maps))
        width = high - low
        factor = low + width * factor_share
        units = np.rint(maps[k] * (factor * UNIT))
        scaled = units / UNIT

        if _norm(scaled) < 1:
            maps = maps.copy()
            maps[k] = scaled
            return System(maps)

    return system


def perturb_system(rng: np.random.Generator, system: System, attempts=4) -> System:
    """Return a system with one of the six parameters of every map multiplied by 0.8, 0.9, 1.1 or 1.2.

    One draw in 25 returns the system as it is, so that the 25 variants of FractalDB are equally likely
    (Kataoka et al., "Pre-training without Natural Images", ACCV 2020).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    system : System
        The system of the class; it is not changed.
    attempts : int
        A variant is drawn again up to this often, until it contracts; else the system is returned as it was.

    Returns
    -------
    System
    """
    variants = rng.integers(0, 25, attempts).tolist()

    for variant in variants:
        if variant == 24:
            return system

        parameter, factor = divmod(variant, 4)
        row, column = divmod(parameter, 3)
        maps = system.maps.copy()
        maps[:, row, column] *= _FACTORS[factor]
        units = np.rint(maps * UNIT)
        maps = units / UNIT

        norms = [_norm(affine) for affine in maps]
        if max(norms) < 1:
            return System(maps)

    return system


def jitter_system(rng: np.random.Generator, system: System, delta: float, attempts=100) -> System:
    """Return a system with each parameter of each map multiplied by a number of its own in 1 - delta .. 1 + delta.

    So a data set is made of one fractal, each class a perturbation of it (Nakamura et al., "Scaling Backwards:
    Minimal Synthetic Pre-training?", ECCV 2024, section 3: 1p-frac).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    system : System
        The one system; it is not changed.
    delta : float
        In 0 .. 1.
    attempts : int
        The numbers are drawn again up to this often, until all maps contract; else the system is returned as it
        was.

    Returns
    -------
    System
    """
    for _ in range(attempts):
        factors = rng.uniform(1 - delta, 1 + delta, system.maps.shape)
        units = np.rint(system.maps * factors * UNIT)
        maps = units / UNIT

        norms = [_norm(affine) for affine in maps]
        if max(norms) < 1:
            return System(maps)

    return system


@numba.njit(cache=True)
def _norm(affine):
    """Return the largest singular value of the linear part, in closed form (np.linalg.svd takes 10 us)."""
    a = affine[0, 0]
    b = affine[0, 1]
    c = affine[1, 0]
    d = affine[1, 1]

    # trace and determinant of A^T A
    trace = a * a + b * b + c * c + d * d
    half = trace / 2
    determinant = a * d - b * c
    square = determinant * determinant

    # its larger eigenvalue
    difference = half * half - square
    root = math.sqrt(max(difference, 0.0))
    eigenvalue = half + root
    return math.sqrt(eigenvalue)
