"""What defects are filled with: the anomaly sources of cut-paste (paper 001 section IV-A).

A colour, or a piece of a picture: moved, turned and jittered as in CutPaste (Li et al., CVPR 2021), from the same
image or another, or from the mirrored place of another (the paper's structural anomaly of capsules).
"""

import numba
import numpy as np

from synthgen.compose.shapes import sample_turn

SOURCES = ("color", "image", "piece", "structural")
# By how much pieces are brighter or darker than they were: a piece of gravel on gravel is not seen without it.
BRIGHTNESS = (0.2, 0.5)


def sample_source(
    rng: np.random.Generator,
    kind: str,
    turned: bool = True,
    brightness: tuple[float, float] = BRIGHTNESS,
    jitter: float = 0.1,
) -> dict:
    """Draw the parameters of an anomaly source.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        ``color``; ``image``, a piece of another image; ``piece``, one of the same image; ``structural``, what
        another image has at the mirrored place, left for right.
    turned : bool
        Whether pieces are turned by any angle.
    brightness : (float, float)
        Range of the share by which a piece is made brighter or darker, as likely the one as the other.
    jitter : float
        Each channel of a piece is moreover made brighter or darker by up to this share.

    Returns
    -------
    dict
        ``source`` and, for a colour, ``color``; for pieces ``centre`` (shares of height and width), ``turn`` and
        ``gain``.
    """
    if kind == "color":
        return {"source": kind, "color": rng.integers(0, 256, 3).tolist()}
    centre, turn = np.round(rng.random(2), 6).tolist(), sample_turn(rng)
    change = rng.uniform(*brightness) * (1 if rng.random() < 0.5 else -1)
    gain = np.round(1 + change + rng.uniform(-jitter, jitter, 3), 4).clip(0).tolist()
    if kind == "structural":
        return {"source": kind}
    return {"source": kind, "centre": centre, "turn": turn if turned else [1.0, 0.0], "gain": gain}


def draw_source(params: dict, clean: np.ndarray, cover: np.ndarray, top: int, left: int, find=None) -> np.ndarray:
    """Draw what is pasted.

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
    ndarray of uint8, (1, 1, C) for a colour, or (h, w, C)
    """
    kind, channels = params["source"], clean.shape[2]
    if kind == "color":
        return np.array(params["color"][:channels], dtype=np.uint8).reshape(1, 1, channels)
    picture = read_only(find(params["sha256"]) if "sha256" in params else clean)
    rows, columns = cover.shape
    if kind == "structural":
        # the same rows; columns moved, not flipped, so that the window lies where its mirror image would
        centre = top + rows // 2, clean.shape[1] - left - columns + columns // 2
        return _piece(picture, cover, *centre, 1.0, 0.0, np.ones(channels))
    centre = int(params["centre"][0] * clean.shape[0]), int(params["centre"][1] * clean.shape[1])
    return _piece(picture, cover, *centre, *params["turn"], np.array(params["gain"][:channels]))


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
    return min(position, period - position)


@numba.njit(cache=True)
def _piece(picture, cover, row, column, cosine, sine, gain):
    """Return a turned piece of a picture around a pixel, bilinear; beyond its border the picture is reflected."""
    height, width, channels = picture.shape
    rows, columns = cover.shape
    out = np.zeros((rows, columns, channels), np.uint8)
    for r in range(rows):
        for c in range(columns):
            if cover[r, c] == 0:
                continue
            dy, dx = r - rows // 2, c - columns // 2
            y = _mirror(row + cosine * dy - sine * dx, height)
            x = _mirror(column + sine * dy + cosine * dx, width)
            y0, x0 = min(int(y), height - 2), min(int(x), width - 2)
            y, x = y - y0, x - x0
            for k in range(channels):
                upper = picture[y0, x0, k] * (1 - x) + picture[y0, x0 + 1, k] * x
                lower = picture[y0 + 1, x0, k] * (1 - x) + picture[y0 + 1, x0 + 1, k] * x
                value = (upper * (1 - y) + lower * y) * gain[k]
                out[r, c, k] = int(min(value, 255.0) + 0.5)
    return out
