"""Things that are scattered over the endless plane: which of them lie near a window, and in which of its tiles.

Things of one level live in the cells of a lattice, so many in each; what a thing is follows from the hash of its
cell and number alone. A window collects the things that may touch it and sorts them into tiles, so that a point looks at
the few of its own tile only.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.splitmix import mix
from synthgen.texture.lattice import derived, first_share, hashed, second_share, third_share, wave


class Level(NamedTuple):
    """Things of nearly one size.

    Attributes
    ----------
    seed : uint64
    cell : float
        Side of a cell of the lattice.
    number : int
        Things in a cell.
    least, most : float
        Range of their radius.
    """

    seed: np.uint64
    cell: float
    number: int
    least: float
    most: float


class Habit(NamedTuple):
    """How things of all levels are shaped.

    Attributes
    ----------
    length : float
        Half of the length over half of the width, at most.
    spread : float
        Share of a half-turn by which directions differ, 0..2.
    corner : float
        How far they reach: to the corner of a box around them, times this. Less than 1 / 1.41: they are round.
    """

    length: float
    spread: float
    corner: float


# Columns of the table of things, float64 (n, 8): row and column of the middle; half of the width; half of the length;
# cosine and sine of the direction of the length; a number in [0, 1); how far the thing reaches from its middle.
ROW = 0
COLUMN = 1
RADIUS = 2
LENGTH = 3
COSINE = 4
SINE = 5
VALUE = 6
REACH = 7
_DEPTH = 8


class Tiles(NamedTuple):
    """The things of each tile of a window: those of tile k are ``members[starts[k]:starts[k + 1]]``, those in
    front first.

    Attributes
    ----------
    top, left, side : float
        Corner of the first tile, and the side of all.
    across : int
        Tiles in a row.
    starts, members : ndarray of int32
    """

    top: float
    left: float
    side: float
    across: int
    starts: np.ndarray
    members: np.ndarray


def gather(levels: list[Level], habit: Habit, box: tuple[float, float, float, float]) -> np.ndarray:
    """Return the table of the things that may touch a box (top, left, bottom, right), those in front first."""
    parts = [_of_level(level, habit, box) for level in levels]
    table = np.concatenate(parts)
    # 16 bits of depth: NumPy sorts them by radix, 8 times faster than numbers with a point
    depths = table[:, _DEPTH].astype(np.uint16)
    order = np.argsort(depths, kind="stable")
    return table[order]


@numba.njit(cache=True)
def _of_level(level, habit, box):
    """Return the table of the things of a level, with a depth from 0 to 65,535."""
    top, left, bottom, right = box
    cell = level.cell
    reach = 1.42 * level.most * habit.length
    first_row = np.int64(np.floor((top - reach) / cell))
    last_row = np.int64(np.floor((bottom + reach) / cell))
    first_column = np.int64(np.floor((left - reach) / cell))
    last_column = np.int64(np.floor((right + reach) / cell))

    cells = (last_row - first_row + 1) * (last_column - first_column + 1)
    table = np.empty((cells * level.number, 9))
    n = 0
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            bits = hashed(level.seed, row, column)
            for _ in range(level.number):
                thing = table[n]
                bits = mix(bits)
                y = cell * (row + first_share(bits))
                x = cell * (column + second_share(bits))
                depth = third_share(bits)
                bits = mix(bits)
                radius = level.least + (level.most - level.least) * first_share(bits)
                length = radius * (1 + (habit.length - 1) * second_share(bits))
                value = third_share(bits)
                # before any is left out: the next thing must not depend on the window
                bits = mix(bits)
                far = habit.corner * np.sqrt(radius * radius + length * length)
                if habit.corner < 0.71:
                    far = length
                if y < top - far or y > bottom + far or x < left - far or x > right + far:
                    continue

                turn = habit.spread * (first_share(bits) - 0.5)
                thing[ROW] = y
                thing[COLUMN] = x
                thing[RADIUS] = radius
                thing[LENGTH] = length
                thing[COSINE] = wave(turn / 2 + 0.25)
                thing[SINE] = wave(turn / 2)
                thing[VALUE] = value
                thing[REACH] = far
                thing[_DEPTH] = 65536 * depth
                n += 1
    return table[:n]


@numba.njit(cache=True)
def into_tiles(things, box, side, margin):
    """Return the `Tiles` of a box: a thing is in every tile that its bounding circle may touch."""
    top, left, bottom, right = box
    down = np.int64((bottom - top) / side) + 1
    across = np.int64((right - left) / side) + 1
    counts = np.zeros(down * across + 1, np.int32)

    # twice over the things: count, then fill
    for n in range(len(things)):
        _visit(things, n, top, left, side, down, across, counts, counts, margin, False)
    for k in range(down * across):
        counts[k + 1] += counts[k]
    starts = counts.copy()
    members = np.empty(counts[down * across], np.int32)
    for n in range(len(things)):
        _visit(things, n, top, left, side, down, across, counts, members, margin, True)
    return Tiles(top, left, side, across, starts, members)


@numba.njit(cache=True)
def _visit(things, n, top, left, side, down, across, counts, members, extra, fills):
    """Count a thing in each tile that it may touch, or write its number there."""
    length = things[n, REACH] + extra
    radius = min(things[n, RADIUS] * 1.42 + extra, length)
    cosine = things[n, COSINE]
    sine = things[n, SINE]
    y = things[n, ROW] - top
    x = things[n, COLUMN] - left
    tall = abs(sine) * length + abs(cosine) * radius
    wide = abs(cosine) * length + abs(sine) * radius
    margin = radius + 0.71 * side

    first_row = max(0, np.int64(np.floor((y - tall) / side)))
    last_row = min(down - 1, np.int64(np.floor((y + tall) / side)))
    first_column = max(0, np.int64(np.floor((x - wide) / side)))
    last_column = min(across - 1, np.int64(np.floor((x + wide) / side)))
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            offset_y = (row + 0.5) * side - y
            offset_x = (column + 0.5) * side - x
            if abs(cosine * offset_y - sine * offset_x) > margin:
                continue

            k = row * across + column
            if fills:
                members[counts[k]] = n
                counts[k] += 1
            else:
                counts[k + 1] += 1


def box_of(rows: np.ndarray, columns: np.ndarray, margin: float) -> tuple[float, float, float, float]:
    """Return the box that holds all points and a margin around them."""
    top = float(rows.min()) - margin
    left = float(columns.min()) - margin
    bottom = float(rows.max()) + margin
    right = float(columns.max()) + margin
    return top, left, bottom, right


def power_law(seed: int, exponent: float, span: float, cover: float) -> list[Level]:
    """Return levels of things whose radius runs from 1 / span to 1, and which cover the plane `cover` times.

    The area that things of radius r cover falls as r to the power of `exponent` (0: all sizes cover as much).
    """
    count = max(1, round(np.log2(span)))
    ratio = span ** (1 / count)
    weights = [ratio ** (number * exponent) for number in range(count)]
    levels = []
    for number, weight in enumerate(weights):
        most = ratio**-number
        least = most / ratio
        share = cover * weight / sum(weights)
        # so many in a cell of side 2 * most, whole; the side gives the rest
        mean_area = 3.14159 * (most * most + most * least + least * least) / 3
        density = share / mean_area
        in_cell = max(1, round(density * 4 * most * most))
        cell = (in_cell / density) ** 0.5
        levels.append(Level(derived(seed, number), round(cell, 9), in_cell, round(least, 9), round(most, 9)))
    return levels
