"""Outlines of defects: the masks of cut-paste anomalies (Tao et al. 2024, section IV-A).

Lengths are shares of the square root of the image's area, so that a shape can be drawn at any size. Rectangles and
scars are those of CutPaste (Li et al., CVPR 2021), though of any share of the image; islands are thresholded Perlin
noise, as in DRAEM (Zavrtanik et al., ICCV 2021). Sines and cosines are drawn, not computed in the loops, so that
CPUs agree to the last bit.
"""

import math
from typing import NamedTuple

import numpy as np

from synthgen.compose import outlines
from synthgen.compose.pictures import nearest

SHAPES = ("blobs", "scratches", "scars", "islands", "rectangles")
# What some kind of shape has; all others have null there, since all samples of a data set have the same keys.
_KEYS = ("waves", "stretch", "turn", "lines", "ratio", "frequency", "offset", "orientation", "name", "sha256")
_HARMONICS = 12
_NODES = 9
# An island's noise is drawn in an ellipse of this many times its area.
_ROOM = 3.0


def sample_shape(rng: np.random.Generator, kind: str, area: tuple[float, float]) -> dict:
    """Return random parameters of a shape.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        One of `SHAPES`, ``files`` for a mask of the user's, or ``cutouts`` for a defect that was cut out.
    area : (float, float)
        Range of the share of the image that it takes; drawn evenly over its logarithm.

    Returns
    -------
    dict
        ``shape``, ``area``, and what `draw_shape` needs for this kind; what only other kinds have is None.
    """
    low, high = area
    ratio = high / low
    factor = ratio ** rng.random()
    share = round(low * factor, 7)
    own = _SAMPLERS[kind](rng, share)
    return {"shape": kind, "area": share, **dict.fromkeys(_KEYS), **own}


def _blob(rng, area):
    """Draw a closed curve r(angle) with `_HARMONICS` waves, stretched: from round spots to ragged splashes."""
    roughness = rng.uniform(0.1, 0.45)
    waves = np.arange(1, _HARMONICS + 1)
    weights = rng.normal(size=(_HARMONICS, 2))
    fall = rng.uniform(0.8, 1.6)
    sizes = roughness / (waves + 1) ** fall
    weights *= sizes[:, None]
    weights[0] = 0  # it would only move the center

    return {
        "waves": np.round(weights, 5).tolist(),
        "stretch": _exponential(rng, 0, 0.8),
        "turn": sample_turn(rng),
    }


def _exponential(rng, low: float, high: float) -> float:
    """Draw exp of an even number, rounded."""
    exponent = rng.uniform(low, high)
    return round(math.exp(exponent), 5)


def _scratch(rng, area):
    """Draw a bent line, thin at its ends; a bundle of them where one would be wider than a scratch."""
    exponent = rng.uniform(math.log(20), math.log(70))
    aspect = math.exp(exponent)
    length = min(math.sqrt(area * aspect), 0.8)
    whole_width = area / length
    strands = round(whole_width / 0.012)
    strands = min(max(1, strands), 6)
    bundle = _Bundle(
        length=length,
        width=whole_width / strands,
        angle=rng.uniform(0, math.tau),
        bend=rng.uniform(-1.0, 1.0),
    )

    lines = []
    middle = (strands - 1) / 2
    for strand in range(strands):
        reach = length * rng.uniform(0.6, 1.0) if strand else length
        place = strand - middle
        line = _strand(rng, bundle, reach, place)
        lines.append(np.round(line, 6).tolist())

    return {"lines": lines}


class _Bundle(NamedTuple):
    """What the strands of a scratch have in common; lengths are shares of the image."""

    length: float
    width: float
    angle: float
    bend: float


