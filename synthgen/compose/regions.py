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
        size = picture.shape[:2]
        border = _border_of(size)
        differences = picture - _background_of(picture)
        deviation = np.abs(differences[border])
        deviations.append(deviation)

    together = np.concatenate(deviations)
    middle = np.median(together, axis=0)
    spread = np.round(_OF_MEDIAN * middle, 2)
    return {"spread": spread.tolist()}


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
    least = np.maximum(_SPREADS * spread, _LEVELS)
    differences = picture - _background_of(picture)
    sizes = np.abs(differences)
    stands_out = (sizes > least).any(axis=2)

    without_specks = _mostly(stands_out)
    region = _closed(without_specks)
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
    down = np.linspace(-1, 1, height)
    right = np.linspace(-1, 1, width)
    rows, columns = np.meshgrid(down, right, indexing="ij")
    border = _border_of((height, width))
    own = np.stack([np.ones(border.sum()), rows[border], columns[border]], axis=1)

    plane = np.empty(picture.shape)
    for channel in range(channels):
        levels = picture[..., channel]
        of_border = levels[border].astype(np.float64)
        middle, by_row, by_column = _fitted(own, of_border)
        slope = by_row * rows + by_column * columns
        plane[..., channel] = middle + slope
    return plane


def _fitted(places: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the plane through levels at places (1, row, column), without those that lie far off it."""
    middle = np.median(levels)
    near = np.abs(levels - middle) <= _FAR
    slope = np.array([middle, 0.0, 0.0])
    for _ in range(_FITS):
        slope, *_ = np.linalg.lstsq(places[near], levels[near], rcond=None)
        differences = levels - places @ slope
        off = np.abs(differences)
        spread = _OF_MEDIAN * np.median(off)
        near = off <= max(_SPREADS * spread, 1.0)
    # last bits of linear algebra differ between machines
    return np.round(slope, 4)


def _mostly(mask: np.ndarray) -> np.ndarray:
    """Return the pixels around which at least four of nine are in a mask: single pixels and thin lines go."""
    height, width = mask.shape
    padded = np.pad(mask, 1, mode="edge").astype(np.uint8)
    count = np.zeros((height, width), np.uint8)
    for down in range(3):
        for right in range(3):
            rows = slice(down, down + height)
            columns = slice(right, right + width)
            count += padded[rows, columns]
    return count >= 4


def _closed(mask: np.ndarray) -> np.ndarray:
    """Return a mask with its holes and narrow gaps filled: where a part has the color of the background."""
    height, width = mask.shape
    reach = max(1, round(min(height, width) * _GAP))
    # the image goes on beyond its border as it ends there
    padded = np.pad(mask, reach, mode="edge")
    grown = _grown(padded, reach)
    filled = _without_holes(grown)
    outside = _grown(~filled, reach)
    rows = slice(reach, reach + height)
    columns = slice(reach, reach + width)
    return ~outside[rows, columns]


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

    last_row = height - 1
    last_column = width - 1
    for row in range(height):
        for column in range(width):
            at_border = row in (0, last_row) or column in (0, last_column)
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
