"""Brushed metal: parallel streaks of many lengths and depths.

The texture is a table in plate coordinates, fine across the brushing and coarse along it. It holds two values: the
slope of the surface across the brushing, which moves what a streak mirrors, and a change of its reflectance.
"""

import numba
import numpy as np

from synthgen.seeding import noise_generator

f32 = np.float32

# Cells of the table across and along the brushing, mm.
ACROSS = 0.05
ALONG = 1.0
# Half of what the table covers, mm: a plate of 100 x 120 mm, turned by up to 5 degrees, and some more.
_HALF_ACROSS = 62.0
_HALF_ALONG = 68.0
# Grain of the brush: width of a streak in cells, and share of its variance.
_GRAIN = ((1, 0.5), (4, 0.3), (40, 0.2))
# A streak that is wider than this many cells is no longer than one of this width.
_WIDEST = 8
# How much brighter one flank of a stroke is than its middle is dark.
_FLANK = 1.5


def sample_brushed(rng: np.random.Generator) -> dict:
    """Draw the parameters of a brushed surface (the parallel texture of Mao et al. 2025, section V-A).

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict
        ``direction``, degrees from the columns' axis; ``length`` of the streaks, mm; ``slope`` and ``contrast``,
        the standard deviations of slope and relative reflectance; ``marks``, the number of single deeper strokes,
        and ``mark_depth`` in standard deviations; ``roughness`` of the facets along and across the brushing;
        ``reflectance`` in [0, 1]; ``seed``.
    """
    u = rng.random(9).tolist()
    along = round(0.006 + 0.005 * u[6], 5)
    across = round(0.022 + 0.022 * u[7], 5)

    return {
        "direction": round(6 * u[0] - 3, 3),
        "length": round(6 + 20 * u[1], 3),
        "slope": round(0.004 + 0.005 * u[2], 6),
        "contrast": round(0.03 + 0.03 * u[3], 5),
        "marks": 300 + int(1200 * u[4]),
        "mark_depth": round(1.0 + 1.2 * u[5], 3),
        "roughness": [along, across],
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
        Slope across the brushing, and relative change of reflectance. The middle of the plate is the middle of the
        table.
    """
    rng = noise_generator(params["seed"])
    rows = 1 + 2 * int(_HALF_ACROSS / ACROSS)
    columns = 1 + 2 * int(_HALF_ALONG / ALONG)
    # one channel after the other, along the brushing first: each streak goes on from column to column
    table = np.zeros((columns, 2, rows), f32)

    for width, share in _GRAIN:
        length = params["length"] * min(width, _WIDEST)
        coarse_rows = -(-rows // width) + 2
        fine = _grain(rng, columns, coarse_rows, ALONG / length)
        _spread(fine, width, f32(share**0.5), table)

    strokes = _strokes(rng, params, rows, columns)
    _add_strokes(strokes, table)

    table = _averaged(table, max(1, round(pitch / ACROSS)))
    table[:, 0] *= f32(params["slope"])
    table[:, 1] *= f32(params["contrast"])
    return np.ascontiguousarray(table.transpose(2, 0, 1))


def _grain(rng, columns: int, rows: int, forgetting: float) -> np.ndarray:
    """Return unit noise, float32 (columns, 2, rows), whose correlation dies off along the columns."""
    noise = rng.random((columns, 2, rows), dtype=f32)
    noise -= f32(0.5)
    noise *= f32(12**0.5)

    keep = f32(round(1 / (1 + forgetting), 6))
    fresh = float(np.sqrt(1 - keep * keep))
    noise[1:] *= f32(round(fresh, 6))
    for column in range(1, columns):
        noise[column] += keep * noise[column - 1]
    return noise


@numba.njit(cache=True)
def _spread(fine, width, weight, table):
    """Add noise to the table, each of its rows drawn over `width` rows."""
    step = f32(1) / f32(width)
    for column in range(table.shape[0]):
        for channel in range(2):
            source = fine[column, channel]
            line = table[column, channel]

            for r in range(line.size):
                k = r // width
                share = step * f32(r % width)
                line[r] += weight * (source[k] + share * (source[k + 1] - source[k]))


def _strokes(rng, params: dict, rows: int, columns: int) -> np.ndarray:
    """Return strokes, float64 (n, 5): row, first and last column, depth, half the width in rows."""
    u = rng.random((params["marks"], 5))
    length = (8 + 80 * u[:, 2] * u[:, 2]) / ALONG
    first = u[:, 1] * (columns + length) - length

    # two of three are grooves, the others ridges; the digits of `u` after the first choose
    sign = np.where(u[:, 3] * 7 % 1 < 0.65, -1, 1)
    strength = 0.3 + 0.7 * u[:, 3]
    depth = strength * params["mark_depth"] * sign

    parts = [
        u[:, 0] * rows,
        first,
        first + length,
        depth,
        1 + u[:, 4],
    ]
    return np.stack(parts, axis=1)


@numba.njit(cache=True)
def _add_strokes(strokes, table):
    """Add strokes to the table: they fade in and out, one flank faces the light, the other turns away."""
    columns = table.shape[0]
    rows = table.shape[2]
    for k in range(len(strokes)):
        row, first, last, depth, half = strokes[k]
        first_column = max(0, int(first) + 1)
        last_column = min(columns, int(last) + 1)
        first_row = max(0, int(row - half) + 1)
        last_row = min(rows, int(row + half) + 1)

        for column in range(first_column, last_column):
            share = (column - first) / (last - first)
            fade = min(1.0, 4 * share, 2 * (1 - share))
            strength = depth * fade

            for r in range(first_row, last_row):
                side = (r - row) / half
                table[column, 0, r] += f32(strength * side * _FLANK)
                table[column, 1, r] += f32(strength * (1 - side * side))


def _averaged(table: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of `count` neighbors along the last axis."""
    if count == 1:
        return table

    rows = table.shape[-1]
    before = (count - 1) // 2
    room = (before + 1, count - 1 - before)
    padded = np.pad(table, ((0, 0), (0, 0), room), mode="edge")

    sums = np.cumsum(padded, axis=-1, dtype=np.float64)
    until = sums[..., count : count + rows]
    means = (until - sums[..., :rows]) / count
    return means.astype(f32)
