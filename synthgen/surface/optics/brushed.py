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
    direction = 6 * u[0] - 3
    length = 6 + 20 * u[1]
    slope = 0.004 + 0.005 * u[2]
    contrast = 0.03 + 0.03 * u[3]
    marks = 300 + int(1200 * u[4])
    mark_depth = 1.0 + 1.2 * u[5]
    along = 0.006 + 0.005 * u[6]
    across = 0.022 + 0.022 * u[7]
    reflectance = 0.82 + 0.12 * u[8]

    return {
        "direction": round(direction, 3),
        "length": round(length, 3),
        "slope": round(slope, 6),
        "contrast": round(contrast, 5),
        "marks": marks,
        "mark_depth": round(mark_depth, 3),
        "roughness": [
            round(along, 5),
            round(across, 5),
        ],
        "reflectance": round(reflectance, 4),
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
        longer = min(width, _WIDEST)
        length = params["length"] * longer
        coarse_rows = -(-rows // width) + 2
        fine = _grain(rng, columns, coarse_rows, forgetting=ALONG / length)

        weight = f32(share**0.5)
        _spread(fine, width, weight, table)

    strokes = _strokes(rng, params, rows, columns)
    _add_strokes(strokes, table)

    seen_by_pixel = max(1, round(pitch / ACROSS))
    table = _averaged(table, seen_by_pixel)
    table[:, 0] *= f32(params["slope"])
    table[:, 1] *= f32(params["contrast"])
    by_rows = table.transpose(2, 0, 1)
    return np.ascontiguousarray(by_rows)


def _grain(rng, columns: int, rows: int, forgetting: float) -> np.ndarray:
    """Return unit noise, float32 (columns, 2, rows), whose correlation dies off along the columns."""
    noise = rng.random((columns, 2, rows), dtype=f32)
    noise -= f32(0.5)
    noise *= f32(12**0.5)

    keep = f32(round(1 / (1 + forgetting), 6))
    fresh = float(np.sqrt(1 - keep * keep))
    later = noise[1:]
    later *= f32(round(fresh, 6))
    for column in range(1, columns):
        before = noise[column - 1]
        noise[column] += keep * before
    return noise


@numba.njit(cache=True, nogil=True)
def _spread(fine, width, weight, table):
    """Add noise to the table, each of its rows drawn over `width` rows."""
    columns, channels, rows = table.shape
    step = f32(1) / f32(width)
    for column in range(columns):
        for channel in range(channels):
            source = fine[column, channel]
            line = table[column, channel]

            for r in range(rows):
                k = r // width
                share = step * f32(r % width)
                first = source[k]
                rise = source[k + 1] - first
                line[r] += weight * (first + share * rise)


def _strokes(rng, params: dict, rows: int, columns: int) -> np.ndarray:
    """Return strokes, float64 (n, 5): row, first and last column, depth, half the width in rows."""
    u = rng.random((params["marks"], 5))
    row = u[:, 0] * rows
    longer = u[:, 2]
    length = (8 + 80 * longer * longer) / ALONG
    first = u[:, 1] * (columns + length) - length

    # two of three are grooves, the others ridges; the digits of `u` after the first choose
    chance = u[:, 3]
    is_groove = chance * 7 % 1 < 0.65
    sign = np.where(is_groove, -1, 1)
    strength = 0.3 + 0.7 * chance
    depth = strength * params["mark_depth"] * sign

    parts = [
        row,
        first,
        first + length,
        depth,
        1 + u[:, 4],
    ]
    return np.stack(parts, axis=1)


@numba.njit(cache=True, nogil=True)
def _add_strokes(strokes, table):
    """Add strokes to the table: they fade in and out, one flank faces the light, the other turns away."""
    columns, _, rows = table.shape
    for k in range(len(strokes)):
        row, first, last, depth, half = strokes[k]
        first_column = max(0, int(first) + 1)
        last_column = min(columns, int(last) + 1)
        first_row = max(0, int(row - half) + 1)
        last_row = min(rows, int(row + half) + 1)

        for column in range(first_column, last_column):
            slopes = table[column, 0]
            changes = table[column, 1]
            share = (column - first) / (last - first)
            fade_in = 4 * share
            fade_out = 2 * (1 - share)
            strength = depth * min(1.0, fade_in, fade_out)

            for r in range(first_row, last_row):
                side = (r - row) / half
                crest = 1 - side * side
                slopes[r] += f32(strength * side * _FLANK)
                changes[r] += f32(strength * crest)


def _averaged(table: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of `count` neighbors along the last axis."""
    if count == 1:
        return table

    rows = table.shape[-1]
    before = (count - 1) // 2
    after = count - 1 - before
    none = (0, 0)
    room = (none, none, (before + 1, after))
    padded = np.pad(table, room, mode="edge")

    sums = np.cumsum(padded, axis=-1, dtype=np.float64)
    since = sums[..., :rows]
    until = sums[..., count : count + rows]
    means = (until - since) / count
    return means.astype(f32)
