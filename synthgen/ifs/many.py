"""Many systems in one call: sampled, varied and drawn, each as `sample_system`, `scale_system` and `density` do it.

Of small images with few points, calls and checks take longer than the points.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba.cpython.unsafe.tuple import tuple_setitem

from synthgen.errors import UsageError
from synthgen.ifs.chaos import (
    _AROUND_POINTS,
    LANES,
    WANDERS,
    _counted,
    _fixed_point,
    _levels,
    _play,
    _workspace,
    gray_levels,
)
from synthgen.ifs.system import MAX_MAPS, UNIT, _contractions, _norm, _probabilities
from synthgen.philox import below, uniform

f32 = np.float32

# Words of a random stream that a system takes: its number of maps, which may be drawn again, and each map.
WORDS_OF_SYSTEM = 2 + 1 + 8 * MAX_MAPS
# ..and that its variation takes: a map and a factor, for each attempt.
ATTEMPTS = 4
WORDS_OF_SCALING = 2 * ATTEMPTS


class Games(NamedTuple):
    """Chaos games to be played.

    Attributes
    ----------
    maps : ndarray of float64, (n, most, 2, 3)
    lengths : ndarray of int64, (n,)
        How many maps each system has; the others are not used.
    seeds : ndarray of uint64, (n,)
    patches, orientations : ndarray of int64, (n,)
    windows : ndarray of float64, (n, 4)
        As for `density`.
    """

    maps: np.ndarray
    lengths: np.ndarray
    seeds: np.ndarray
    patches: np.ndarray
    orientations: np.ndarray
    windows: np.ndarray

    def some(self, chosen: np.ndarray) -> "Games":
        """Return the games of chosen numbers."""
        return Games(*(values[chosen] for values in self))


class Room(NamedTuple):
    """Where the coordinates of points are kept: with the state before the first point, and without it."""

    xs: np.ndarray
    ys: np.ndarray
    shown_xs: np.ndarray
    shown_ys: np.ndarray


def sample_systems(words: np.ndarray, maps: tuple[int, int], sigma: tuple[float, float]) -> tuple:
    """Draw many systems.

    Parameters
    ----------
    words : ndarray of uint64, (n, WORDS_OF_SYSTEM)
        The streams of the systems.
    maps, sigma
        As for `sample_system`.

    Returns
    -------
    maps : ndarray of float64, (n, most, 2, 3)
    lengths : ndarray of int64, (n,)
        How many maps each system has.
    """
    low, high = maps
    least, most = map(float, sigma)
    drawn = np.zeros((len(words), high, 2, 3))
    lengths = np.empty(len(words), np.int64)
    _sample_all(words, low, (least, most), drawn, lengths)
    return drawn, lengths


@numba.njit(cache=True)
def _sample_all(words, low, sigma, maps, lengths):
    least, most = sigma
    high = maps.shape[1]
    for i in range(len(words)):
        own = words[i]
        more, taken = below(own, high - low + 1)
        count = low + more
        lengths[i] = count

        end = taken + 1 + 8 * count
        numbers = uniform(own[taken:end])
        maps[i, :count] = _contractions(count, numbers, least, most)


def scale_systems(words: np.ndarray, maps: np.ndarray, lengths: np.ndarray, low=0.8, high=1.1) -> None:
    """Scale one map of each of many systems in place; `words`, uint64 (n, WORDS_OF_SCALING), are their chance."""
    _scale_all(uniform(words), maps, lengths, low, high)


@numba.njit(cache=True)
def _scale_all(shares, maps, lengths, low, high):
    width = high - low
    for i in range(len(maps)):
        for attempt in range(ATTEMPTS):
            map_share = shares[i, 2 * attempt]
            factor_share = shares[i, 2 * attempt + 1]
            k = int(map_share * lengths[i])
            factor = low + width * factor_share
            units = np.rint(maps[i, k] * (factor * UNIT))
            scaled = units / UNIT

            if _norm(scaled) < 1:
                maps[i, k] = scaled
                break


def densities(games: Games, size: tuple[int, int], points: int) -> np.ndarray:
    """Count the points of many chaos games.

    Parameters
    ----------
    games : Games
    size : (int, int)
        Height and width in pixels.
    points : int
        Of each game.

    Returns
    -------
    ndarray of uint32, (n, H, W)
        What `density` returns for each.

    Raises
    ------
    UsageError
        If the points of a system run to infinity.
    """
    counts = np.empty((len(games.seeds), *size), np.uint32)
    room = _room(points)
    for length in np.unique(games.lengths).tolist():
        chosen = np.flatnonzero(games.lengths == length)
        # the lengths of tuples are constants for the compiler
        row = (f32(0),) * 6
        rows = (row,) * length
        thresholds = (0,) * length
        own = games.some(chosen)
        if not _draw_all(rows, thresholds, own, room, _AROUND_POINTS, counts, chosen):
            raise UsageError(WANDERS)
    return counts


def _room(points: int) -> Room:
    """Return room for the points of a game, used again by each."""
    xs, ys = _workspace(points)
    end = LANES + points
    # the first row is the state before the first point
    shown_xs = xs.ravel()[LANES:end]
    shown_ys = ys.ravel()[LANES:end]
    return Room(xs, ys, shown_xs, shown_ys)


@numba.njit(cache=True)
def _draw_all(rows, thresholds, games, room, around, counts, places):
    """Fill ``counts[places]``, one image for each game; return whether all points stayed finite."""
    size = counts.shape[1:]

    for i in range(len(games.seeds)):
        maps = games.maps[i, : len(rows)]
        rows, thresholds = _as_constants(maps, rows, thresholds)
        start = _fixed_point(rows[0])
        _play(rows, thresholds, start, games.seeds[i], room.xs, room.ys)

        shown = games.windows[i]
        window = shown[0], shown[1], shown[2], shown[3]
        patch = games.patches[i]
        image = _counted(room.shown_xs, room.shown_ys, size, patch, around, window, games.orientations[i])
        if image.size == 0:
            return False
        counts[places[i]] = image
    return True


@numba.njit(cache=True)
def _as_constants(maps, rows, thresholds):
    """Return rows and thresholds of a system, as `_as_tuples` does; the arguments give their lengths."""
    shares = _probabilities(maps)
    reached = 0.0
    for k in range(len(rows)):
        threshold = np.int64(reached * 2.0**24)
        thresholds = tuple_setitem(thresholds, k, threshold)
        reached += shares[k]

        upper = maps[k, 0]
        lower = maps[k, 1]
        row = (f32(upper[0]), f32(upper[1]), f32(upper[2]), f32(lower[0]), f32(lower[1]), f32(lower[2]))
        rows = tuple_setitem(rows, k, row)
    return rows, thresholds


def gray_levels_of(counts: np.ndarray, least: int = 0) -> np.ndarray:
    """Return many counts, uint32 (n, H, W), as gray levels, uint8: what `gray_levels` returns for each."""
    levels = np.empty(counts.shape, np.uint8)
    if least:
        for image, own in zip(levels, counts, strict=True):
            image[:] = gray_levels(own, least)
        return levels

    peaks = counts.reshape(len(counts), -1).max(axis=1)
    gains = 255 / np.maximum(peaks, 1)
    _level_all(counts, gains, levels)
    return levels


@numba.njit(cache=True)
def _level_all(counts, gains, levels):
    for i in range(len(counts)):
        levels[i] = _levels(counts[i], gains[i], 0.0)
