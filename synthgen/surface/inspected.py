"""The inspected plate with all that lies on it: pixels, masks, instances, clean twin."""

from typing import NamedTuple

import numba
import numpy as np

from synthgen.surface.layers import MOST_IDS, Layers
from synthgen.surface.marks.defects import placed
from synthgen.surface.marks.impurities import stamp
from synthgen.surface.optics.camera import develop
from synthgen.surface.plate import View, bend, prepare, radiance, view_of
from synthgen.surface.stains.field import StainField

f32 = np.float32

# Share of the reflectance that any stain leaves.
LEAST = f32(0.05)
# Brightness of a white surface that scatters evenly.
_DIFFUSE = 0.72


class Inspected(NamedTuple):
    """A drawn plate.

    Attributes
    ----------
    image : ndarray of uint8, (H, W)
    clean : ndarray of uint8, (H, W), or None
        The same plate under the same light with nothing on it; equal to `image` outside of the mask.
    mask : ndarray of uint8, (H, W)
        255 at every pixel that may differ from the clean twin.
    masks : dict of ndarray of uint8, (H, W)
        The same for each kind alone.
    instances : ndarray of uint8, (H, W)
        Number of the topmost object, 0 = none.
    objects : list of dict
        See `Layers`.
    """

    image: np.ndarray
    clean: np.ndarray | None
    mask: np.ndarray
    masks: dict
    instances: np.ndarray
    objects: list


def draw_plate(params: dict, size: tuple[int, int]) -> Inspected:
    """Draw a plate.

    Parameters
    ----------
    params : dict
        As returned by `synthgen.families.stains.sample`.
    size : (int, int)
        Height and width in pixels.
    """
    camera = params["camera"]
    view = view_of(size, camera["field_of_view"])
    plate = prepare(params["texture"], params["light"], view)
    picture = radiance(plate, view)
    clean = _photograph(picture, camera) if params["clean"] else None
    layers = Layers(size, params["kinds"], camera["blur"])
    defects = [_place(entry, view) for entry in params["defects"]]
    bent = bend(plate, view, picture, defects)
    if params["stains"]:
        others = len(params["impurities"]) + len(defects)
        _stain(params["stains"], params["texture"]["reflectance"], view, picture, layers, MOST_IDS - others)
    for entry in params["impurities"]:
        rows, columns = _stick(entry, params["texture"]["reflectance"], view, picture)
        layers.add(entry["kind"], rows, columns, entry)
    for entry, (rows, columns) in zip(params["defects"], bent, strict=True):
        layers.add(entry["kind"], rows, columns, entry)
    mask, objects = layers.finish()
    return Inspected(_photograph(picture, camera), clean, mask, layers.masks, layers.ids, objects)


def _photograph(picture: np.ndarray, camera: dict) -> np.ndarray:
    return develop(picture, camera["exposure"], camera["blur"], camera["noise"])


def _place(entry: dict, view: View):
    """Put a defect where its share of the seen part of the plate says."""
    x, y = position(entry["at"], view)
    return placed(entry, (x, y, 0.0), entry["angle"], least=0.75 * view.pitch)


def position(at, view: View) -> tuple[float, float]:
    """Return (x, y) in mm of a place given as a share of the seen part of the plate, (row, column)."""
    y0, x0, y1, x1 = view.window
    return x0 + at[1] * (x1 - x0), y0 + at[0] * (y1 - y0)


def stain_field(stains: dict) -> StainField:
    """Return the field of a plate's ``stains``; the plate lies in it at their ``offset``."""
    return StainField(**{name: value for name, value in stains.items() if name != "offset"})


def _stain(stains: dict, reflectance: float, view: View, picture, layers: Layers, most: int) -> None:
    """Paint the stain field that the plate cuts into `picture`, and number its stains.

    Every stain has an id of its own as long as there are any; the smallest ones share the last.
    """
    field = stain_field(stains)
    y, x = view.corner
    offset = np.array(stains["offset"])
    window = view.pixels_of_plate
    rows, columns = window
    under = np.full(tuple(s.stop - s.start for s in window), reflectance, np.float32)
    painted = field.paint(
        under,
        np.add(offset, (x + columns.start * view.pitch, y + rows.start * view.pitch, 0.0)),
        (0.0, view.pitch, 0.0),
        (view.pitch, 0.0, 0.0),
    )
    _dim(picture[window], under, painted.ids, f32(1 / reflectance), LEAST)
    centres = field.centers(painted.cells) - offset
    layers.add_field("stain", window, painted.ids, centres, most)


def _stick(entry: dict, reflectance: float, view: View, picture) -> tuple[np.ndarray, np.ndarray]:
    """Lay a fingerprint or a sticker over `picture`; return the rows and columns of all that it changed."""
    seen = view.pixels_of_plate
    y, x = (a + s.start * view.pitch for a, s in zip(view.corner, seen, strict=True))
    part = picture[seen]
    window, layer = stamp(
        {**entry, "center": position(entry["at"], view)}, part.shape, (x, y), (view.pitch, view.pitch)
    )
    under = part[window]
    light = (1 - layer.matte) * under * f32(1 / reflectance) + layer.matte * f32(_DIFFUSE)
    over = (f32(reflectance) * (1 - layer.cover) + layer.paint) * light
    part[window] = np.where(layer.mask, over, under)
    rows, columns = np.nonzero(layer.mask)
    return rows + seen[0].start + window[0].start, columns + seen[1].start + window[1].start


@numba.njit(cache=True)
def _dim(picture, reflectance, ids, scale, least):
    """Multiply the stained pixels by what is left of their reflectance."""
    for r in range(len(picture)):
        line, change, owner = picture[r], reflectance[r], ids[r]
        for c in range(line.size):
            if owner[c] > 0:
                line[c] *= max(change[c] * scale, least)
