"""Cut-paste anomalies: X~ = (1 - M) * X + M * A, with a bound on the difference (Tao et al. 2024, equation 16).

`synthgen.compose.shapes` has the masks M, `synthgen.compose.sources` the anomalies A; here they are put together.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from synthgen.compose import outlines
from synthgen.compose.bounded import Canvas, Patch, blend, visibility
from synthgen.compose.cutouts import draw_cutout
from synthgen.compose.shapes import draw_shape, sample_shape
from synthgen.compose.sources import BRIGHTNESS, draw_source, read_only, row_of, sample_source, sample_sources
from synthgen.errors import UsageError

_EVERYWHERE = np.ones((1, 1), dtype=np.bool_)


def sample_defect(
    rng: np.random.Generator,
    shape: str,
    source: str,
    area: tuple[float, float],
    severity: tuple[float, float] = (1.0, 1.0),
    soft: bool = False,
    brightness: tuple[float, float] = BRIGHTNESS,
    more: int = 0,
) -> dict:
    """Return random parameters of a defect, but for the files it is made of.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape, source : str
        As for `sample_shape` and `sample_source`; rectangles are moved without a turn, as in CutPaste.
    area : (float, float)
        Range of the share of the image.
    severity : (float, float)
        Range of the opacity, in (0, 1].
    soft : bool
        Whether its edges are blurred.
    brightness : (float, float)
        As for `sample_source`.
    more : int
        Further places and fillings, which are used in turn where the ones before them cannot be seen.

    Returns
    -------
    dict
        ``mask`` and ``anomaly``, the parameters of both sources; ``at``, where it goes, two numbers in [0, 1);
        ``severity``; ``blur``, a radius in thicknesses of the defect (half the width of a line), 0 for hard edges;
        ``again``, further places and fillings, each a list, or None; ``raised``, None before it is drawn.
    """
    down, right, opacity, softness = rng.random(4).tolist()
    low, high = severity
    turned = shape != "rectangles"
    softened = soft and shape != "cutouts"
    defect = {
        "mask": sample_shape(rng, shape, area),
        "anomaly": sample_source(rng, source, turned, brightness),
        "at": [round(down, 9), round(right, 9)],
        "severity": round(low + opacity * (high - low), 4),
        "blur": round(0.2 + 0.6 * softness, 4) if softened else 0.0,
        "again": None,
        "raised": None,
    }

    if more:
        places = rng.random((more, 2))
        fillings = sample_sources(rng, source, more, turned, brightness)
        defect["again"] = {"at": np.round(places, 9).tolist(), **fillings}
    return defect


def paste_defects(
    clean: np.ndarray,
    defects: list[dict],
    contrast: int = 1,
    region: np.ndarray | None = None,
    find: Callable[[str], np.ndarray] | None = None,
    find_mask: Callable[[str], np.ndarray] | None = None,
    least: int = 0,
    find_cutout: Callable[[str], np.ndarray] | None = None,
):
    """Return an image with defects in it, their ids, and what was measured of each.

    A pixel changes once at most: a defect goes under those before it.

    A defect whose mean difference would be under `least` takes the first of the places and fillings of its
    ``again`` that makes one. Where none does, the most visible of all is taken and each of its pixels is moved by
    that much: it is raised.

    Parameters
    ----------
    clean : ndarray of uint8, (H, W, C)
        The normal image; it is not changed.
    defects : list of dict
        As returned by `sample_defect`, at most 255; where they come from files, ``sha256`` of ``mask`` and
        ``anomaly`` is not None.
    contrast : int
        Bound on the difference, 1..127 gray levels: where a defect covers at least half of a pixel, the channel
        that differs most differs by this or more. Pixels that are nearer are moved away, along the mean
        difference of the defect. The bound falls to zero with the coverage of a soft edge.
    region : ndarray of bool, (H, W), optional
        Where pixels may change.
    find, find_mask, find_cutout : callable, optional
        Return for a ``sha256`` the pixels, of the shape of `clean`; the mask, of any shape; or the cut-out with its
        alpha, (h, w, C + 1).
    least : int
        Bound on the mean difference over a defect, 0..127 gray levels of the channel that differs most.

    Returns
    -------
    pixels : ndarray of uint8, (H, W, C)
    instances : ndarray of uint8, (H, W)
        1.. in the order of `defects`; not 0 exactly where `pixels` differs from `clean`.
    measured : list of dict
        ``box`` (top, left, bottom, right; the last two exclusive) and ``area`` of all that the defect would change
        by itself, ``visible_area``, what it did change, and ``center`` (row, column) of the whole defect in
        pixels, which may lie outside the image; ``params``, those of the defect as it was pasted: with the ``at``
        and the ``anomaly`` that were taken, ``again`` None, and ``raised``.

    Examples
    --------
    >>> wall = np.full((20, 30, 3), 90, np.uint8)
    >>> dot = {
    ...     "mask": {"shape": "rectangles", "area": 0.01, "ratio": 1.5},
    ...     "anomaly": {"source": "color", "color": [90, 95, 90]},
    ...     "at": [0.0, 0.0], "severity": 1.0, "blur": 0.0,
    ... }
    >>> pixels, instances, measured = paste_defects(wall, [dot], contrast=30)
    >>> pixels[0, 0].tolist(), int(instances.sum()), measured[0]["box"]
    ([90, 120, 90], 6, [0, 0, 2, 3])
    """
    pixels = clean.copy()
    instances = np.zeros(clean.shape[:2], dtype=np.uint8)
    canvas = Canvas(
        pixels=pixels,
        clean=read_only(clean),
        instances=instances,
        allowed=_EVERYWHERE if region is None else region,
        limited=region is not None,
    )

    finders = _Finders(find or _not_given, find_mask or _not_given, find_cutout or _not_given)
    measured = []
    for number, defect in enumerate(defects, 1):
        settled, patch = _settled(canvas, defect, finders, least)
        bound = max(contrast, least) if settled["raised"] else contrast
        *box, area, visible_area = blend(canvas, patch, bound, number)
        measured.append({
            "box": box,
            "area": area,
            "visible_area": visible_area,
            "center": _center(patch),
            "params": settled,
        })  # fmt: skip

    return pixels, instances, measured


def _not_given(digest: str):
    """Refuse a defect that comes from a file."""
    raise UsageError(f"find, find_mask and find_cutout must return the files of defects, got nothing for {digest}")


class _Finders(NamedTuple):
    """What returns the pixels, the mask or the cut-out of a digest."""

    picture: Callable
    mask: Callable
    cutout: Callable


class _Stamp(NamedTuple):
    """The form of a defect, the same wherever it goes.

    `cover` is its coverage, 255 = all, and `margin` the pixels by which it grew on each side; `colors` are its own,
    or None.
    """

    cover: np.ndarray
    margin: int
    colors: np.ndarray | None


def _settled(canvas: Canvas, defect: dict, finders: _Finders, least: int) -> tuple[dict, Patch]:
    """Return a defect as it is pasted: at the first place and with the first filling that can be seen."""
    stamp = _stamp(canvas, defect, finders)
    first = {**defect, "again": None}
    if defect.get("raised") is not None:
        return first, _patch(canvas, stamp, first, finders)  # it was settled before: the same at any size
    if not least:
        return {**first, "raised": False}, _patch(canvas, stamp, first, finders)

    best = first
    seen = -1.0
    for tried in _tries(first, defect.get("again")):
        patch = _patch(canvas, stamp, tried, finders)
        shown = visibility(canvas, patch)
        if shown >= least:
            return {**tried, "raised": False}, patch
        if shown > seen:
            seen = shown
            best = tried

    return {**best, "raised": True}, _patch(canvas, stamp, best, finders)


def _tries(first: dict, again: dict | None) -> Iterator[dict]:
    """Yield a defect as it was drawn first, then with each of its further places and fillings."""
    yield first
    if again is None:
        return

    for number, at in enumerate(again["at"]):
        filling = row_of(again, number)
        anomaly = {**first["anomaly"], **filling}
        yield {**first, "at": at, "anomaly": anomaly}


def _stamp(canvas: Canvas, defect: dict, finders: _Finders) -> _Stamp:
    """Return the form of a defect."""
    mask = defect["mask"]
    size = canvas.clean.shape[:2]
    digest = mask.get("sha256")
    if mask["shape"] == "cutouts":
        cover, colors = draw_cutout(mask, size, finders.cutout(digest))
        return _Stamp(cover, 0, colors)

    own_mask = None if digest is None else finders.mask(digest)
    shape = draw_shape(mask, size, own_mask)
    cover, margin = _cover(shape, defect["blur"])
    return _Stamp(cover, margin, None)


def _patch(canvas: Canvas, stamp: _Stamp, defect: dict, finders: _Finders) -> Patch:
    """Return a defect as it is pasted: what it covers, with what, where."""
    anomaly = defect["anomaly"]
    mirrored = anomaly["source"] == "structural"
    top, left = _place(defect["at"], stamp.cover, stamp.margin, canvas, mirrored)
    filling = stamp.colors
    if filling is None:
        filling = draw_source(anomaly, canvas.clean, stamp.cover, top, left, finders.picture)
    severity = float(defect["severity"])
    return Patch(stamp.cover, filling, top, left, severity)


def _center(patch: Patch) -> list[float]:
    """Return row and column of the middle of a patch, where (0, 0) is the middle of the first pixel."""
    height, width = patch.cover.shape
    down = (height - 1) / 2
    right = (width - 1) / 2
    return [patch.top + down, patch.left + right]


def _place(at, cover: np.ndarray, margin: int, canvas: Canvas, mirrored: bool) -> tuple[int, int]:
    """Return top and left of a cover: its shape inside the image, or a solid pixel of it on an allowed one."""
    height, width, _ = canvas.clean.shape
    cover_rows, cover_columns = cover.shape
    margins = 2 * margin
    rows = cover_rows - margins
    columns = cover_columns - margins
    fits = rows <= height and columns <= width

    if canvas.limited or not fits:
        top, left = _anchored(at, cover, canvas)
        if mirrored:
            left = _on_one_side(left, cover_columns, width)
        return top, left

    down, right = at
    row_choices = height - rows + 1
    column_choices = width - columns + 1
    row = int(down * row_choices)
    column = int(right * column_choices)

    half = width // 2 - columns + 1
    if mirrored and half > 0:
        column = _in_one_half(right, half, width)

    top = row - margin
    left = column - margin
    return top, left


def _anchored(at, cover: np.ndarray, canvas: Canvas) -> tuple[int, int]:
    """Return top and left of a cover so that a solid pixel of it lies on an allowed pixel."""
    allowed = canvas.allowed
    if not canvas.limited:
        size = canvas.clean.shape[:2]
        allowed = np.ones(size, dtype=np.bool_)

    share, own_share = at
    solid = cover >= 128
    row, column = _nth(allowed, share)
    own_row, own_column = _nth(solid, own_share)
    return row - own_row, column - own_column


def _on_one_side(left: int, columns: int, width: int) -> int:
    """Return the nearest left of a cover that does not cross the middle of the image, if it fits into a half."""
    half = width // 2
    right = left + columns
    if columns > half or right <= half or left >= width - half:
        return left

    to_the_left = half - columns
    to_the_right = width - half
    if left - to_the_left <= to_the_right - left:
        return to_the_left
    return to_the_right


def _in_one_half(share: float, half: int, width: int) -> int:
    """Return a column wholly in the left or the right half: a shape must not overlap its mirrored place."""
    column = int(share * 2 * half)
    if column < half:
        return column
    return column - half + width - width // 2


def _nth(mask: np.ndarray, share: float) -> tuple[int, int]:
    """Return row and column of the True pixel that has this share of the others before it."""
    found = np.flatnonzero(mask)
    place = found[int(share * len(found))]
    row, column = divmod(int(place), mask.shape[1])
    return row, column


def _cover(shape: np.ndarray, blur: float) -> tuple[np.ndarray, int]:
    """Return the coverage of a shape, uint8, 255 = all, and the pixels by which it grew on each side."""
    if blur == 0:
        cover = shape.view(np.uint8) * np.uint8(255)
        return cover, 0

    thickness = outlines.thickness(shape)
    radius = max(1, round(blur * thickness))
    sums = outlines.tent_sums(shape, radius)
    # as if the most covered pixel were covered wholly: a thin scratch would fade otherwise
    most = sums.max()
    cover = sums * 255 // most
    return cover.astype(np.uint8), 2 * radius
