"""Outlines of defects: where the masks of cut-paste anomalies come from (paper 001 section IV-A).

Lengths are shares of the square root of the image's area, so that a shape can be drawn at any size. Rectangles and
scars are those of CutPaste (Li et al., CVPR 2021), though of any share of the image; islands are thresholded Perlin
noise, as in DRAEM (Zavrtanik et al., ICCV 2021). Sines and cosines are drawn, not computed in the loops, so that
CPUs agree to the last bit.
"""

import math

import numpy as np

from synthgen.compose import outlines
from synthgen.compose.pictures import nearest

SHAPES = ("blobs", "scratches", "scars", "islands", "rectangles")
_HARMONICS = 12
_NODES = 9
# An island's noise is drawn in an ellipse of this many times its area.
_ROOM = 3.0


def sample_shape(rng: np.random.Generator, kind: str, area: tuple[float, float]) -> dict:
    """Draw the parameters of a shape.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        One of `SHAPES`, or ``files`` for a mask of the user's.
    area : (float, float)
        Range of the share of the image that it takes; drawn evenly over its logarithm.

    Returns
    -------
    dict
        ``shape``, ``area``, and what `draw_shape` needs for this kind.
    """
    low, high = area
    share = round(low * (high / low) ** rng.random(), 7)
    return {"shape": kind, "area": share, **_SAMPLERS[kind](rng, share)}


def _blob(rng, area):
    """Draw a closed curve r(angle) with `_HARMONICS` waves, stretched: from round spots to ragged splashes."""
    roughness = rng.uniform(0.1, 0.45)
    waves = np.arange(1, _HARMONICS + 1)
    weights = rng.normal(size=(_HARMONICS, 2)) * (roughness / (waves + 1) ** rng.uniform(0.8, 1.6))[:, None]
    weights[0] = 0  # it would only move the centre
    return {
        "waves": np.round(weights, 5).tolist(),
        "stretch": round(math.exp(rng.uniform(0, 0.8)), 5),
        "turn": sample_turn(rng),
    }


