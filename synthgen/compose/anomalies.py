"""Cut-paste anomalies: X~ = (1 - M) * X + M * A, with a bound on the difference (paper 001, equation 16).

`synthgen.compose.shapes` has the masks M, `synthgen.compose.sources` the anomalies A; here they are put together.
"""

from collections.abc import Callable

import numpy as np

from synthgen.compose import outlines
from synthgen.compose.bounded import blend
from synthgen.compose.shapes import draw_shape, sample_shape
from synthgen.compose.sources import BRIGHTNESS, draw_source, read_only, sample_source


def sample_defect(
    rng: np.random.Generator,
    shape: str,
    source: str,
    area: tuple[float, float],
    severity: tuple[float, float] = (1.0, 1.0),
    soft: bool = False,
    brightness: tuple[float, float] = BRIGHTNESS,
) -> dict:
    """Draw the parameters of a defect, but for the files it is made of.

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

    Returns
    -------
    dict
        ``mask`` and ``anomaly``, the parameters of both sources; ``at``, where it goes, two numbers in [0, 1);
        ``severity``; ``blur``, a radius in thicknesses of the defect (half the width of a line), 0 for hard edges.
    """
    u = rng.random(4).tolist()
    mask = sample_shape(rng, shape, area)
    return {
        "mask": mask,
        "anomaly": sample_source(rng, source, turned=shape != "rectangles", brightness=brightness),
        "at": [round(u[0], 9), round(u[1], 9)],
        "severity": round(severity[0] + u[2] * (severity[1] - severity[0]), 4),
        "blur": round(0.2 + 0.6 * u[3], 4) if soft else 0.0,
    }


def paste_defects(
    clean: np.ndarray,
    defects: list[dict],
    contrast: int = 1,
    region: np.ndarray | None = None,
    find: Callable[[str], np.ndarray] | None = None,
    find_mask: Callable[[str], np.ndarray] | None = None,
):
    """Return an image with defects in it, their ids, and what was measured of each.

    A pixel changes once at most: a defect goes under those before it.

    Parameters
    ----------
    clean : ndarray of uint8, (H, W, C)
        The normal image; it is not changed.
    defects : list of dict
        As returned by `sample_defect`, at most 255; where they come from files, ``mask`` and ``anomaly`` have the
        key ``sha256``.
    contrast : int
        Bound on the difference, 1..127 grey levels: where a defect covers at least half of a pixel, the channel
        that differs most differs by this or more. Pixels that are nearer are moved away, along the mean
        difference of the defect. The bound falls to zero with the coverage of a soft edge.
    region : ndarray of bool, (H, W), optional
        Where pixels may change.
    find, find_mask : callable, optional
        Return the pixels, of the shape of `clean`, or the mask, of any shape, for a ``sha256``.

    Returns
    -------
    pixels : ndarray of uint8, (H, W, C)
    instances : ndarray of uint8, (H, W)
        1.. in the order of `defects`; not 0 exactly where `pixels` differs from `clean`.
    measured : list of dict
        ``box`` (top, left, bottom, right; the last two exclusive) and ``area`` of all that the defect would change
        by itself, and ``visible_area``, what it did change.

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
    pixels, instances = clean.copy(), np.zeros(clean.shape[:2], dtype=np.uint8)
    clean = read_only(clean)
    allowed = np.ones((1, 1), dtype=np.bool_) if region is None else region
    measured = []
    for number, defect in enumerate(defects, 1):
        mask = defect["mask"]
        shape = draw_shape(mask, clean.shape[:2], find_mask(mask["sha256"]) if "sha256" in mask else None)
        mirrored = defect["anomaly"]["source"] == "structural"
        cover, margin = _cover(shape, defect["blur"])
        top, left = _place(defect["at"], cover, margin, clean.shape[:2], region, mirrored)
        anomaly = draw_source(defect["anomaly"], clean, cover, top, left, find)
        facts = blend(
            pixels, clean, instances, allowed, region is not None, cover, anomaly, top, left, defect["severity"],
            contrast, number,
        )  # fmt: skip
        measured.append({"box": list(facts[:4]), "area": facts[4], "visible_area": facts[5]})
    return pixels, instances, measured


def _place(at, cover: np.ndarray, margin: int, size, region, mirrored: bool) -> tuple[int, int]:
    """Return top and left of a cover: its shape inside the image, or a solid pixel of it on one of the region's."""
    rows, columns = (side - 2 * margin for side in cover.shape)
    if region is not None or rows > size[0] or columns > size[1]:
        region = np.ones(size, dtype=np.bool_) if region is None else region
        target, anchor = _nth(region, at[0]), _nth(cover >= 128, at[1])
        return target[0] - anchor[0], target[1] - anchor[1]
    row = int(at[0] * (size[0] - rows + 1)) - margin
    half = size[1] // 2 - columns + 1
    if mirrored and half > 0:  # wholly in the left or the right half, or it would overlap its mirrored place
        column = int(at[1] * 2 * half)
        return row, (column if column < half else column - half + size[1] - size[1] // 2) - margin
    return row, int(at[1] * (size[1] - columns + 1)) - margin


def _nth(mask: np.ndarray, share: float) -> tuple[int, int]:
    """Return row and column of the True pixel that has this share of the others before it."""
    found = np.flatnonzero(mask)
    row, column = divmod(int(found[int(share * len(found))]), mask.shape[1])
    return row, column


def _cover(shape: np.ndarray, blur: float) -> tuple[np.ndarray, int]:
    """Return the coverage of a shape, uint8, 255 = all, and the pixels by which it grew on each side."""
    if blur == 0:
        return shape.view(np.uint8) * np.uint8(255), 0
    radius = max(1, round(blur * outlines.thickness(shape)))
    sums = outlines.tent_sums(shape, radius)
    # as if the most covered pixel were covered wholly: a thin scratch would fade otherwise
    return (sums * 255 // sums.max()).astype(np.uint8), 2 * radius
