"""Fingerprints: ridges of grease on metal, which the real plates of Mao et al. 2025 have (figure 1 and V-A)."""

import math

import numba
import numpy as np

from synthgen.seeding import noise_generator
from synthgen.surface.chance import between, place, smooth_step
from synthgen.surface.perlin import pnoise3

f32 = np.float32
PATTERNS = ("loop", "whorl", "arch")
_FREQUENCIES = (0.6, 0.3, 0.1)  # about those of human fingers
# The ridges are grown on a grid this fine (points in a mm), by this many rounds of filters in this many directions
_GRID = 10.0
_ROUNDS = 6
_DIRECTIONS = 32
_LANES = 8  # numbers that a CPU adds at once


def sample_fingerprint(rng: np.random.Generator, area: tuple[float, float, float, float]) -> dict:
    """Draw a fingerprint.

    Parameters
    ----------
    rng : numpy.random.Generator
    area : (u0, v0, u1, v1)
        Where its center may lie, in mm.

    Returns
    -------
    dict
        JSON-able: ``kind``, ``pattern`` (one of `PATTERNS`), ``center`` (u, v), ``angle`` in radians by which the
        finger tip is turned to the right, ``semi_axes`` across and along the finger, ``spacing`` of the ridges,
        ``core`` and ``delta`` (where ridges turn back and where they part), ``contrast`` of a ridge, ``haze``
        between ridges (share of the contrast), ``matte``, ``pressure`` (unevenness), ``smudge`` (length of a wipe
        in mm, and its direction), ``seed`` of the ridges.
    """
    side = 1 if rng.random() < 0.5 else -1
    return {
        "kind": "fingerprint",
        "pattern": PATTERNS[int(rng.choice(3, p=_FREQUENCIES))],
        "center": place(rng, area),
        "angle": between(rng, -math.pi, math.pi),
        "semi_axes": [between(rng, 6.5, 8.5), between(rng, 8.5, 11.0)],
        "spacing": between(rng, 0.44, 0.56),
        "core": [between(rng, -0.5, 0.5), between(rng, 0.5, 2.0)],
        "delta": _sample_delta(rng, side),
        "contrast": _sample_contrast(rng),
        "haze": between(rng, 0.15, 0.3),
        "matte": between(rng, 0.1, 0.3),
        "pressure": between(rng, 0.3, 0.8),
        "smudge": _sample_smudge(rng),
        "seed": int(rng.integers(2**63)),
    }


def _sample_delta(rng, side: int) -> list[float]:
    """Draw where ridges part: to one side, and below the core."""
    right = round(side * rng.uniform(4.0, 5.5), 4)
    up = between(rng, -6.5, -5.0)
    return [right, up]


def _sample_contrast(rng) -> float:
    """Draw the contrast of a ridge; most are darker than the metal."""
    sign = -1 if rng.random() < 0.7 else 1
    return round(sign * rng.uniform(0.06, 0.14), 4)


def _sample_smudge(rng) -> list[float]:
    """Draw the length of a wipe, which few prints have, and its direction."""
    length = between(rng, 0.5, 3.0) if rng.random() < 0.3 else 0.0
    return [length, between(rng, -math.pi, math.pi)]


