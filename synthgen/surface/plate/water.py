"""Water stains on the inspected plate: dried water, or the solid texture of Mao et al. 2025 (section III)."""

from typing import Any

import numba
import numpy as np

from synthgen.surface.annotations import Annotations, object_params
from synthgen.surface.chance import cosine_and_sine
from synthgen.surface.plate.view import PLATE, PlateView
from synthgen.surface.stains.dried import Dried, Frame, Residue, paint_dried
from synthgen.surface.stains.drops import Splashes, drops_in
from synthgen.surface.stains.field import LEAST, StainField, stain_field, stain_layer

f32, u64 = np.float32, np.uint64


def stain(params: dict, view: PlateView, picture: np.ndarray, annotations: Annotations) -> None:
    """Paint the water stains of a plate into a picture of it, and number them.

    Parameters
    ----------
    params : dict
        As returned by `synthgen.families.stains.sample`, with ``stains``.
    view : PlateView
    picture : ndarray of float32, (H, W)
        Brightness, changed in place.
    annotations : Annotations
    """
    if params["stains"]["water"] == "dried":
        _dry(params, view, picture, annotations)
    else:
        _texture(params, view, picture, annotations)


def _dry(params: dict, view: PlateView, picture: np.ndarray, annotations: Annotations) -> None:
    """Paint dried water: the older stains first."""
    window = view.pixels_of_plate
    corner = view.point_of_pixel(window[0].start, window[1].start)
    for layer in dried_layers(params, picture[window], corner, view.pitch):
        _note(layer, view, window, annotations)


def dried_layers(params: dict, picture: np.ndarray, corner: tuple[float, float], pitch: float) -> list[Dried]:
    """Paint dried water into a picture of metal, and return the stains: the older ones first.

    Parameters
    ----------
    params : dict
        ``stains`` as drawn by `synthgen.families.stains.sample` for dried water, and ``texture``.
    picture : ndarray of float32, (H, W)
        Brightness, changed in place.
    corner : (float, float)
        x and y of its first pixel, mm.
    pitch : float
        Side of a pixel, mm.
    """
    stains = params["stains"]
    left, top = corner
    cosine, sine = cosine_and_sine(params["texture"]["direction"])
    frame = Frame(
        left=left,
        top=top,
        pitch=pitch,
        cosine=cosine,
        sine=sine,
    )

    height, width = picture.shape
    right = left + width * pitch
    bottom = top + height * pitch
    drops = drops_in(splashes_of(stains), (left, top, right, bottom))
    return paint_dried(picture, frame, drops, residue_of(stains))


def _note(layer: Dried, view: PlateView, window, annotations: Annotations) -> None:
    """Note, with numbers, the stains that dried at one time."""
    x, y = layer.points.T
    centers = view.pixel_of(x, y)
    points = [(*point, 0.0) for point in layer.points.tolist()]
    annotations.add_field(
        "stain",
        window,
        layer.ids,
        centers=np.stack(centers, axis=1),
        params=[object_params("stains", None, point) for point in points],
    )


def splashes_of(stains: dict) -> Splashes:
    """Return the splashes of the ``stains`` of a sample."""
    low, high = stains["radius"]
    return Splashes(
        seed=u64(stains["seed"]),
        cell=float(stains["cell_size"]),
        low=low,
        high=high,
        even=stains["size_law"] == "even",
        older=stains["older"],
        slope=cosine_and_sine(stains["slope"]),
    )


def residue_of(stains: dict) -> Residue:
    """Return what the ``stains`` of a sample look like."""
    x, y, z = stains["offset"]
    thinnest, widest = stains["ring_width"]
    return Residue(
        ring=(thinnest, widest),
        contrast=stains["contrast"],
        haze=stains["haze"],
        specks=stains["specks"],
        roughness=stains["roughness"],
        glow=stains["glow"],
        shift=(x, y, z),
        seed=u64(stains["seed"]),
    )


def _texture(params: dict, view: PlateView, picture: np.ndarray, annotations: Annotations) -> None:
    """Paint the stains that the plate cuts out of a solid texture."""
    stains: dict[str, Any] = params["stains"]
    offset = np.array(stains["offset"])
    reflectance = params["texture"]["reflectance"]
    window = view.pixels_of_plate
    rows, columns = window
    first = view.point_of_pixel(rows.start, columns.start)

    field = stain_layer(stains, max(PLATE) / 2) if stains["layer"] else stain_field(stains)
    height = rows.stop - rows.start
    width = columns.stop - columns.start
    under = np.full((height, width), reflectance, f32)
    painted = field.paint(
        under,
        origin=np.add(offset, (*first, 0.0)),
        row_step=(0.0, view.pitch, 0.0),
        column_step=(view.pitch, 0.0, 0.0),
    )
    scale = f32(1 / reflectance)
    _dim(picture[window], under, painted.ids, scale)
    _note_cells(field, painted.cells, offset, painted.ids, view, annotations)


def _note_cells(
    field: StainField, cells: np.ndarray, offset: np.ndarray, ids: np.ndarray, view: PlateView, annotations
) -> None:
    """Note, with numbers, the stains of a solid texture."""
    points = field.centers(cells) - offset
    centers = view.pixel_of(points[:, 0], points[:, 1])
    annotations.add_field(
        "stain",
        view.pixels_of_plate,
        ids,
        centers=np.stack(centers, axis=1),
        params=[object_params("stains", None, point) for point in points],
    )


@numba.njit(cache=True)
def _dim(picture, reflectance, ids, scale):
    """Multiply the stained pixels by what is left of their reflectance."""
    height, width = ids.shape
    for r in range(height):
        line = picture[r]
        left = reflectance[r]
        owner = ids[r]
        for c in range(width):
            if owner[c] == 0:
                continue
            share = left[c] * scale
            line[c] *= max(share, LEAST)
