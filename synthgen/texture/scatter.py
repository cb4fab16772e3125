"""Things that are scattered over the endless plane: which of them lie near a window, and in which of its tiles.

Things of one level live in the cells of a lattice, so many in each; what a thing is follows from the hash of its
cell and number alone. A window collects the things that may touch it and sorts them into tiles, so that a point
looks at the few of its own tile only.
"""

import math
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
        How far they reach: to the corner of a box around them, times this. 0 for round things: as far as they are
        long.
    """

    length: float
    spread: float
    corner: float


class Window(NamedTuple):
    """A box of the plane, divided into tiles.

    Attributes
    ----------
    top, left : float
        Its corner.
    side : float
        Of a tile.
    down, across : int
        Tiles in a column and in a row.
    """

    top: float
    left: float
    side: float
    down: int
    across: int


class Tiles(NamedTuple):
    """The things of each tile of a window.

    Attributes
    ----------
    window : Window
    starts, members : ndarray of int32
        Those of tile k are ``members[starts[k]:starts[k + 1]]``, those in front first.
    """

    window: Window
    starts: np.ndarray
    members: np.ndarray


# Columns of the table of things, float32 (n, 8): row and column of the middle; half of the width and of the length;
# cosine and sine of the direction of the length; a number in [0, 1); how far the thing reaches from its middle.
# While they are collected also its depth, 0 to 65,535, 0 in front.
ROW = 0
COLUMN = 1
RADIUS = 2
LENGTH = 3
COSINE = 4
SINE = 5
VALUE = 6
REACH = 7
_DEPTH = 8
_COLUMNS = 9
_DEPTHS = 65536
# From the middle of a square to its corner, over half of its side.
_DIAGONAL = 1.42


def gather(levels: list[Level], habit: Habit, box: tuple[float, float, float, float]) -> np.ndarray:
    """Return the table of the things that may touch a box (top, left, bottom, right), those in front first."""
    parts = [_of_level(level, habit, box) for level in levels]
    table = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return _in_front_first(table)


@numba.njit(cache=True)
def _in_front_first(table):
    """Return the table of things, sorted by their depth: 32 bytes each, half of a line of the cache."""
    starts = np.zeros(_DEPTHS + 1, np.int32)
    for n in range(len(table)):
        depth = np.int64(table[n, _DEPTH])
        starts[depth + 1] += 1
    for depth in range(_DEPTHS):
        starts[depth + 1] += starts[depth]

    # those of equal depth stay in their order
    things = np.empty((len(table), _DEPTH), np.float32)
    for n in range(len(table)):
        depth = np.int64(table[n, _DEPTH])
        place = starts[depth]
        starts[depth] += 1
        for column in range(_DEPTH):
            things[place, column] = table[n, column]
    return things


@numba.njit(cache=True)
def _of_level(level, habit, box):
    """Return the table of the things of a level."""
    top, left, bottom, right = box
    most = _DIAGONAL * level.most * habit.length
    first_row = _floor((top - most) / level.cell)
    last_row = _floor((bottom + most) / level.cell)
    first_column = _floor((left - most) / level.cell)
    last_column = _floor((right + most) / level.cell)

    down = last_row - first_row + 1
    across = last_column - first_column + 1
    table = np.empty((down * across * level.number, _COLUMNS))
    n = 0
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            bits = hashed(level.seed, row, column)
            for _ in range(level.number):
                thing = table[n]
                bits = _fill_thing(thing, bits, level, habit, row, column)
                reach = thing[REACH]
                above = thing[ROW] < top - reach
                below = thing[ROW] > bottom + reach
                before = thing[COLUMN] < left - reach
                behind = thing[COLUMN] > right + reach
                if not (above or below or before or behind):
                    n += 1
    return table[:n]


@numba.njit(cache=True)
def _floor(value):
    return np.int64(np.floor(value))


@numba.njit(cache=True)
def _fill_thing(thing, bits, level, habit, row, column):
    """Fill a row of the table with the next thing of a cell; return the bits that the one after it starts from."""
    bits = mix(bits)
    thing[ROW] = level.cell * (row + first_share(bits))
    thing[COLUMN] = level.cell * (column + second_share(bits))
    thing[_DEPTH] = _DEPTHS * third_share(bits)

    bits = mix(bits)
    radius = level.least + (level.most - level.least) * first_share(bits)
    longer = (habit.length - 1) * second_share(bits)
    length = radius * (1 + longer)
    thing[RADIUS] = radius
    thing[LENGTH] = length
    thing[VALUE] = third_share(bits)
    thing[REACH] = length
    if habit.corner > 0:
        thing[REACH] = habit.corner * np.sqrt(radius * radius + length * length)

    bits = mix(bits)
    # a half-turn is half of a wave
    turns = 0.5 * habit.spread * (first_share(bits) - 0.5)
    thing[COSINE] = wave(turns + 0.25)
    thing[SINE] = wave(turns)
    return bits


@numba.njit(cache=True)
def into_tiles(things, box, side, margin):
    """Return the `Tiles` of a box: a thing is in every tile that it may touch, or come nearer to than a margin."""
    top, left, bottom, right = box
    down = np.int64((bottom - top) / side) + 1
    across = np.int64((right - left) / side) + 1
    window = Window(top, left, side, down, across)
    tiles = down * across
    found, ends, starts = _found(things, window, margin)
    for k in range(tiles):
        starts[k + 1] += starts[k]

    # the tiles of each thing become the things of each tile
    members = np.empty(starts[tiles], np.int32)
    places = starts.copy()
    begin = 0
    for n in range(len(things)):
        for p in range(begin, ends[n]):
            k = found[p]
            members[places[k]] = n
            places[k] += 1
        begin = ends[n]
    return Tiles(window, starts, members)


@numba.njit(cache=True)
def _found(things, window, margin):
    """Return the tiles that things may touch, where those of each thing end, and the counts, moved by one tile."""
    tiles = window.down * window.across
    counts = np.zeros(tiles + 1, np.int32)
    ends = np.empty(len(things), np.int64)
    found = np.empty(8 * len(things) + tiles, np.int32)
    end = 0
    for n in range(len(things)):
        # room for the whole window
        if end + tiles > len(found):
            larger = np.empty(2 * len(found), np.int32)
            larger[:end] = found[:end]
            found = larger
        end = _visit(things, n, window, margin, found, end, counts)
        ends[n] = end
    return found, ends, counts


@numba.njit(cache=True)
def _visit(things, n, window, margin, found, end, counts):
    """Write down the tiles that a thing may touch, from `end` on, and count it in each; return the new end."""
    length = things[n, REACH] + margin
    radius = min(things[n, RADIUS] + margin, length)
    cosine = things[n, COSINE]
    sine = things[n, SINE]
    side = window.side
    y = things[n, ROW] - window.top
    x = things[n, COLUMN] - window.left

    # the box around it, which a circle around it may cut short
    tall = abs(sine) * length + abs(cosine) * radius
    wide = abs(cosine) * length + abs(sine) * radius
    tall = min(tall, length)
    wide = min(wide, length)
    first_row = max(0, _floor((y - tall) / side))
    last_row = min(window.down - 1, _floor((y + tall) / side))
    first_column = max(0, _floor((x - wide) / side))
    last_column = min(window.across - 1, _floor((x + wide) / side))

    # of a long thing, only tiles along it
    near = radius + _DIAGONAL * side / 2
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            down = (row + 0.5) * side - y
            right = (column + 0.5) * side - x
            across = cosine * down - sine * right
            if abs(across) > near:
                continue
            k = row * window.across + column
            found[end] = k
            end += 1
            counts[k + 1] += 1
    return end


@numba.njit(cache=True)
def by_tile(window, rows, columns):
    """Return points of a window tile by tile, so that those of a tile meet its things together.

    Returns
    -------
    order : ndarray of int32, (N,)
        Numbers of the points.
    starts : ndarray of int32
        Those of tile k are ``order[starts[k]:starts[k + 1]]``.
    rows, columns : ndarray of float64, (N,)
        In that order.
    """
    tiles = window.down * window.across
    starts = np.zeros(tiles + 1, np.int32)
    of_points = np.empty(len(rows), np.int32)
    for i in range(len(rows)):
        k = tile_at(window, rows[i], columns[i])
        of_points[i] = k
        starts[k + 1] += 1
    for k in range(tiles):
        starts[k + 1] += starts[k]

    order = np.empty(len(rows), np.int32)
    ys = np.empty(len(rows))
    xs = np.empty(len(rows))
    places = starts.copy()
    for i in range(len(rows)):
        k = of_points[i]
        place = places[k]
        places[k] += 1
        order[place] = i
        ys[place] = rows[i]
        xs[place] = columns[i]
    return order, starts, ys, xs


@numba.njit(cache=True)
def tile_at(window, y, x):
    """Return the number of the tile at a place."""
    row = np.int64((y - window.top) / window.side)
    column = np.int64((x - window.left) / window.side)
    return row * window.across + column


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
    count = max(1, round(math.log2(span)))
    ratio = span ** (1 / count)
    weights = [ratio ** (number * exponent) for number in range(count)]
    levels = []
    for number, weight in enumerate(weights):
        share = weight / sum(weights)
        own_seed = derived(seed, number)
        most = ratio**-number
        levels.append(_level(own_seed, most / ratio, most, share * cover))
    return levels


def _level(seed: np.uint64, least: float, most: float, cover: float) -> Level:
    """Return a level of things of a range of radii that cover the plane `cover` times."""
    mean_square = (most * most + most * least + least * least) / 3
    density = cover / (math.pi * mean_square)

    # a whole number in a cell of about the size of a thing; the side gives the rest
    square = 4 * most * most
    number = max(1, round(density * square))
    cell = math.sqrt(number / density)
    return Level(seed, round(cell, 9), number, round(least, 9), round(most, 9))
