"""Which texture shows where: regions with irregular borders that divide an image, and small ones laid upon them.

``cell`` and ``drift`` regions divide the image among themselves: each pixel goes to the highest score, which is
nearness to a middle with noise, or noise alone. ``blob``, ``scar`` and ``patch`` lie upon those before them, as
defects do.
Places and lengths are shares of the image's shorter side.
"""

import math

import numba
import numpy as np

from synthgen.texture.noise import smooth_noise

DIVIDING = ("cell", "drift")
LAID = ("blob", "scar", "patch")
# An image of several regions has such small ones upon it with this chance, each.
_LAID_SHARE = 0.4
# Scores are smooth: every fourth pixel is enough.
_STEP = 4


def sample_regions(rng: np.random.Generator, number: int) -> list[dict]:
    """Return random parameters of a number of regions; the first divides the image with those of its border.

    Returns
    -------
    list of dict
        ``border``, one of `DIVIDING` or `LAID`; ``at``, row and column of the middle, as shares of the image;
        ``reach``, half of the length and half of the width; ``angle``, degrees; ``rough``, how far the border is
        moved, and ``period``, the width of its bumps; ``seed`` of these.
    """
    dividing = DIVIDING[rng.integers(len(DIVIDING))]
    regions = []
    for place in range(number):
        is_laid = rng.random() < _LAID_SHARE
        which = LAID[rng.integers(len(LAID))]
        border = which if place > 0 and is_laid else dividing
        regions.append(_sample_region(rng, border))
    # those that are laid upon others come last
    return sorted(regions, key=lambda region: region["border"] in LAID)


def _sample_region(rng: np.random.Generator, border: str) -> dict:
    """Return random parameters of a region of a border."""
    down, right, size, shape, turn, rough, bumps = rng.random(7).tolist()
    length, width = _reach(border, size, shape)
    if border in DIVIDING:
        period = 0.15 * 3**bumps
        moved = 0.3 * rough * period
    else:
        period = 1.2 * width + 0.02
        moved = 0.4 * rough * width

    return {
        "border": border,
        "at": [round(down, 5), round(right, 5)],
        "reach": [round(length, 5), round(width, 5)],
        "angle": round(180 * turn, 3),
        "rough": round(moved, 5),
        "period": round(period, 5),
        "seed": int(rng.integers(2**62)),
    }


def _reach(border: str, size: float, shape: float) -> tuple[float, float]:
    """Return half of the length and half of the width of a region, made of two uniform numbers."""
    if border == "scar":
        return 0.1 * 4**size, 0.008 * 3**shape
    if border == "patch":
        return 0.02 * 4**size, 0.02 * 4**shape
    radius = 0.03 * 5**size
    return radius, radius * (0.5 + 0.5 * shape)


def draw_regions(regions: list[dict], size: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the number of the region on top of each pixel, and all that each region covers.

    Parameters
    ----------
    regions : list of dict
        As returned by `sample_regions`.
    size : (int, int)
        Height and width of the image.

    Returns
    -------
    top : ndarray of uint8, (H, W)
        1 for the first region.
    covers : list of ndarray of bool, (H, W)
        Pixels of each region, hidden by later ones or not.
    """
    if len(regions) == 1:
        return np.ones(size, np.uint8), [np.ones(size, np.bool_)]

    dividing = [region for region in regions if region["border"] in DIVIDING]
    scores = np.array([_score(region, size) for region in dividing])
    top = _highest(scores, size)
    covers = [top == number for number in range(1, len(dividing) + 1)]

    for number, region in enumerate(regions[len(dividing) :], len(dividing) + 1):
        covered = _laid(region, size)
        top[covered] = number
        covers.append(covered)
    return top, covers


def _places(size: tuple[int, int], rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of all pixels of some rows and columns, over the shorter side, float64 (N,)."""
    shorter = min(size)
    down = (rows + 0.5) / shorter
    right = (columns + 0.5) / shorter
    return np.repeat(down, len(columns)), np.tile(right, len(rows))


def _middle(region: dict, size: tuple[int, int]) -> tuple[float, float]:
    """Return row and column of the middle of a region, over the shorter side."""
    height, width = size
    down, right = region["at"]
    shorter = min(size)
    return down * height / shorter, right * width / shorter


def _score(region: dict, size: tuple[int, int]) -> np.ndarray:
    """Return how much a dividing region wants every fourth pixel, float64 (h, w), from edge to edge."""
    rows = np.arange(0, size[0] + _STEP, _STEP)
    columns = np.arange(0, size[1] + _STEP, _STEP)
    ys, xs = _places(size, rows, columns)
    score = smooth_noise(ys, xs, region["seed"], region["period"])
    if region["border"] == "cell":
        row, column = _middle(region, size)
        distance = np.sqrt((ys - row) ** 2 + (xs - column) ** 2)
        score = region["rough"] * score - distance
    return score.reshape(len(rows), len(columns))


@numba.njit(cache=True)
def _highest(scores, size):
    """Return the number, from 1, of the highest of several scores at each pixel, between every fourth of them."""
    height, width = size
    top = np.empty(size, np.uint8)
    for r in range(height):
        row = r // _STEP
        y = (r - row * _STEP) / _STEP
        for c in range(width):
            column = c // _STEP
            x = (c - column * _STEP) / _STEP
            best = -1e9
            for k in range(len(scores)):
                upper = _between(scores[k, row, column], scores[k, row, column + 1], x)
                lower = _between(scores[k, row + 1, column], scores[k, row + 1, column + 1], x)
                value = _between(upper, lower, y)
                if value > best:
                    best = value
                    top[r, c] = k + 1
    return top


@numba.njit(cache=True)
def _between(first, second, share):
    return first * (1 - share) + second * share


def _laid(region: dict, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a region that is laid upon others, bool (H, W)."""
    row, column = _middle(region, size)
    reach = 1.6 * sum(region["reach"])
    rows = _near(row, reach, size[0], size)
    columns = _near(column, reach, size[1], size)
    ys, xs = _places(size, rows, columns)

    turn = math.radians(region["angle"])
    cosine = round(math.cos(turn), 9)
    sine = round(math.sin(turn), 9)
    down = ys - row
    right = xs - column
    along = cosine * right + sine * down
    across = cosine * down - sine * right
    inside = _depth(region, along, across) > 0

    covered = np.zeros(size, np.bool_)
    covered[np.ix_(rows, columns)] = inside.reshape(len(rows), len(columns))
    return covered


def _near(middle: float, reach: float, side: int, size: tuple[int, int]) -> np.ndarray:
    """Return the rows (or columns) of an image within reach of a middle."""
    shorter = min(size)
    first = math.floor((middle - reach) * shorter)
    last = math.ceil((middle + reach) * shorter)
    return np.arange(max(first, 0), min(last, side))


def _depth(region: dict, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return how far places lie inside a laid region, given along its length and across; negative outside."""
    length, width = region["reach"]
    noise = smooth_noise(along, across, region["seed"], region["period"])
    if region["border"] == "patch":
        inside = np.minimum(length - np.abs(along), width - np.abs(across))
    elif region["border"] == "scar":
        # a thin line that bends, and thins out toward its ends
        straight = np.zeros(len(along))
        bend = 4 * width * smooth_noise(along, straight, region["seed"] + 1, length)
        place = np.abs(along) / length
        left = np.maximum(1 - place * place, 0)
        inside = width * np.sqrt(left) - np.abs(across - bend)
        inside[left == 0] = -1
    else:
        squares = (along / length) ** 2 + (across / width) ** 2
        inside = width * (1 - np.sqrt(squares))
    return inside + region["rough"] * noise