def _scratch(rng, area):
    """Draw a bent line, thin at its ends; a bundle of them where one would be wider than a scratch."""
    aspect = math.exp(rng.uniform(math.log(20), math.log(70)))
    length = min(math.sqrt(area * aspect), 0.8)
    strands = min(max(1, round(area / length / 0.012)), 6)
    width = area / length / strands
    angle, bend = rng.uniform(0, math.tau), rng.uniform(-1.0, 1.0)
    along = np.linspace(-0.5, 0.5, _NODES)
    lines = []
    for strand in range(strands):
        reach = length * rng.uniform(0.6, 1.0) if strand else length
        offset = (strand - (strands - 1) / 2) * width * 2.2 + rng.normal() * width * 0.5
        heading = angle + rng.normal() * 0.02 + bend * along + np.cumsum(rng.normal(size=_NODES)) * 0.05
        steps = np.stack([np.sin(heading), np.cos(heading)], axis=1) * (reach / (_NODES - 1))
        nodes = np.cumsum(steps, axis=0)
        nodes += (math.cos(angle) * offset, -math.sin(angle) * offset) - nodes[_NODES // 2]
        taper = np.sqrt(np.maximum(1 - (2 * along) ** 2, 0.04)) * rng.uniform(0.7, 1.3, _NODES)
        widths = width * taper / taper.mean()
        lines.append(np.round(np.column_stack([nodes, widths]), 6).tolist())
    return {"lines": lines}


def _scar(rng, area):
    """Draw CutPaste's scar: a long thin rectangle at any angle."""
    return {"ratio": round(math.exp(rng.uniform(math.log(5), math.log(16))), 5), "turn": sample_turn(rng)}


def _island(rng, area):
    return {
        "frequency": round(math.exp(rng.uniform(math.log(1.2), math.log(4.0))), 5),
        "offset": [round(x, 5) for x in rng.uniform(0, 64, 3).tolist()],
        "stretch": round(math.exp(rng.uniform(0, 0.6)), 5),
        "turn": sample_turn(rng),
    }


def _rectangle(rng, area):
    """Draw the rectangle of CutPaste: sides parallel to the image's, aspect from 0.3 to 3.3."""
    return {"ratio": round(math.exp(rng.uniform(math.log(0.3), math.log(1 / 0.3))), 5)}


def _file(rng, area):
    return {"orientation": int(rng.integers(8))}


def sample_turn(rng: np.random.Generator, most: float = math.pi) -> list[float]:
    """Draw cosine and sine of an angle in [-most, most], rounded."""
    angle = rng.uniform(-most, most)
    return [round(math.cos(angle), 6), round(math.sin(angle), 6)]


def draw_shape(params: dict, size: tuple[int, int], mask: np.ndarray | None = None) -> np.ndarray:
    """Draw a shape.

    Parameters
    ----------
    params : dict
        As returned by `sample_shape`.
    size : (int, int)
        Height and width of the image in pixels.
    mask : ndarray of bool, (h, w), optional
        The user's mask, for ``files``.

    Returns
    -------
    ndarray of bool, (h, w)
        Cut to its bounding box; never empty.
    """
    unit = math.sqrt(size[0] * size[1])
    covered = (
        _file_at(params, mask, unit) if params["shape"] == "files" else _DRAWERS[params["shape"]](params, unit)
    )
    top, left, bottom, right = outlines.bounds(covered)
    return np.ascontiguousarray(covered[top:bottom, left:right])


def _draw_rectangle(params, unit):
    side, root = math.sqrt(params["area"]) * unit, math.sqrt(params["ratio"])
    return np.ones((max(1, round(side / root)), max(1, round(side * root))), dtype=np.bool_)


def _draw_scar(params, unit):
    side, root = math.sqrt(params["area"]) * unit, math.sqrt(params["ratio"])
    return outlines.tilted(max(side * root / 2, 0.5), max(side / root / 2, 0.5), *params["turn"])


def _draw_blob(params, unit):
    waves = np.array(params["waves"])
    # the area inside r(angle) = 1 + waves
    radius = math.sqrt(params["area"] / (math.pi * (1 + (waves**2).sum() / 2))) * unit
    return outlines.waved(radius, waves, math.sqrt(params["stretch"]), *params["turn"])


def _draw_scratch(params, unit):
    lines = np.array(params["lines"]) * unit
    widest = lines[..., 2].max() / 2 + 1
    low, high = lines[..., :2].min(axis=(0, 1)) - widest, lines[..., :2].max(axis=(0, 1)) + widest
    origin = np.floor(low)
    lines[..., :2] -= origin
    height, width = (int(n) for n in np.ceil(high - origin) + 1)
    return outlines.stroked(lines, height, width)


def _draw_island(params, unit):
    side = math.sqrt(params["area"]) * unit
    radius = side * math.sqrt(_ROOM / math.pi)
    heights = outlines.heights_in_ellipse(
        radius, math.sqrt(params["stretch"]), *params["turn"], params["frequency"] / side, *params["offset"]
    )
    count = min(max(1, round(side * side)), int(np.count_nonzero(heights > -np.inf)))
    return heights >= np.partition(heights.ravel(), heights.size - count)[heights.size - count]


def _file_at(params, mask, unit):
    """Return the user's mask, turned or flipped, with the area that was drawn."""
    if params["orientation"] & 4:
        mask = mask.T
    mask = mask[:: -1 if params["orientation"] & 2 else 1, :: -1 if params["orientation"] & 1 else 1]
    top, left, bottom, right = outlines.bounds(np.ascontiguousarray(mask))
    mask = mask[top:bottom, left:right]
    scale = math.sqrt(params["area"] / mask.sum()) * unit
    small = nearest(mask, [max(1, round(side * scale)) for side in mask.shape])
    return small if small.any() else np.ones((1, 1), dtype=np.bool_)


_SAMPLERS = {
    "blobs": _blob, "scratches": _scratch, "scars": _scar, "islands": _island, "rectangles": _rectangle,
    "files": _file,
}  # fmt: skip
_DRAWERS = {
    "blobs": _draw_blob, "scratches": _draw_scratch, "scars": _draw_scar, "islands": _draw_island,
    "rectangles": _draw_rectangle,
}  # fmt: skip
