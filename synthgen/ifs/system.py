"""Affine systems and how they are drawn at random.

Source: paper 000 section 3.1, after Anderson and Farrell, "Improving Fractal Pre-training" (WACV 2022).
"""

import math

import numpy as np

from synthgen.errors import UsageError

MAX_MAPS = 8
# Parameters are rounded before use, so that last bits of sin and cos, which differ between CPUs, never reach a
# pixel: 1e-8 is far below a pixel of the largest image and short to write.
DECIMALS = 8


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
        a, b, c, d = self.maps[:, 0, 0], self.maps[:, 0, 1], self.maps[:, 1, 0], self.maps[:, 1, 1]
        area = np.abs(a * d - b * c)
        total = area.sum()
        return area / total if total > 0 else np.full(len(area), 1 / len(area))

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
    u = rng.random(1 + 8 * n).tolist()  # one call: a call for each of the numbers costs four times as much
    sigmas = _singular_values(n, (5 + n + u[0]) / 2, u[1 : 1 + 2 * n])
    rest = u[1 + 2 * n :]
    return System([_map_from(sigmas[i], rest[6 * i : 6 * i + 6]) for i in range(n)])


def _singular_values(n: int, total: float, u: list[float]) -> list[tuple[float, float]]:
    """Draw n pairs (s1, s2) with s1 + 2 s2 summing to `total`, each uniform in its feasible interval."""
    pairs = []
    for i in range(n):
        others = 3 * (n - 1 - i)  # the most that the pairs after this one can take
        if others:
            s1 = _between(max(0.0, (total - others) / 3), min(1.0, total), u[2 * i])
            s2 = _between(max(0.0, (total - s1 - others) / 2), min(s1, (total - s1) / 2), u[2 * i + 1])
        else:
            s2 = _between(max(0.0, (total - 1) / 2), total / 3, u[2 * i])
            s1 = total - 2 * s2
        pairs.append((s1, s2))
        total -= s1 + 2 * s2
    return pairs


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u


def _map_from(sigma: tuple[float, float], u: list[float]) -> list[list[float]]:
    """Return the rows of [R(theta) diag(s1, s2) R(phi) D | b], rounded; `u` are six uniform numbers."""
    # 1e-7 keeps rounding from reaching 0 or 1: singular values lie in the open interval
    s1, s2 = (min(max(s, 1e-7), 1 - 1e-7) for s in sigma)
    theta, phi = 2 * math.pi * u[0], 2 * math.pi * u[1]
    d1, d2 = 1.0 if u[2] < 0.5 else -1.0, 1.0 if u[3] < 0.5 else -1.0
    ct, st, cp, sp = math.cos(theta), math.sin(theta), math.cos(phi), math.sin(phi)
    row0 = ((ct * s1 * cp - st * s2 * sp) * d1, (-ct * s1 * sp - st * s2 * cp) * d2, 2 * u[4] - 1)
    row1 = ((st * s1 * cp + ct * s2 * sp) * d1, (-st * s1 * sp + ct * s2 * cp) * d2, 2 * u[5] - 1)
    return [[round(x, DECIMALS) for x in row0], [round(x, DECIMALS) for x in row1]]


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
        scaled = np.round(system.maps[k] * _between(low, high, u_factor), DECIMALS)
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
        maps = np.round(maps, DECIMALS)
        if all(_norm(m) < 1 for m in maps):
            return System(maps)
    return system


def _norm(affine: np.ndarray) -> float:
    """Return the largest singular value of the linear part, in closed form (np.linalg.svd takes 10 us)."""
    (a, b, _), (c, d, _) = affine.tolist()
    half = (a * a + b * b + c * c + d * d) / 2
    det = a * d - b * c
    return math.sqrt(half + math.sqrt(max(half * half - det * det, 0.0)))
