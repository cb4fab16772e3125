"""Affine systems and how they are drawn at random.

Source: paper 000 section 3.1, after Anderson and Farrell, "Improving Fractal Pre-training" (WACV 2022).
"""

import math

import numba
import numpy as np

from synthgen.errors import UsageError

MAX_MAPS = 8
# Parameters are rounded before use, so that last bits of sin and cos, which differ between CPUs, never reach a
# pixel: 1e-8 is far below a pixel of the largest image and short to write.
UNIT = 1e8


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
        Proportional to abs(det A), uniform if all determinants vanish (paper 000 section 3.1).
    singular_values : ndarray of float64, (n, 2)
        Of each A, largest first.
    sigma_factor : float
        Sum of s1 + 2 s2 over the maps (paper 000 equation 3).

    Raises
    ------
    UsageError
        If `maps` has another shape or a value that is not finite.
    """

    def __init__(self, maps):
        maps = np.array(maps, dtype=np.float64)
        if maps.ndim != 3 or maps.shape[1:] != (2, 3) or not 1 <= len(maps) <= MAX_MAPS:
            raise UsageError(f"System: maps must have shape (n, 2, 3) with n in 1..{MAX_MAPS}, got {maps.shape}")
        if not np.isfinite(maps).all():
            raise UsageError("System: maps must be finite")
        self.maps = maps

    @property
    def probabilities(self) -> np.ndarray:
        """Chance of each map, proportional to abs(det A)."""
        return _probabilities(self.maps)

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of each A, largest first."""
        return np.linalg.svd(self.maps[:, :, :2], compute_uv=False)

    @property
    def sigma_factor(self) -> float:
        """Sum of s1 + 2 s2 over the maps."""
        return float((self.singular_values @ (1.0, 2.0)).sum())

    def __repr__(self):
        return f"System({self.maps.tolist()})"


def sample_system(rng: np.random.Generator, maps: int | tuple[int, int] = 3) -> System:
    """Draw a system of contractions with good geometry.

    Each A = R(theta) diag(s1, s2) R(phi) D with rotations R, signs D and singular values
    1 > s1 >= s2 > 0 whose sigma factor lies in [(5 + n) / 2, (6 + n) / 2]; b is uniform in [-1, 1]
    (paper 000 section 3.1).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    maps : int or (int, int)
        Number n of maps, or an inclusive range to draw it from; within 2..8.

    Returns
    -------
    System

    Raises
    ------
    UsageError
        If `maps` is not within 2..8 or is the wrong way round.

    Examples
    --------
    >>> system = sample_system(np.random.default_rng(0), maps=(2, 4))
    >>> n = len(system.maps)
    >>> (5 + n) / 2 - 1e-6 <= system.sigma_factor <= (6 + n) / 2 + 1e-6
    True
    """
    low, high = (maps, maps) if isinstance(maps, int | np.integer) else maps
    if not 2 <= low <= high <= MAX_MAPS:
        raise UsageError(f"sample_system: maps must be low <= high within 2..{MAX_MAPS}, got {maps}")
    n = int(rng.integers(low, high + 1))
    return System(_contractions(n, rng.random(1 + 8 * n)))