def _strand(rng, bundle: _Bundle, reach: float, place: float) -> np.ndarray:
    """Return one strand, (nodes, 3): rows, columns and widths; `place` is its place in the bundle, 0 the middle."""
    along = np.linspace(-0.5, 0.5, _NODES)
    offset = place * bundle.width * 2.2
    offset += rng.normal() * bundle.width * 0.5

    # its middle lies beside the middle of the bundle
    nodes = _path(rng, bundle, reach, along)
    cosine = math.cos(bundle.angle)
    sine = math.sin(bundle.angle)
    beside = cosine * offset, -sine * offset
    middle = nodes[_NODES // 2]
    nodes += beside - middle

    # thin at its ends
    from_middle = 2 * along
    square = 1 - from_middle**2
    taper = np.sqrt(np.maximum(square, 0.04))
    taper *= rng.uniform(0.7, 1.3, _NODES)
    mean = taper.mean()
    widths = bundle.width * taper / mean
    return np.column_stack([nodes, widths])


def _path(rng, bundle: _Bundle, reach: float, along: np.ndarray) -> np.ndarray:
    """Return rows and columns of the nodes of a strand, (nodes, 2): which way it goes, step by step."""
    start = bundle.angle + rng.normal() * 0.02
    turns = rng.normal(size=_NODES)
    wander = np.cumsum(turns)
    bend = bundle.bend * along
    heading = start + bend
    heading += wander * 0.05

    rows = np.sin(heading)
    columns = np.cos(heading)
    directions = np.stack([rows, columns], axis=1)
    step = reach / (_NODES - 1)
    return np.cumsum(directions * step, axis=0)


def _scar(rng, area):
    """Draw CutPaste's scar: a long thin rectangle at any angle."""
    ratio = _exponential(rng, math.log(5), math.log(16))
    return {"ratio": ratio, "turn": sample_turn(rng)}


def _island(rng, area):
    frequency = _exponential(rng, math.log(1.2), math.log(4.0))
    offset = rng.uniform(0, 64, 3).tolist()
    return {
        "frequency": frequency,
        "offset": [round(x, 5) for x in offset],
        "stretch": _exponential(rng, 0, 0.6),
        "turn": sample_turn(rng),
    }


def _rectangle(rng, area):
    """Draw the rectangle of CutPaste: sides parallel to the image's, aspect from 0.3 to 3.3."""
    ratio = _exponential(rng, math.log(0.3), math.log(1 / 0.3))
    return {"ratio": ratio}


def _file(rng, area):
    return {"orientation": int(rng.integers(8))}


def sample_turn(rng: np.random.Generator, most: float = math.pi) -> list[float]:
    """Return cosine and sine of a random angle in [-most, most], rounded."""
    angle = rng.uniform(-most, most)
    cosine = round(math.cos(angle), 6)
    sine = round(math.sin(angle), 6)
    return [cosine, sine]


def draw_shape(params: dict, size: tuple[int, int], mask: np.ndarray | None = None) -> np.ndarray:
    """Return the pixels that a shape covers.

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
    height, width = size
    unit = math.sqrt(height * width)
    if params["shape"] == "files":
        covered = _file_at(params, mask, unit)
    else:
        covered = _DRAWERS[params["shape"]](params, unit)
    return _cut_to_bounds(covered)


def _cut_to_bounds(covered: np.ndarray) -> np.ndarray:
    """Return the part of a mask that holds its True pixels."""
    top, left, bottom, right = outlines.bounds(covered)
    return np.ascontiguousarray(covered[top:bottom, left:right])


def _sides(params, unit):
    """Return the shorter and the longer side of a rectangle of a ratio, in pixels (for ratios above 1)."""
    side = math.sqrt(params["area"]) * unit
    root = math.sqrt(params["ratio"])
    return side / root, side * root


def _draw_rectangle(params, unit):
    height, width = _sides(params, unit)
    rows = max(1, round(height))
    columns = max(1, round(width))
    return np.ones((rows, columns), dtype=np.bool_)


def _draw_scar(params, unit):
    width, length = _sides(params, unit)
    half_length = max(length / 2, 0.5)
    half_width = max(width / 2, 0.5)
    return outlines.tilted(half_length, half_width, *params["turn"])


def _draw_blob(params, unit):
    waves = np.array(params["waves"])
    stretch = math.sqrt(params["stretch"])

    # the area inside r(angle) = 1 + waves
    squares = (waves**2).sum()
    swollen = 1 + squares / 2
    inside = math.pi * swollen
    share = params["area"] / inside
    root = math.sqrt(share)
    radius = root * unit
    return outlines.waved(radius, waves, stretch, *params["turn"])


def _draw_scratch(params, unit):
    shares = np.array(params["lines"])
    lines = shares * unit
    nodes = lines[..., :2]
    widths = lines[..., 2]

    # the box around all lines
    reach = widths.max() / 2 + 1
    first = nodes.min(axis=(0, 1))
    last = nodes.max(axis=(0, 1))
    origin = np.floor(first - reach)
    extent = last + reach - origin
    rows, columns = np.ceil(extent)
    height = int(rows) + 1
    width = int(columns) + 1

    nodes -= origin
    return outlines.stroked(lines, height, width)


def _draw_island(params, unit):
    side = math.sqrt(params["area"]) * unit
    room = math.sqrt(_ROOM / math.pi)
    radius = side * room
    stretch = math.sqrt(params["stretch"])
    frequency = params["frequency"] / side
    turn = tuple(params["turn"])
    offset = tuple(params["offset"])
    heights = outlines.heights_in_ellipse(radius, stretch, turn, frequency, offset)

    # the highest pixels, as many as the area has
    area = round(side * side)
    inside = np.isfinite(heights)
    room = int(np.count_nonzero(inside))
    wanted = min(max(1, area), room)
    lower = heights.size - wanted
    ordered = np.partition(heights.ravel(), lower)
    lowest = ordered[lower]
    return heights >= lowest


def oriented(array: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of an image, (h, w) or (h, w, C): bit 2 swaps its axes, 1 flips its rows, 0 its columns."""
    if orientation & 4:
        array = array.swapaxes(0, 1)
    if orientation & 2:
        array = array[::-1]
    if orientation & 1:
        array = array[:, ::-1]
    return array


def _file_at(params, mask, unit):
    """Return the user's mask, turned or flipped, with the area that was drawn."""
    turned = oriented(mask, params["orientation"])
    mask = np.ascontiguousarray(turned)
    mask = _cut_to_bounds(mask)
    share = params["area"] / mask.sum()
    scale = math.sqrt(share) * unit
    size = [max(1, round(side * scale)) for side in mask.shape]
    small = nearest(mask, size)
    if small.any():
        return small
    return np.ones((1, 1), dtype=np.bool_)


_SAMPLERS = {
    "blobs": _blob, "scratches": _scratch, "scars": _scar, "islands": _island, "rectangles": _rectangle,
    "files": _file, "cutouts": _file,
}  # fmt: skip
_DRAWERS = {
    "blobs": _draw_blob, "scratches": _draw_scratch, "scars": _draw_scar, "islands": _draw_island,
    "rectangles": _draw_rectangle,
}  # fmt: skip