def paint_fingerprint(params: dict, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cover, paint and matte of a fingerprint: grease on the ridges, a little of it between them.

    Parameters
    ----------
    params : dict
        From `sample_fingerprint`.
    x, y : ndarray, (n,)
        Points in mm from its center, x to its right and y to its top.
    """
    ridges = _ridges(params)
    level = params["seed"] % 97 + 0.5
    places = np.stack([x * 0.35, y * 0.35, np.full_like(x, level)], -1)
    uneven = pnoise3(places)

    # The outline wavers: noise only ever shrinks the ellipse
    across, along = params["semi_axes"]
    inside = (x / across) ** 2 + (y / along) ** 2
    wavering = 0.25 * (uneven + 0.5).clip(0, 1)
    outline = 1 - smooth_step(0.65, 1.0, inside + wavering)

    fine = pnoise3(places * 4.3 + 0.4)
    pressed = 1 + params["pressure"] * (1.4 * uneven + 0.6 * fine)
    film = outline * np.clip(pressed, 0.05, 1.6)
    ridge = _sampled(ridges, x, y, params["semi_axes"])
    grease = film * (params["haze"] + (1 - params["haze"]) * ridge)

    cover = np.zeros_like(x)
    paint = params["contrast"] * grease
    matte = np.clip(params["matte"] * grease, 0, 1)
    return cover, paint, matte


def _ridges(params: dict) -> np.ndarray:
    """Grow ridges along an orientation field from noise: filters turned along the field, time and again.

    Where the field and the spacing do not agree, ridges end or fork by themselves, as minutiae do.
    """
    across, along = params["semi_axes"]
    x = _grid_line(across)[None, :]
    y = _grid_line(along)[:, None]
    direction = _orientation(params, x, y)
    turns = np.rint(direction / math.pi * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    bank = _ridge_filters(params["spacing"] * _GRID)

    rng = noise_generator(params["seed"])
    values = rng.standard_normal(turns.shape).astype(f32)
    for _ in range(_ROUNDS):
        values = _filtered(values, turns, bank)
        strength = np.abs(values).mean()
        values = np.tanh(values / (1e-6 + 0.6 * strength))

    values = _smudged(values, params["smudge"], x, y)
    return (0.5 + 0.5 * values).astype(f32)


def _grid_line(half: float) -> np.ndarray:
    """Return the places of a line of the grid, mm, that reaches as far as `half` on both sides."""
    steps = math.ceil(half * _GRID)
    return np.arange(-steps, steps + 1) / _GRID


def _smudged(values: np.ndarray, smudge: list[float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return ridges that were wiped here and there."""
    length, wipe = smudge
    if length <= 0:
        return values
    blurred = _wiped(values, length * _GRID, wipe)

    coordinates = np.broadcast_arrays(x * 0.15, y * 0.15, 0.5 + wipe)
    noise = pnoise3(np.stack(coordinates, -1))
    share = smooth_step(-0.3, 0.3, noise)
    return values * (1 - share) + blurred * share


def _orientation(params: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the angle of the ridges: each core turns them by half a turn, each delta turns them back.

    The zero-pole model of Sherlock and Monro (1993); arches have neither, and bulge.
    """
    core_x, core_y = params["core"]
    delta_x, delta_y = params["delta"]
    if params["pattern"] == "arch":
        distance = (x / 4.0) ** 2 + ((y - core_y + 1) / 7.0) ** 2
        bulge = 4.5 * np.exp(-distance)
        return np.arctan(-bulge * x / 8.0)

    cores = [(core_x, core_y)]
    deltas = [(delta_x, delta_y)]
    if params["pattern"] == "whorl":
        side = abs(delta_x) + 0.5
        cores = [(core_x, core_y + 1.0), (core_x, core_y - 1.0)]
        deltas = [(side, delta_y), (-side, delta_y - 0.5)]

    back = sum(np.arctan2(y - b, x - a) for a, b in cores)
    forth = sum(np.arctan2(y - b, x - a) for a, b in deltas)
    return (back - forth) / 2


def _ridge_filters(spacing: float) -> np.ndarray:
    """Return Gabor filters, (directions, n, n), for ridges of a spacing in points; each sums to 0."""
    half = math.ceil(1.3 * spacing)
    places = np.arange(-half, half + 1)
    x, y = np.meshgrid(places, places)
    width = 0.55 * spacing
    weight = np.exp(-(x * x + y * y) / (2 * width**2))

    bank = []
    for n in range(_DIRECTIONS):
        angle = math.pi * n / _DIRECTIONS
        off = y * math.cos(angle) - x * math.sin(angle)
        kernel = weight * np.cos(2 * math.pi * off / spacing)
        surplus = weight * kernel.sum() / weight.sum()
        bank.append(kernel - surplus)
    return np.array(bank, f32)


def _filtered(values: np.ndarray, turns: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return each point filtered by the kernel of its direction; beyond the border lies 0."""
    side = bank.shape[1]
    half = side // 2
    wide = -(-side // _LANES) * _LANES
    bank = np.pad(bank, ((0, 0), (0, 0), (0, wide - side)))
    padded = np.pad(values, ((half, half), (half, wide - half - 1)))
    return _filter(padded, turns, bank)


@numba.njit(cache=True)
def _filter(padded, turns, bank):
    """Sum up each column of a kernel by itself, so that the innermost loop becomes vector code: 9 -> 2.7 ms."""
    height, width = turns.shape
    side, wide = bank.shape[1:]
    out = np.empty((height, width), f32)
    sums = np.empty(wide, f32)

    for r in range(height):
        for c in range(width):
            kernel = bank[turns[r, c]]
            sums[:] = f32(0)
            for i in range(side):
                line = padded[r + i, c : c + wide]
                weights = kernel[i]
                for n in range(wide):
                    sums[n] += line[n] * weights[n]

            total = f32(0)
            for n in range(wide):
                total += sums[n]
            out[r, c] = total
    return out


def _wiped(values: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Return the mean along a straight wipe of some points; the border is held."""
    height, width = values.shape
    rows, columns = np.indices(values.shape)
    steps = np.linspace(-length / 2, length / 2, max(int(length), 2))

    total = np.zeros(values.shape)
    for step in steps:
        r = np.rint(rows + step * math.sin(angle)).astype(int)
        c = np.rint(columns + step * math.cos(angle)).astype(int)
        r = np.clip(r, 0, height - 1)
        c = np.clip(c, 0, width - 1)
        total += values[r, c]
    return total / len(steps)


def _sampled(grid: np.ndarray, x: np.ndarray, y: np.ndarray, semi_axes) -> np.ndarray:
    """Return the grid's values at points, between the four around each."""
    across, along = semi_axes
    height, width = grid.shape
    column = np.clip(x * _GRID + math.ceil(across * _GRID), 0, width - 1.001)
    row = np.clip(y * _GRID + math.ceil(along * _GRID), 0, height - 1.001)
    c = column.astype(np.int64)
    r = row.astype(np.int64)
    right = column - c
    down = row - r

    upper = grid[r, c] * (1 - right) + grid[r, c + 1] * right
    lower = grid[r + 1, c] * (1 - right) + grid[r + 1, c + 1] * right
    return upper * (1 - down) + lower * down
