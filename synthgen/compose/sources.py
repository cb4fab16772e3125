"""What fills a defect: the anomaly sources of cut-paste (Tao et al. 2024, section IV-A).

A color, or a piece of a picture: moved, turned and jittered as in CutPaste (Li et al., CVPR 2021), from the same
image or another, or from the mirrored place of another (the structural anomaly of capsules by Tao et al.).
"""

import numba
import numpy as np

SOURCES = ("color", "image", "piece", "structural")
# By how much pieces are brighter or darker than they were: a piece of gravel on gravel is not seen without it.
BRIGHTNESS = (0.2, 0.5)
# What some source has; all others have null there, since all samples of a data set have the same keys.
_DRAWN = ("color", "center", "turn", "gain")
_KEYS = (*_DRAWN, "name", "sha256")


def sample_source(
    rng: np.random.Generator,
    kind: str,
    turned: bool = True,
    brightness: tuple[float, float] = BRIGHTNESS,
    jitter: float = 0.1,
) -> dict:
    """Return random parameters of an anomaly source.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        ``color``; ``image``, a piece of another image; ``piece``, one of the same image; ``structural``, what
        another image has at the mirrored place, left for right; ``cutout``, what was cut out with its mask.
    turned : bool
        Whether pieces are turned by any angle.
    brightness : (float, float)
        Range of the share by which a piece is made brighter or darker, as likely the one as the other.
    jitter : float
        Each channel of a piece is moreover made brighter or darker by up to this share.

    Returns
    -------
    dict
        ``source`` and, for a color, ``color``; for pieces ``center`` (shares of height and width), ``turn`` and
        ``gain``; what only other sources have is None.
    """
    columns = sample_sources(rng, kind, 1, turned, brightness, jitter)
    return {"source": kind, **dict.fromkeys(_KEYS), **row_of(columns, 0)}


def sample_sources(
    rng: np.random.Generator,
    kind: str,
    count: int,
    turned: bool = True,
    brightness: tuple[float, float] = BRIGHTNESS,
    jitter: float = 0.1,
) -> dict:
    """Return random parameters of so many anomaly sources, as columns: what `sample_source` draws of each.

    One by one, as many as a defect may need would take as long as drawing it.

    Returns
    -------
    dict
        ``color``, ``center``, ``turn`` and ``gain``, each a list of `count` values or None.
    """
    shares = rng.random((count, 8))
    columns = dict.fromkeys(_DRAWN)
    if kind == "color":
        levels = 256 * shares[:, :3]
        columns["color"] = levels.astype(int).tolist()
    elif kind not in ("structural", "cutout"):
        straight = [[1.0, 0.0]] * count
        columns["center"] = np.round(shares[:, :2], 6).tolist()
        columns["turn"] = _turns(shares[:, 2]) if turned else straight
        columns["gain"] = _gains(shares[:, 3:], brightness, jitter)
    return columns


def row_of(columns: dict, number: int) -> dict:
    """Return one of the sources that columns hold: its ``color``, ``center``, ``turn`` and ``gain``, or None."""
    row = {}
    for name in _DRAWN:
        column = columns[name]
        row[name] = None if column is None else column[number]
    return row


def _turns(shares: np.ndarray) -> list[list[float]]:
    """Return cosine and sine of any angles, each made of a uniform number; rounded."""
    angles = 2 * np.pi * shares
    cosines = np.cos(angles)
    sines = np.sin(angles)
    turns = np.stack([cosines, sines], axis=1)
    return np.round(turns, 6).tolist()


def _gains(shares: np.ndarray, brightness: tuple[float, float], jitter: float) -> list[list[float]]:
    """Return the gains of the channels, each three made of five uniform numbers; rounded."""
    low, high = brightness
    sizes = low + (high - low) * shares[:, 0]
    changes = np.where(shares[:, 1] < 0.5, sizes, -sizes)
    noise = jitter * (2 * shares[:, 2:] - 1)
    gains = 1 + changes[:, None] + noise
    rounded = np.round(gains, 4)
    return np.maximum(rounded, 0).tolist()


