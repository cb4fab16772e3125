"""Fingerprints: ridges of grease on metal, which the real plates of paper 002 have (figure 1 and V-A)."""

import math

import numba
import numpy as np

from synthgen.seeding import noise_generator
from synthgen.surface.chance import between, place, smooth_step
from synthgen.surface.perlin import pnoise3

f32 = np.float32
PATTERNS = ("loop", "whorl", "arch")
# The ridges are grown on a grid this fine (points in a mm), by this many rounds of filters in this many directions
_GRID, _ROUNDS, _DIRECTIONS = 10.0, 6, 32
_LANES = 8  # numbers that a CPU adds at once


def sample_fingerprint(rng: np.random.Generator, area) -> dict:
    """Draw a fingerprint.

    Parameters
    ----------
    rng : numpy.random.Generator
    area : (u0, v0, u1, v1)
        Where its centre may lie, in mm.

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
        "pattern": PATTERNS[int(rng.choice(3, p=(0.6, 0.3, 0.1)))],  # about as frequent as on human fingers
        "center": place(rng, area),
        "angle": between(rng, -math.pi, math.pi),
        "semi_axes": [between(rng, 6.5, 8.5), between(rng, 8.5, 11.0)],
        "spacing": between(rng, 0.44, 0.56),
        "core": [between(rng, -0.5, 0.5), between(rng, 0.5, 2.0)],
        "delta": [round(side * rng.uniform(4.0, 5.5), 4), between(rng, -6.5, -5.0)],
        "contrast": round((-1 if rng.random() < 0.7 else 1) * rng.uniform(0.06, 0.14), 4),
        "haze": between(rng, 0.15, 0.3),
        "matte": between(rng, 0.1, 0.3),
        "pressure": between(rng, 0.3, 0.8),
        "smudge": [between(rng, 0.5, 3.0) if rng.random() < 0.3 else 0.0, between(rng, -math.pi, math.pi)],
        "seed": int(rng.integers(2**63)),
    }


def paint_fingerprint(params, x, y):
    """Return cover, paint and matte: grease on the ridges, a little of it between them."""
    across, along = params["semi_axes"]
    ridges, noise_at = _ridges(params), (params["seed"] % 97) + 0.5
    inside = (x / across) ** 2 + (y / along) ** 2
    spots = np.stack([x * 0.35, y * 0.35, np.full_like(x, noise_at)], -1)
    uneven = pnoise3(spots)
    # The outline wavers: noise only ever shrinks the ellipse
    outline = 1 - smooth_step(0.65, 1.0, inside + 0.25 * (uneven + 0.5).clip(0, 1))
    film = outline * np.clip(1 + params["pressure"] * (1.4 * uneven + 0.6 * pnoise3(spots * 4.3 + 0.4)), 0.05, 1.6)
    grease = film * (params["haze"] + (1 - params["haze"]) * _sampled(ridges, x, y, across, along))
    return np.zeros_like(x), params["contrast"] * grease, np.clip(params["matte"] * grease, 0, 1)


def _ridges(params) -> np.ndarray:
    """Grow ridges along an orientation field from noise: filters turned along the field, time and again.

    Where the field and the spacing do not agree, ridges end or fork by themselves, as minutiae do.
    """
    across, along = params["semi_axes"]
    columns, rows = (np.arange(-math.ceil(a * _GRID), math.ceil(a * _GRID) + 1) / _GRID for a in (across, along))
    x, y = columns[None, :], rows[:, None]
    direction = _orientation(params, x, y)
    turns = np.rint(direction / math.pi * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    bank = _ridge_filters(params["spacing"] * _GRID)
    values = noise_generator(params["seed"]).standard_normal(turns.shape).astype(f32)
    for _ in range(_ROUNDS):
        values = _filtered(values, turns, bank)
        values = np.tanh(values / (1e-6 + 0.6 * np.abs(values).mean()))
    length, wipe = params["smudge"]
    if length > 0:
        blurred = _wiped(values, length * _GRID, wipe)
        share = smooth_step(-0.3, 0.3, pnoise3(np.stack(np.broadcast_arrays(x * 0.15, y * 0.15, 0.5 + wipe), -1)))
        values = values * (1 - share) + blurred * share
    return (0.5 + 0.5 * values).astype(f32)


def _orientation(params, x, y):
    """Return the angle of the ridges: each core turns them by half a turn, each delta turns them back.

    The zero-pole model of Sherlock and Monro (1993); arches have neither, and bulge.
    """
    (core_x, core_y), (delta_x, delta_y) = params["core"], params["delta"]
    if params["pattern"] == "arch":
        bulge = 4.5 * np.exp(-((x / 4.0) ** 2) - ((y - core_y + 1) / 7.0) ** 2)
        return np.arctan(-bulge * x / 8.0)
    cores, deltas = [(core_x, core_y)], [(delta_x, delta_y)]
    if params["pattern"] == "whorl":
        cores = [(core_x, core_y + 1.0), (core_x, core_y - 1.0)]
        deltas = [(abs(delta_x) + 0.5, delta_y), (-abs(delta_x) - 0.5, delta_y - 0.5)]
    turned = sum(np.arctan2(y - b, x - a) for a, b in cores) - sum(np.arctan2(y - b, x - a) for a, b in deltas)
    return turned / 2


def _ridge_filters(spacing: float) -> np.ndarray:
    """Return Gabor filters, (directions, n, n), for ridges of a spacing in points; each sums to 0."""
    half = math.ceil(1.3 * spacing)
    x, y = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1))
    bank = []
    for n in range(_DIRECTIONS):
        angle = math.pi * n / _DIRECTIONS
        off = y * math.cos(angle) - x * math.sin(angle)
        weight = np.exp(-(x * x + y * y) / (2 * (0.55 * spacing) ** 2))
        kernel = weight * np.cos(2 * math.pi * off / spacing)
        bank.append(kernel - weight * kernel.sum() / weight.sum())
    return np.array(bank, f32)


def _filtered(values, turns, bank):
    """Return each point filtered by the kernel of its direction; beyond the border lies 0."""
    side = bank.shape[1]
    wide = -(-side // _LANES) * _LANES
    bank = np.pad(bank, ((0, 0), (0, 0), (0, wide - side)))
    padded = np.pad(values, ((side // 2,) * 2, (side // 2, wide - side // 2 - 1)))
    return _filter(padded, turns, bank)


@numba.njit(cache=True)
def _filter(padded, turns, bank):
    """Sum up each column of a kernel by itself, so that the innermost loop becomes vector code: 9 -> 2.7 ms."""
    height, width = turns.shape
    side, wide = bank.shape[1:]
    out, sums = np.empty((height, width), f32), np.empty(wide, f32)
    for r in range(height):
        for c in range(width):
            sums[:] = f32(0)
            for i in range(side):
                line, weights = padded[r + i, c : c + wide], bank[turns[r, c], i]
                for n in range(wide):
                    sums[n] += line[n] * weights[n]
            total = f32(0)
            for n in range(wide):
                total += sums[n]
            out[r, c] = total
    return out


def _wiped(values, length: float, angle: float):
    """Return the mean along a straight wipe of some points; the border is held."""
    rows, columns = np.indices(values.shape)
    steps = np.linspace(-length / 2, length / 2, max(int(length), 2))
    total = np.zeros(values.shape)
    for step in steps:
        r = np.clip(np.rint(rows + step * math.sin(angle)).astype(int), 0, values.shape[0] - 1)
        c = np.clip(np.rint(columns + step * math.cos(angle)).astype(int), 0, values.shape[1] - 1)
        total += values[r, c]
    return total / len(steps)


def _sampled(grid, x, y, across, along):
    """Return the grid's values at points, between the four around each."""
    column = np.clip(x * _GRID + math.ceil(across * _GRID), 0, grid.shape[1] - 1.001)
    row = np.clip(y * _GRID + math.ceil(along * _GRID), 0, grid.shape[0] - 1.001)
    c, r = column.astype(np.int64), row.astype(np.int64)
    s, t = column - c, row - r
    upper = grid[r, c] * (1 - s) + grid[r, c + 1] * s
    lower = grid[r + 1, c] * (1 - s) + grid[r + 1, c + 1] * s
    return upper * (1 - t) + lower * t
