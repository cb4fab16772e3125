"""Defects of textures: foreign patches, displaced pieces, blurs, tears and missing elements, with exact masks.

A defect is a shape and what fills it. Both are made here; `synthgen.compose.bounded.blend` pastes them, and says
which pixels changed.
"""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.compose.bounded import Canvas, Patch, blend
from synthgen.compose.shapes import draw_shape, sample_shape
from synthgen.compose.sources import read_only
from synthgen.texture import field, periodic
from synthgen.texture.composite import Part, compose
from synthgen.texture.paint import Light
from synthgen.texture.view import places

KINDS = ("patch", "displaced", "blur", "tear", "missing")
# The shapes of each kind.
_SHAPES = {
    "patch": ("blobs", "rectangles", "islands"),
    "displaced": ("blobs", "rectangles"),
    "blur": ("blobs",),
    "tear": ("scratches", "scars"),
    "missing": ("blobs",),
}
# Gray levels by which each pixel of a defect differs at least, in one channel. A blur is mostly faint.
_CONTRASTS = {"patch": 6, "displaced": 4, "blur": 2, "tear": 12, "missing": 3}
# A tear takes this share of the area of other defects.
_THIN = 0.4
_EVERYWHERE = np.ones((1, 1), dtype=np.bool_)


class Scene(NamedTuple):
    """The normal image that defects are drawn in.

    Attributes
    ----------
    part : Part
        Its texture and window.
    light : Light
    clean : ndarray of uint8, (H, W, 3)
        Its pixels.
    """

    part: Part
    light: Light
    clean: np.ndarray


def sample_defect(rng: np.random.Generator, kind: str, area: tuple[float, float]) -> dict:
    """Return random parameters of a defect.

    Parameters
    ----------
    rng : numpy.random.Generator
    kind : str
        One of `KINDS`.
    area : (float, float)
        Range of the share of the image.

    Returns
    -------
    dict
        ``mask``, see `synthgen.compose.shapes.sample_shape`; ``at``, its place as shares of the image; ``shift``
        and ``turn`` of the window that a displaced piece comes from, in units and degrees; ``lift``, the gray
        levels by which it is brighter; ``radius`` of a blur in pixels; ``shade``, the brightness of a tear.
    """
    which, down, right, far, further, turn, size, dark, lift = rng.random(9).tolist()
    shapes = _SHAPES[kind]
    shape = shapes[int(which * len(shapes))]
    if kind == "tear":
        low, high = area
        area = _THIN * low, _THIN * high

    # a piece of gravel on gravel is not seen without it
    change = 10 + 15 * lift
    if lift >= 0.5:
        change = 5 - 20 * lift
    shift_down = 400 * far - 200
    shift_right = 400 * further - 200
    return {
        "mask": sample_shape(rng, shape, area),
        "at": [round(down, 6), round(right, 6)],
        "shift": [round(shift_down, 3), round(shift_right, 3)],
        "turn": round(30 + 120 * turn, 3),
        "lift": round(change, 3),
        "radius": 1 + int(3 * size),
        "shade": round(0.15 + 0.4 * dark, 4),
    }


def draw_defects(scene: Scene, defects: list[tuple[str, dict, Part | None]]):
    """Return an image with defects, their ids, and what was measured of each.

    Parameters
    ----------
    scene : Scene
    defects : list of (str, dict, Part or None)
        Kind and parameters, and for a foreign patch what shows in it. A defect lies under those before it.

    Returns
    -------
    pixels : ndarray of uint8, (H, W, 3)
    instances : ndarray of uint8, (H, W)
        Not 0 exactly where `pixels` differs from the normal image.
    measured : list of dict
        ``box``, ``area``, ``visible_area`` and ``center`` of each, see FORMAT.md.
    """
    size = scene.clean.shape[:2]
    pixels = scene.clean.copy()
    instances = np.zeros(size, np.uint8)
    canvas = Canvas(
        pixels=pixels,
        clean=read_only(scene.clean),
        instances=instances,
        allowed=_EVERYWHERE,
        limited=False,
    )

    measured = []
    for number, (kind, params, foreign) in enumerate(defects, 1):
        shape, top, left = _placed_shape(scene, kind, params)
        filling = _filling(scene, kind, params, foreign)
        patch = _patch(shape, filling, top, left)
        *box, area, visible_area = blend(canvas, patch, _CONTRASTS[kind], number)
        measured.append({
            "box": box,
            "area": area,
            "visible_area": visible_area,
            "center": _center(shape, top, left),
        })  # fmt: skip
    return pixels, instances, measured


def _patch(shape: np.ndarray, filling: np.ndarray, top: int, left: int) -> Patch:
    """Return a defect as it is pasted: a shape at its place, filled with what an image has there."""
    cover = shape.view(np.uint8) * np.uint8(255)
    piece = _cut(filling, shape.shape, top, left)
    return Patch(cover, piece, top, left, 1.0)