def draw_source(params: dict, clean: np.ndarray, cover: np.ndarray, top: int, left: int, find=None) -> np.ndarray:
    """Return the pixels that are pasted.

    Parameters
    ----------
    params : dict
        As returned by `sample_source`; ``sha256`` names another image.
    clean : ndarray of uint8, (H, W, C)
        The normal image.
    cover : ndarray of uint8, (h, w)
        Only where it is not 0 is anything drawn.
    top, left : int
        Where the cover lies in the image.
    find : callable, optional
        Returns the pixels, of the shape of `clean`, for a ``sha256``.

    Returns
    -------
    ndarray of uint8, (1, 1, C) for a color, or (h, w, C)
    """
    height, width, channels = clean.shape
    if params["source"] == "color":
        levels = params["color"][:channels]
        color = np.array(levels, dtype=np.uint8)
        return color.reshape(1, 1, channels)

    digest = params.get("sha256")
    picture = clean if digest is None else find(digest)
    picture = read_only(picture)

    if params["source"] == "structural":
        # the same rows; columns moved, not flipped, so that the window lies where its mirror image would
        rows, columns = cover.shape
        mirrored_left = width - left - columns
        row = top + rows // 2
        column = mirrored_left + columns // 2
        straight = 1.0, 0.0
        unchanged = np.ones(channels)
        return _piece(picture, cover, (row, column), straight, unchanged)

    down, right = params["center"]
    row = int(down * height)
    column = int(right * width)
    turn = tuple(params["turn"])
    gains = params["gain"][:channels]
    gain = np.array(gains)
    return _piece(picture, cover, (row, column), turn, gain)


def read_only(picture: np.ndarray) -> np.ndarray:
    """Return a view that is not to be written to: the loops are then compiled once, for such arrays alone."""
    view = picture.view()
    view.flags.writeable = False
    return view


@numba.njit(cache=True)
def _mirror(position, side):
    """Reflect a position into 0..side - 1."""
    period = 2.0 * (side - 1)
    position = abs(position) % period
    mirrored = period - position
    return min(position, mirrored)


@numba.njit(cache=True)
def _piece(picture, cover, center, turn, gain):
    """Return a turned piece of a picture around a pixel, bilinear; beyond its border the picture is reflected."""
    height, width, channels = picture.shape
    rows, columns = cover.shape
    center_row, center_column = center
    cosine, sine = turn
    shape = rows, columns, channels
    piece = np.zeros(shape, np.uint8)

    for r in range(rows):
        for c in range(columns):
            if cover[r, c] == 0:
                continue

            down = r - rows // 2
            right = c - columns // 2
            y = center_row + cosine * down - sine * right
            x = center_column + sine * down + cosine * right
            y = _mirror(y, height)
            x = _mirror(x, width)
            _fill_bilinear(piece, r, c, picture, y, x, gain)

    return piece


@numba.njit(cache=True)
def _fill_bilinear(piece, r, c, picture, y, x, gain):
    """Fill a pixel with that of a picture at a place between four others, times a gain for each channel."""
    height, width, channels = picture.shape
    last_row = height - 2
    last_column = width - 2
    above = min(int(y), last_row)
    left = min(int(x), last_column)
    below = above + 1
    right = left + 1
    y = y - above
    x = x - left

    for k in range(channels):
        upper_left = picture[above, left, k]
        upper_right = picture[above, right, k]
        lower_left = picture[below, left, k]
        lower_right = picture[below, right, k]

        upper = _mixed(upper_left, upper_right, x)
        lower = _mixed(lower_left, lower_right, x)
        value = _mixed(upper, lower, y) * gain[k]
        value = min(value, 255.0)
        piece[r, c, k] = int(value + 0.5)


@numba.njit(cache=True)
def _mixed(first, second, share):
    return first * (1 - share) + second * share
