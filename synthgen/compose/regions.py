"""Where the part lies in images of parts before a plain background: the region of cut-paste's ``region auto``."""

import numba
import numpy as np

# Share of the shorter side that the border of an image is wide: there lies the background.
_BORDER = 1 / 32
# A pixel belongs to the part if it differs from the background by so many spreads, and by so many gray levels.
_SPREADS = 6.0
_LEVELS = 12.0
# The spread of normal noise is this many times its median deviation.
_OF_MEDIAN = 1.4826
# Pixels at the border this far from their median may be the part; how often a plane is fitted to the others.
_FAR = 32.0
_FITS = 3
# Gaps of twice this share of the shorter side are closed.
_GAP = 0.02
# A region that takes another share of the image than these is no part before a background.
_SMALLEST = 0.02
_LARGEST = 0.95


def measure_background(pictures: list[np.ndarray]) -> dict:
    """Return how far the background of pictures spreads about its own even slope.

    Parameters
    ----------
    pictures : list of ndarray of uint8, (H, W, C)

    Returns
    -------
    dict
        ``spread``, its robust standard deviation along the borders of all pictures, for each channel.
    """
    deviations = []
    for picture in pictures:
        border = _border_of(picture.shape[:2])
        differences = picture - _background_of(picture)
        deviations.append(np.abs(differences[border]))

    middle = np.median(np.concatenate(deviations), axis=0)
    spread = _OF_MEDIAN * middle
    return {"spread": np.round(spread, 2).tolist()}


def part_region(picture: np.ndarray, background: dict) -> np.ndarray | None:
    """Return where a picture shows the part: what differs from the background, and holes in it.

    Parameters
    ----------
    picture : ndarray of uint8, (H, W, C)
    background : dict
        As returned by `measure_background`.

    Returns
    -------
    ndarray of bool, (H, W), or None
        None where no part stands out, or where hardly any background is seen.
    """
    spread = np.array(background["spread"])
    differences = np.abs(picture - _background_of(picture))
    least = np.maximum(_SPREADS * spread, _LEVELS)
    stands_out = (differences > least).any(axis=2)

    region = _closed(_mostly(stands_out))
    share = region.mean()
    if not _SMALLEST <= share <= _LARGEST:
        return None
    return region


def _border_of(size: tuple[int, int]) -> np.ndarray:
    """Return the pixels at the border of an image, bool (H, W)."""
    height, width = size
    wide = max(1, round(min(height, width) * _BORDER))
    border = np.ones(size, np.bool_)
    border[wide : height - wide, wide : width - wide] = False
    return border


def _background_of(picture: np.ndarray) -> np.ndarray:
    """Return the background of a picture without the part, a plane through its border: float64 (H, W, C)."""
    height, width, channels = picture.shape
    rows = np.linspace(-1, 1, height)[:, None]
    columns = np.linspace(-1, 1, width)
    places = [np.broadcast_to(axis, (height, width)) for axis in (np.ones(1), rows, columns)]
    border = _border_of((height, width))
    own = np.stack([place[border] for place in places], axis=1)

    plane = np.empty(picture.shape)
    for channel in range(channels):
        levels = picture[..., channel][border].astype(np.float64)
        slope = _fitted(own, levels)
        plane[..., channel] = slope[0] + slope[1] * rows + slope[2] * columns
    return plane


def _fitted(places: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the plane through levels at places (1, row, column), without those that lie far off it."""
    middle = np.median(levels)
    near = np.abs(levels - middle) <= _FAR
    slope = np.array([middle, 0.0, 0.0])
    for _ in range(_FITS):
        slope, *_ = np.linalg.lstsq(places[near], levels[near], rcond=None)
        off = np.abs(levels - places @ slope)
        near = off <= max(_OF_MEDIAN * _SPREADS * np.median(off), 1.0)
    # last bits of linear algebra differ between machines
    return np.round(slope, 4)


def _mostly(mask: np.ndarray) -> np.ndarray:
    """Return the pixels around which at least four of nine are in a mask: single pixels and thin lines go."""
    height, width = mask.shape
    padded = np.pad(mask, 1, mode="edge").astype(np.uint8)
    count = np.zeros((height, width), np.uint8)
    for down in range(3):
        for right in range(3):
            count += padded[down : down + height, right : right + width]
    return count >= 4


def _closed(mask: np.ndarray) -> np.ndarray:
    """Return a mask with its holes and narrow gaps filled: where a part has the color of the background."""
    height, width = mask.shape
    reach = max(1, round(min(height, width) * _GAP))
    # the image goes on beyond its border as it ends there
    padded = np.pad(mask, reach, mode="edge")
    grown = _grown(padded, reach)
    filled = _without_holes(grown)
    shrunk = ~_grown(~filled, reach)
    return shrunk[reach : reach + height, reach : reach + width]


def _grown(mask: np.ndarray, reach: int) -> np.ndarray:
    """Return a mask grown by so many pixels along both axes."""
    grown = mask.copy()
    for axis in (0, 1):
        rows = np.moveaxis(grown, axis, 0)
        before = rows.copy()
        for step in range(1, reach + 1):
            rows[step:] |= before[:-step]
            rows[:-step] |= before[step:]
    return grown


@numba.njit(cache=True)
def _without_holes(mask):
    """Return a mask and all that it encloses: what a flood from the border does not reach."""
    height, width = mask.shape
    outside = np.zeros((height, width), np.bool_)
    waiting = [(0, 0)]
    waiting.pop()

    for row in range(height):
        for column in range(width):
            at_border = row in (0, height - 1) or column in (0, width - 1)
            if at_border and not mask[row, column]:
                outside[row, column] = True
                waiting.append((row, column))

    while waiting:
        row, column = waiting.pop()
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            r = row + down
            c = column + right
            inside = 0 <= r < height and 0 <= c < width
            if inside and not mask[r, c] and not outside[r, c]:
                outside[r, c] = True
                waiting.append((r, c))

    return ~outside
