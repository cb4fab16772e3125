"""Brushed metal: parallel streaks of many lengths and depths.

The texture is a table in plate coordinates, fine across the brushing and coarse along it. It holds two values: the
slope of the surface across the brushing, which moves what a streak mirrors, and a change of its reflectance.
"""

import numba
import numpy as np

from synthgen.seeding import noise_generator

# Cells of the table across and along the brushing, mm.
ACROSS, ALONG = 0.05, 1.0
# Half of what the table covers, mm: a plate of 100 x 120 mm, turned by up to 5 degrees, and some more.
_HALF = (62.0, 68.0)
# Grain of the brush: width of a streak in cells, and share of its variance.
_GRAIN = ((1, 0.5), (4, 0.3), (40, 0.2))


def sample_brushed(rng: np.random.Generator) -> dict:
    """Draw the parameters of a brushed surface (the parallel texture of paper 002, section V-A).

    Returns
    -------
    dict
        ``direction``, degrees from the columns' axis; ``length`` of the streaks, mm; ``slope`` and ``contrast``,
        the standard deviations of slope and relative reflectance; ``marks``, the number of single deeper strokes,
        and ``mark_depth`` in standard deviations; ``roughness`` of the facets along and across the brushing;
        ``reflectance`` in [0, 1]; ``seed``.
    """
    u = rng.random(9).tolist()
    return {
        "direction": round(6 * u[0] - 3, 3),
        "length": round(6 + 20 * u[1], 3),
        "slope": round(0.004 + 0.005 * u[2], 6),
        "contrast": round(0.03 + 0.03 * u[3], 5),
        "marks": 300 + int(1200 * u[4]),
        "mark_depth": round(1.0 + 1.2 * u[5], 3),
        "roughness": [round(0.006 + 0.005 * u[6], 5), round(0.022 + 0.022 * u[7], 5)],
        "reflectance": round(0.82 + 0.12 * u[8], 4),
        "seed": int(rng.integers(2**63)),
    }


def streaks(params: dict, pitch: float) -> np.ndarray:
    """Return the table of a brushed surface.

    Parameters
    ----------
    params : dict
        As returned by `sample_brushed`.
    pitch : float
        Side of a pixel, mm: the table is averaged over what one pixel sees.

    Returns
    -------
    ndarray of float32, (across, along, 2)
        Slope across the brushing, and relative change of reflectance; the middle of the plate is the middle of
        the table.
    """
    rng = noise_generator(params["seed"])
    rows, columns = (1 + 2 * int(half / step) for half, step in zip(_HALF, (ACROSS, ALONG), strict=True))
    # one channel after the other, along the brushing first: each streak goes on from column to column
    table = np.zeros((columns, 2, rows), np.float32)
    for width, share in _GRAIN:
        fine = _grain(rng, columns, -(-rows // width) + 2, ALONG / (params["length"] * min(width, 8)))
        _spread(fine, width, np.float32(share**0.5), table)
    _stroke(_marks(rng, params, rows, columns), table)
    table = _averaged(table, max(1, round(pitch / ACROSS)))
    table[:, 0] *= np.float32(params["slope"])
    table[:, 1] *= np.float32(params["contrast"])
    return np.ascontiguousarray(table.transpose(2, 0, 1))


def _grain(rng, columns: int, rows: int, forgetting: float) -> np.ndarray:
    """Return unit noise, float32 (columns, 2, rows), whose correlation dies off along the columns."""
    noise = rng.random((columns, 2, rows), dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(12**0.5)
    keep = np.float32(round(1 / (1 + forgetting), 6))
    noise[1:] *= np.float32(round(float(np.sqrt(1 - keep * keep)), 6))
    for column in range(1, columns):
        noise[column] += keep * noise[column - 1]
    return noise


@numba.njit(cache=True)
def _spread(fine, width, weight, table):
    """Add noise to the table, each of its rows drawn over `width` rows."""
    step = np.float32(1) / np.float32(width)
    for column in range(table.shape[0]):
        for channel in range(2):
            source, line = fine[column, channel], table[column, channel]
            for r in range(line.size):
                k = r // width
                line[r] += weight * (source[k] + step * np.float32(r % width) * (source[k + 1] - source[k]))


def _marks(rng, params: dict, rows: int, columns: int) -> np.ndarray:
    """Return strokes, float64 (n, 5): row, first and last column, depth, half the width in rows."""
    u = rng.random((params["marks"], 5))
    length = (8 + 80 * u[:, 2] * u[:, 2]) / ALONG
    first = u[:, 1] * (columns + length) - length
    depth = (0.3 + 0.7 * u[:, 3]) * params["mark_depth"] * np.where(u[:, 3] * 7 % 1 < 0.65, -1, 1)
    return np.stack([u[:, 0] * rows, first, first + length, depth, 1 + u[:, 4]], axis=1)


@numba.njit(cache=True)
def _stroke(marks, table):
    """Add strokes to the table: they fade in and out, one flank faces the light, the other turns away."""
    columns, rows = table.shape[0], table.shape[2]
    for k in range(len(marks)):
        row, first, last, depth, half = marks[k]
        for column in range(max(0, int(first) + 1), min(columns, int(last) + 1)):
            t = (column - first) / (last - first)
            fade = min(1.0, 4 * t, 2 * (1 - t))
            for r in range(max(0, int(row - half) + 1), min(rows, int(row + half) + 1)):
                side = (r - row) / half
                table[column, 0, r] += np.float32(depth * fade * side * 1.5)
                table[column, 1, r] += np.float32(depth * fade * (1 - side * side))


def _averaged(table: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of `count` neighbours along the last axis."""
    if count == 1:
        return table
    rows = table.shape[-1]
    before = (count - 1) // 2
    padded = np.pad(table, ((0, 0), (0, 0), (before + 1, count - 1 - before)), mode="edge")
    sums = np.cumsum(padded, axis=-1, dtype=np.float64)
    return ((sums[..., count : count + rows] - sums[..., :rows]) / count).astype(np.float32)