@numba.njit(cache=True)
def _contractions(n, u):
    """Return n rounded maps (n, 2, 3) made of 1 + 8 n uniform numbers (compiled: 60 -> 3 us for three maps)."""
    maps = np.empty((n, 2, 3))
    total = (5 + n + u[0]) / 2
    for i in range(n):
        v = u[1 + 8 * i : 9 + 8 * i]
        s1, s2 = _singular_pair(total, 3.0 * (n - 1 - i), v[0], v[1])
        total -= s1 + 2 * s2
        # 1e-7 keeps rounding from reaching 0 or 1: singular values lie in the open interval
        s1, s2 = min(max(s1, 1e-7), 1 - 1e-7), min(max(s2, 1e-7), 1 - 1e-7)
        theta, phi = 2 * math.pi * v[2], 2 * math.pi * v[3]
        d1, d2 = 1.0 if v[4] < 0.5 else -1.0, 1.0 if v[5] < 0.5 else -1.0
        ct, st, cp, sp = math.cos(theta), math.sin(theta), math.cos(phi), math.sin(phi)
        maps[i, 0, 0], maps[i, 0, 1] = (ct * s1 * cp - st * s2 * sp) * d1, (-ct * s1 * sp - st * s2 * cp) * d2
        maps[i, 1, 0], maps[i, 1, 1] = (st * s1 * cp + ct * s2 * sp) * d1, (-st * s1 * sp + ct * s2 * cp) * d2
        maps[i, 0, 2], maps[i, 1, 2] = 2 * v[6] - 1, 2 * v[7] - 1
    return np.rint(maps * UNIT) / UNIT


@numba.njit(cache=True)
def _singular_pair(total, others, u1, u2):
    """Draw (s1, s2), each uniform in its feasible interval.

    `total` is the sum of s1 + 2 s2 still to reach, `others` the most that the pairs after this one can take.
    """
    if others > 0:
        low, high = max(0.0, (total - others) / 3), min(1.0, total)
        s1 = low + (high - low) * u1
        low, high = max(0.0, (total - s1 - others) / 2), min(s1, (total - s1) / 2)
        return s1, low + (high - low) * u2
    low, high = max(0.0, (total - 1) / 2), total / 3
    s2 = low + (high - low) * u1
    return total - 2 * s2, s2


@numba.njit(cache=True)
def _probabilities(maps):
    areas = np.abs(maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0])
    total = areas.sum()
    return areas / total if total > 0 else np.full(len(maps), 1 / len(maps))


def scale_system(rng: np.random.Generator, system: System, low=0.8, high=1.1, attempts=4) -> System:
    """Scale one map by a random factor: the parameter augmentation of paper 000 section 4.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    system : System
        The system to vary; it is not changed.
    low, high : float
        Range of the factor, which multiplies A and b.
    attempts : int
        Map and factor are drawn again this often if the map stops contracting; then the system is left alone.

    Returns
    -------
    System
    """
    for u_map, u_factor in rng.random((attempts, 2)).tolist():
        k = int(u_map * len(system.maps))
        scaled = np.rint(system.maps[k] * ((low + (high - low) * u_factor) * UNIT)) / UNIT
        if _norm(scaled) < 1:
            maps = system.maps.copy()
            maps[k] = scaled
            return System(maps)
    return system


def perturb_system(rng: np.random.Generator, system: System, attempts=4) -> System:
    """Multiply one of the six parameters of every map by 0.8, 0.9, 1.1 or 1.2: the way of FractalDB.

    One draw in 25 leaves the system as it is, so that the 25 variants of FractalDB are equally likely
    (Kataoka et al., "Pre-training without Natural Images", ACCV 2020).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    system : System
        The system of the class; it is not changed.
    attempts : int
        A variant that stops contracting is drawn again this often; then the system is left alone.

    Returns
    -------
    System
    """
    for variant in rng.integers(0, 25, attempts).tolist():
        if variant == 24:
            return system
        parameter, factor = divmod(variant, 4)
        maps = system.maps.copy()
        maps[:, parameter // 3, parameter % 3] *= (0.8, 0.9, 1.1, 1.2)[factor]
        maps = np.rint(maps * UNIT) / UNIT
        if all(_norm(m) < 1 for m in maps):
            return System(maps)
    return system


@numba.njit(cache=True)
def _norm(affine):
    """Return the largest singular value of the linear part, in closed form (np.linalg.svd takes 10 us)."""
    a, b, c, d = affine[0, 0], affine[0, 1], affine[1, 0], affine[1, 1]
    half = (a * a + b * b + c * c + d * d) / 2
    det = a * d - b * c
    return math.sqrt(half + math.sqrt(max(half * half - det * det, 0.0)))