def _center(shape: np.ndarray, top: int, left: int) -> list[float]:
    """Return row and column of the middle of a shape."""
    rows, columns = shape.shape
    down = (rows - 1) / 2
    right = (columns - 1) / 2
    return [top + down, left + right]


def _placed_shape(scene: Scene, kind: str, params: dict) -> tuple[np.ndarray, int, int]:
    """Return which pixels a defect covers, bool (h, w), and the top and left of that."""
    height, width = scene.clean.shape[:2]
    down, right = params["at"]
    if kind == "missing":
        row = int(down * height)
        column = int(right * width)
        element = _element(scene, row, column)
        if element is not None:
            return element, 0, 0

    shape = draw_shape(params["mask"], (height, width), None)
    rows, columns = shape.shape
    top = round(down * (height - rows))
    left = round(right * (width - columns))
    return shape, top, left


def _element(scene: Scene, row: int, column: int) -> np.ndarray | None:
    """Return the element of a periodic texture that lies at a pixel, bool (H, W); None where there are none."""
    main = scene.part.texture["fields"][0]
    if main["kind"] != "periodic" or main["variant"] not in periodic.WITH_ELEMENTS:
        return None

    size = scene.clean.shape[:2]
    height, width = size
    pixels = np.arange(height * width)
    rows, columns = places(scene.part.view, size, (0, 0, height, width), pixels)
    rows, columns = field.warped(main, rows, columns)
    shape, ys, xs, _ = field.inner(main, rows, columns, 1.0)
    numbers = periodic.elements(shape, ys, xs)
    chosen = numbers[row * width + column]
    return (numbers == chosen).all(axis=1).reshape(size)


def _filling(scene: Scene, kind: str, params: dict, foreign: Part | None) -> np.ndarray:
    """Return the image that a defect shows a part of, uint8 (H, W, 3)."""
    if foreign is not None:
        return _drawn(scene, foreign)
    if kind == "displaced":
        return _drawn(scene, _moved(scene.part, params))
    if kind == "blur":
        return blurred(scene.clean, params["radius"])
    if kind == "missing":
        return _drawn(scene, scene.part._replace(texture=flattened(scene.part.texture)))

    # what lies under a torn surface is dark and even
    mean = scene.clean.mean(axis=(0, 1))
    dark = np.rint(mean * params["shade"]).astype(np.uint8)
    return np.broadcast_to(dark, scene.clean.shape)


def _drawn(scene: Scene, part: Part) -> np.ndarray:
    size = scene.clean.shape[:2]
    return compose([part], scene.light, size).pixels


def _moved(part: Part, params: dict) -> Part:
    """Return another window of the same texture, a little brighter or darker."""
    view = part.view
    row, column = view.center
    down, right = params["shift"]
    center = row + down, column + right
    moved = view._replace(center=center, angle=view.angle + params["turn"])
    brightness = part.exposure.brightness + params["lift"]
    exposure = part.exposure._replace(brightness=brightness)
    return part._replace(view=moved, exposure=exposure)


def flattened(texture: dict) -> dict:
    """Return a texture without its elements: the ground that they lie on, with its finish."""
    main = texture["fields"][0]
    bare = {**main, "kind": "flat", "variant": "ground", "form": []}
    return {**texture, "fields": [bare, *texture["fields"][1:]]}


def blurred(pixels: np.ndarray, radius: int) -> np.ndarray:
    """Return the mean over a square window, twice; beyond its border the image goes on as at the border."""
    values = pixels.astype(np.int64)
    for _ in range(2):
        for axis in (0, 1):
            values = _running_sums(values, radius, axis)
    weight = (2 * radius + 1) ** 4
    return ((values + weight // 2) // weight).astype(np.uint8)


def _running_sums(values: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """Return the sums over `radius` numbers to both sides along an axis."""
    margins = [(0, 0)] * 3
    margins[axis] = (radius + 1, radius)
    padded = np.pad(values, margins, mode="edge")
    totals = np.cumsum(padded, axis=axis)

    length = values.shape[axis]
    window = 2 * radius + 1
    ends = np.arange(length) + window
    return np.take(totals, ends, axis=axis) - np.take(totals, ends - window, axis=axis)


@numba.njit(cache=True)
def _cut(filling, shape, top, left):
    """Return the part of an image under a cover, uint8 (h, w, 3); what lies outside is not seen."""
    height, width, channels = filling.shape
    rows, columns = shape
    piece = np.zeros((rows, columns, channels), np.uint8)
    for r in range(max(0, -top), min(rows, height - top)):
        for c in range(max(0, -left), min(columns, width - left)):
            for k in range(channels):
                piece[r, c, k] = filling[top + r, left + c, k]
    return piece
