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
    pattern = int(rng.choice(3, p=_FREQUENCIES))
    return {
        "kind": "fingerprint",
        "pattern": PATTERNS[pattern],
        "center": place(rng, area),
        "angle": between(rng, -math.pi, math.pi),
        "semi_axes": [
            between(rng, 6.5, 8.5),
            between(rng, 8.5, 11.0),
        ],
        "spacing": between(rng, 0.44, 0.56),
        "core": [
            between(rng, -0.5, 0.5),
            between(rng, 0.5, 2.0),
        ],
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
    away = rng.uniform(4.0, 5.5)
    right = round(side * away, 4)
    up = between(rng, -6.5, -5.0)
    return [right, up]


def _sample_contrast(rng) -> float:
    """Draw the contrast of a ridge; most are darker than the metal."""
    sign = -1 if rng.random() < 0.7 else 1
    strength = rng.uniform(0.06, 0.14)
    return round(sign * strength, 4)


def _sample_smudge(rng) -> list[float]:
    """Draw the length of a wipe, which few prints have, and its direction."""
    smudged = rng.random() < 0.3
    length = between(rng, 0.5, 3.0) if smudged else 0.0
    direction = between(rng, -math.pi, math.pi)
    return [length, direction]


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
    level = np.full_like(x, params["seed"] % 97 + 0.5)
    places = np.stack([x * 0.35, y * 0.35, level], -1)
    uneven = pnoise3(places)

    # The outline wavers: noise only ever shrinks the ellipse
    across, along = params["semi_axes"]
    inside = (x / across) ** 2 + (y / along) ** 2
    wavering = 0.25 * (uneven + 0.5).clip(0, 1)
    outline = 1 - smooth_step(0.65, 1.0, inside + wavering)

    # Where the finger was pressed, and how hard
    fine = pnoise3(places * 4.3 + 0.4)
    changing = 1.4 * uneven + 0.6 * fine
    pressed = 1 + params["pressure"] * changing
    film = outline * np.clip(pressed, 0.05, 1.6)

    ridge = _sampled(ridges, x, y, params["semi_axes"])
    haze = params["haze"]
    grease = film * (haze + (1 - haze) * ridge)

    cover = np.zeros_like(x)
    paint = params["contrast"] * grease
    matte = params["matte"] * grease
    return cover, paint, np.clip(matte, 0, 1)


def _ridges(params: dict) -> np.ndarray:
    """Grow ridges along an orientation field from noise: filters turned along the field, time and again.

    Where the field and the spacing do not agree, ridges end or fork by themselves, as minutiae do.
    """
    across, along = params["semi_axes"]
    x = _grid_line(across)[None, :]
    y = _grid_line(along)[:, None]
    direction = _orientation(params, x, y)
    turns = np.rint(direction / math.pi * _DIRECTIONS)
    turns = turns.astype(np.int64) % _DIRECTIONS
    bank = _ridge_filters(params["spacing"] * _GRID)

    rng = noise_generator(params["seed"])
    values = rng.standard_normal(turns.shape)
    values = values.astype(f32)
    for _ in range(_ROUNDS):
        values = _filtered(values, turns, bank)
        strength = np.abs(values).mean()
        scale = 1e-6 + 0.6 * strength
        values = np.tanh(values / scale)

    values = _smudged(values, params["smudge"], x, y)
    ridges = 0.5 + 0.5 * values
    return ridges.astype(f32)


def _grid_line(half: float) -> np.ndarray:
    """Return the places of a line of the grid, mm, that reaches as far as `half` on both sides."""
    steps = math.ceil(half * _GRID)
    places = np.arange(-steps, steps + 1)
    return places / _GRID


def _smudged(values: np.ndarray, smudge: list[float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return ridges that were wiped here and there."""
    length, wipe = smudge
    if length <= 0:
        return values
    blurred = _wiped(values, length * _GRID, wipe)

    coordinates = np.broadcast_arrays(x * 0.15, y * 0.15, 0.5 + wipe)
    places = np.stack(coordinates, -1)
    noise = pnoise3(places)
    share = smooth_step(-0.3, 0.3, noise)
    return values * (1 - share) + blurred * share


def _orientation(params: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the angle of the ridges: each core turns them by half a turn, each delta turns them back.

    The zero-pole model of Sherlock and Monro (1993); arches have neither, and bulge.
    """
    core_x, core_y = params["core"]
    delta_x, delta_y = params["delta"]
    if params["pattern"] == "arch":
        return _arch(x, y - core_y + 1)

    cores = [(core_x, core_y)]
    deltas = [(delta_x, delta_y)]
    if params["pattern"] == "whorl":
        side = abs(delta_x) + 0.5
        cores = [(core_x, core_y + 1.0), (core_x, core_y - 1.0)]
        deltas = [(side, delta_y), (-side, delta_y - 0.5)]

    back = _turn_around(cores, x, y)
    forth = _turn_around(deltas, x, y)
    return (back - forth) / 2


def _arch(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the angle of ridges that bulge around a point and run straight on at both sides."""
    distance = (x / 4.0) ** 2 + (y / 7.0) ** 2
    bulge = 4.5 * np.exp(-distance)
    return np.arctan(-bulge * x / 8.0)


def _turn_around(points: list[tuple[float, float]], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sum of the angles at which some points see (x, y)."""
    total = np.zeros(1)
    for point_x, point_y in points:
        right = x - point_x
        up = y - point_y
        total = total + np.arctan2(up, right)
    return total


def _ridge_filters(spacing: float) -> np.ndarray:
    """Return Gabor filters, (directions, n, n), for ridges of a spacing in points; each sums to 0."""
    half = math.ceil(1.3 * spacing)
    places = np.arange(-half, half + 1)
    x, y = np.meshgrid(places, places)
    width = 0.55 * spacing
    square = x * x + y * y
    weight = np.exp(-square / (2 * width**2))

    bank = []
    for n in range(_DIRECTIONS):
        angle = math.pi * n / _DIRECTIONS
        off = y * math.cos(angle) - x * math.sin(angle)
        wave = np.cos(2 * math.pi * off / spacing)
        kernel = weight * wave
        surplus = weight * kernel.sum() / weight.sum()
        bank.append(kernel - surplus)
    return np.array(bank, f32)


def _filtered(values: np.ndarray, turns: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return each point filtered by the kernel of its direction; beyond the border lies 0."""
    side = bank.shape[1]
    half = side // 2
    wide = -(-side // _LANES) * _LANES
    none = (0, 0)
    bank = np.pad(bank, (none, none, (0, wide - side)))

    above_and_below = (half, half)
    beside = (half, wide - half - 1)
    padded = np.pad(values, (above_and_below, beside))
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
    count = max(int(length), 2)
    steps = np.linspace(-length / 2, length / 2, count)

    total = np.zeros(values.shape)
    for step in steps:
        down = step * math.sin(angle)
        right = step * math.cos(angle)
        r = np.rint(rows + down).astype(int)
        c = np.rint(columns + right).astype(int)
        r = np.clip(r, 0, height - 1)
        c = np.clip(c, 0, width - 1)
        total += values[r, c]
    return total / count


def _sampled(grid: np.ndarray, x: np.ndarray, y: np.ndarray, semi_axes) -> np.ndarray:
    """Return the grid's values at points, between the four around each."""
    across, along = semi_axes
    height, width = grid.shape
    column = x * _GRID + math.ceil(across * _GRID)
    row = y * _GRID + math.ceil(along * _GRID)
    column = np.clip(column, 0, width - 1.001)
    row = np.clip(row, 0, height - 1.001)

    # between the four around it
    c = column.astype(np.int64)
    r = row.astype(np.int64)
    right = column - c
    down = row - r
    left = 1 - right
    upper = grid[r, c] * left + grid[r, c + 1] * right
    lower = grid[r + 1, c] * left + grid[r + 1, c + 1] * right
    return upper * (1 - down) + lower * down
