"""Where water fell on a plate: a splash in each cell of a grid, made of drops that were round when they landed.

A splash is a drop, a puddle of several, or a run down the slope; large ones have satellites around them. Radii
follow a size law over two orders of magnitude. All is drawn from the seed and the cell, so that a splash does not
depend on what part of the plate is seen.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.splitmix import mix

u32, u64 = np.uint32, np.uint64

# Drops of the largest splash: the first one, and those of a puddle or run with its satellites.
MOST_DROPS = 1 + 11 + 9
# A splash reaches this many radii of its first drop from there, its drops included.
REACH = 6.5
# Shares of the splashes that are puddles and runs, and of those with satellites.
_PUDDLES = 0.2
_RUNS = 0.14
_WITH_SATELLITES = 0.45
# Drops below this radius, mm, land alone.
_LEAST_PUDDLE = 0.3
_LEAST_RUN = 0.7
_LEAST_SATELLITE = 0.04
# Numbers of the draws of a splash; those of its drops follow.
_X, _Y, _RADIUS, _KIND, _AGE, _STRENGTH, _INNER, _HAZE, _SATELLITES, _ANGLE, _COUNT, _LENGTH = range(12)
_DROPS = 16
_SATELLITE_DROPS = 116
_SIDE = 112
# Numbers that a drop has: see `Drops`.
_COLUMNS = 7
_UNIT = 2.0**-32
_LESS_OF_OLDER = 0.45
_LEAST_INNER = 0.35


class Splashes(NamedTuple):
    """The numbers of splashes, as compiled code takes them.

    Attributes
    ----------
    seed : uint64
    cell : float
        Side of a cell, mm.
    low, high : float
        Radii of the first drops, mm.
    even : bool
        Whether all radii are alike likely; else those of twice the radius are half as likely.
    older : float
        Share of the splashes that dried before the others fell.
    slope : (float, float)
        The way down, (x, y), of length 1.
    """

    seed: np.uint64
    cell: float
    low: float
    high: float
    even: bool
    older: float
    slope: tuple[float, float]


class Drops(NamedTuple):
    """Drops on a plate, arrays of float64 (n,).

    Attributes
    ----------
    x, y, radius : ndarray
        In mm.
    strength : ndarray
        How much the water left behind, about 1.
    inner : ndarray
        Depth of the second ring, as a share of the radius; 0 for none.
    haze : ndarray
        How much of it lies inside, about 1.
    older : ndarray
        1 for drops that dried before the others fell, else 0.
    """

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    strength: np.ndarray
    inner: np.ndarray
    haze: np.ndarray
    older: np.ndarray


class _Traits(NamedTuple):
    """What the drops of a splash have in common."""

    strength: float
    inner: float
    haze: float
    older: float


def drops_in(splashes: Splashes, window: tuple[float, float, float, float]) -> Drops:
    """Return the drops of all splashes that can reach a window.

    Parameters
    ----------
    splashes : Splashes
    window : (x0, y0, x1, y1)
        In mm.

    Returns
    -------
    Drops
        In the order of their cells, row by row.
    """
    x0, y0, x1, y1 = window
    reach = REACH * splashes.high
    begin = np.array([y0, x0])
    end = np.array([y1, x1])
    first = _cells_of(splashes, begin - reach)
    last = _cells_of(splashes, end + reach)

    nothing = np.empty((_COLUMNS, 0))
    count = _fill(splashes, first, last, nothing)
    table = np.empty((_COLUMNS, count))
    _fill(splashes, first, last, table)
    return Drops(*table)


def drops_of(splashes: Splashes, count: int) -> tuple[Drops, np.ndarray]:
    """Return the drops of some splashes, each about the middle of its first drop, and the splash of each drop.

    Parameters
    ----------
    splashes : Splashes
        Their cells count for their radii alone.
    count : int
        Of the splashes.

    Returns
    -------
    drops : Drops
    owners : ndarray of int64, (n,)
        Numbers of splashes, 0..count-1; ascending.
    """
    most = MOST_DROPS * count
    table = np.empty((_COLUMNS, most))
    owners = np.empty(most, np.int64)
    used = _fill_apart(splashes, count, table, owners)
    columns = table[:, :used]
    return Drops(*columns), owners[:used]


@numba.njit(cache=True)
def _fill_apart(splashes, count, table, owners):
    """Write the drops of splashes, each about its first drop; return how many there are."""
    used = 0
    for number in range(count):
        first = used
        used = _splash(splashes, number, 0, table, used)
        x = table[0, first]
        y = table[1, first]
        for n in range(first, used):
            table[0, n] -= x
            table[1, n] -= y
            owners[n] = number
    return used


def _cells_of(splashes: Splashes, places: np.ndarray) -> tuple[int, int]:
    """Return the row and the column of the cell of a place, (y, x) in mm."""
    row, column = np.floor(places / splashes.cell)
    return int(row), int(column)


@numba.njit(cache=True)
def _fill(splashes, first, last, table):
    """Write the drops of a box of cells where the table has room for them; return how many there are."""
    count = 0
    top, left = first
    bottom, right = last
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            count = _splash(splashes, row, column, table, count)
    return count


@numba.njit(cache=True)
def _draw(root, number):
    """Return the number-th draw of a splash, in the open interval (0, 1)."""
    bits = mix(root + u64(number))
    upper = u32(bits >> u64(32))
    middle = np.float64(upper) + 0.5
    return middle * _UNIT


@numba.njit(cache=True)
def _splash(splashes, row, column, table, count):
    """Write the drops of a cell after the first `count` of the table; return the new count."""
    root = mix(splashes.seed)
    root = mix(root + u64(row))
    root = mix(root + u64(column))

    across = column + _draw(root, _X)
    down = row + _draw(root, _Y)
    x = across * splashes.cell
    y = down * splashes.cell
    radius = _radius(splashes, _draw(root, _RADIUS))
    traits = _traits(splashes, root)

    count = _add(table, count, x, y, radius, traits)
    if radius < _LEAST_PUDDLE:
        return count

    place = (x, y, radius)
    kind = _draw(root, _KIND)
    if kind < _PUDDLES:
        count = _puddle(root, place, traits, table, count)
    elif kind < _PUDDLES + _RUNS and radius >= _LEAST_RUN:
        count = _run(root, splashes.slope, place, traits, table, count)
    if _draw(root, _SATELLITES) < _WITH_SATELLITES:
        count = _satellites(root, place, traits, table, count)
    return count


@numba.njit(cache=True)
def _traits(splashes, root):
    """Return what the drops of a splash have in common."""
    is_older = _draw(root, _AGE) < splashes.older
    older = 1.0 if is_older else 0.0
    left = 1.0 - _LESS_OF_OLDER * older
    much = _draw(root, _STRENGTH)
    strength = 0.6 + 0.7 * much * much

    # the outline of some was pinned again
    share = _draw(root, _INNER)
    depth = 0.07 + 0.32 * share
    inner = depth if share > _LEAST_INNER else 0.0
    film = _draw(root, _HAZE)
    return _Traits(
        strength=strength * left,
        inner=inner,
        haze=0.3 + 1.4 * film,
        older=older,
    )


@numba.njit(cache=True)
def _radius(splashes, share):
    """Return a radius, mm, by the size law."""
    low = splashes.low
    high = splashes.high
    if splashes.even:
        return low + (high - low) * share
    span = 1.0 - low / high
    return low / (1.0 - share * span)


@numba.njit(cache=True)
def _add(table, count, x, y, radius, traits):
    """Write a drop where the table has room for it; return the new count."""
    following = count + 1
    if following > table.shape[1]:
        return following

    drop = table[:, count]
    drop[0] = x
    drop[1] = y
    drop[2] = radius
    drop[3] = traits.strength
    drop[4] = traits.inner
    drop[5] = traits.haze
    drop[6] = traits.older
    return following


@numba.njit(cache=True)
def _towards(root, number):
    """Return a direction of length 1, by the rational points of a circle: sine and cosine differ between CPUs."""
    share = _draw(root, number)
    half = 2.0 * share - 1.0
    square = half * half
    whole = 1.0 + square
    x = (1.0 - square) / whole
    y = 2.0 * half / whole
    backwards = _draw(root, number + 1) >= 0.5
    if backwards:
        return -x, -y
    return x, y


@numba.njit(cache=True)
def _puddle(root, place, traits, table, count):
    """Write one to four further drops that run together with the first."""
    x, y, radius = place
    further = 4 * _draw(root, _COUNT)
    lobes = 1 + int(further)
    for n in range(lobes):
        number = _DROPS + 4 * n
        along, down = _towards(root, number)
        far = 0.5 + 0.75 * _draw(root, number + 2)
        away = far * radius
        across = x + along * away
        below = y + down * away

        small = 0.3 + 0.55 * _draw(root, number + 3)
        size = small * radius
        count = _add(table, count, across, below, size, traits)
    return count


@numba.njit(cache=True)
def _run(root, slope, place, traits, table, count):
    """Write the trail of a drop that ran down the slope, and the bead in which it stopped."""
    x, y, radius = place
    further = 7 * _draw(root, _COUNT)
    steps = 5 + int(further)
    last = steps - 1
    spacing = 0.55 + 0.3 * _draw(root, _LENGTH)
    drift = 0.5 * _draw(root, _ANGLE) - 0.25
    size = 0.66 * radius
    thinnest = 0.2 * radius
    for n in range(steps):
        number = _DROPS + 4 * n
        share = _draw(root, number)
        jerk = 2.0 * share - 1.0
        drift = 0.8 * drift + 0.2 * jerk

        # down the slope, and a little across it
        right = slope[0] - drift * slope[1]
        down = slope[1] + drift * slope[0]
        stride = spacing * size
        x += stride * right
        y += stride * down

        kept = 0.86 + 0.12 * _draw(root, number + 1)
        size = max(size * kept, thinnest)
        bead = 0.38 * radius if n == last else size
        count = _add(table, count, x, y, bead, traits)
    return count


@numba.njit(cache=True)
def _satellites(root, place, traits, table, count):
    """Write small drops that splashed off, most of them to one side."""
    x, y, radius = place
    further = 8 * _draw(root, _COUNT)
    most = 2 + int(further)
    side_x, side_y = _towards(root, _SIDE)
    for n in range(most):
        number = _SATELLITE_DROPS + 4 * n
        along, down = _towards(root, number)
        away = _draw(root, number + 2)
        far = 1.15 + 1.9 * away * away
        small = _draw(root, number + 3)
        share = 0.03 + 0.16 * small * small * small
        size = share * radius

        # halfway towards the side of the splash
        right = 0.7 * along + 0.5 * side_x
        ahead = 0.7 * down + 0.5 * side_y
        distance = far * radius
        across = x + distance * right
        below = y + distance * ahead
        if size >= _LEAST_SATELLITE:
            count = _add(table, count, across, below, size, traits)
    return count
