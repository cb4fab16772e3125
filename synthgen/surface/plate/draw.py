"""Drawing the inspected plate with all that lies on it (Mao et al. 2025, section V-A)."""

import numpy as np

from synthgen.surface.annotations import Annotations, object_params
from synthgen.surface.inspected import Inspected
from synthgen.surface.marks.defects import FINEST, Placed, placed
from synthgen.surface.marks.impurities import stamp
from synthgen.surface.optics.camera import blur_reach, photograph
from synthgen.surface.plate.brightness import bend, prepare, radiance
from synthgen.surface.plate.view import PlateView, view_of_camera
from synthgen.surface.plate.water import stain

f32 = np.float32

# Brightness of a white surface that scatters evenly.
_DIFFUSE = 0.72


def draw_plate(params: dict, size: tuple[int, int]) -> Inspected:
    """Draw a plate.

    Parameters
    ----------
    params : dict
        As returned by `synthgen.families.stains.sample`.
    size : (int, int)
        Height and width in pixels.

    Returns
    -------
    Inspected

    Raises
    ------
    UsageError
        If it has more objects than ids.
    """
    camera = params["camera"]
    view = view_of_camera(size, camera)
    plate = prepare(params["texture"], params["light"], view)
    picture = radiance(plate, view)
    clean = photograph(picture, camera) if "clean" in params["fields"] else None
    annotations = Annotations(
        size,
        params["kinds"],
        blur=camera["blur"],
        dtype=params["ids"],
    )

    # defects bend the metal under all that lies on it, and are numbered last, as the topmost
    defects = [_place(entry, view) for entry in params["defects"]]
    bent = bend(plate, view, picture, defects)
    if params["stains"] is not None:
        stain(params, view, picture, annotations)
    _add_impurities(params, view, picture, annotations)
    for number, (rows, columns) in enumerate(bent):
        _record(annotations, "defects", number, params, view, rows, columns)

    mask, objects = annotations.finish()
    return Inspected(
        image=photograph(picture, camera),
        clean=clean,
        region=_region(view, camera["blur"]),
        mask=mask,
        masks=annotations.masks,
        instances=annotations.ids,
        objects=objects,
    )


def _region(view: PlateView, blur: float) -> np.ndarray:
    """Return a mask of the pixels that show the plate alone: a blur mixes its edge with what lies beside it."""
    inside = []
    for span, size in zip(view.pixels_of_plate, view.shape, strict=True):
        margin = 1 + blur_reach(blur)
        first = span.start + margin if span.start > 0 else 0
        last = span.stop - margin if span.stop < size else size
        inside.append(slice(first, last))

    region = np.zeros(view.shape, np.uint8)
    region[tuple(inside)] = 255
    return region


def _place(entry: dict, view: PlateView) -> Placed:
    """Put a defect where its share of the seen part of the plate says."""
    x, y = view.point_at(entry["at"])
    return placed(
        entry,
        (x, y, 0.0),
        entry["angle"],
        least=FINEST * view.pitch,
    )


def _record(
    annotations: Annotations, source: str, number: int, params: dict, view: PlateView, rows, columns
) -> None:
    """Note the pixels of an entry of the sample's impurities or defects."""
    entry = params[source][number]
    x, y = view.point_at(entry["at"])
    annotations.add(
        entry["kind"],
        rows,
        columns,
        center=view.pixel_of(x, y),
        params=object_params(source, number, (x, y, 0.0)),
    )


def _add_impurities(params: dict, view: PlateView, picture: np.ndarray, annotations: Annotations) -> None:
    """Lay the fingerprints and stickers over `picture`, in order."""
    reflectance = params["texture"]["reflectance"]
    for number, entry in enumerate(params["impurities"]):
        rows, columns = _stick(entry, reflectance, view, picture)
        _record(annotations, "impurities", number, params, view, rows, columns)


def _stick(entry: dict, reflectance: float, view: PlateView, picture) -> tuple[np.ndarray, np.ndarray]:
    """Lay a fingerprint or a sticker over `picture`; return the rows and columns of all that it changed."""
    seen = view.pixels_of_plate
    rows, columns = seen
    top, left = view.corner
    origin = (
        left + columns.start * view.pitch,
        top + rows.start * view.pitch,
    )
    step = (view.pitch, view.pitch)
    part = picture[seen]
    moved = {**entry, "center": view.point_at(entry["at"])}
    window, coating = stamp(moved, part.shape, origin, step)

    # what of the gloss is lost becomes an even light
    under = part[window]
    mirrored = (1 - coating.matte) * under * f32(1 / reflectance)
    light = mirrored + coating.matte * f32(_DIFFUSE)
    metal = f32(reflectance) * (1 - coating.cover)
    over = (metal + coating.paint) * light
    part[window] = np.where(coating.mask, over, under)

    touched_rows, touched_columns = np.nonzero(coating.mask)
    first_row = rows.start + window[0].start
    first_column = columns.start + window[1].start
    return touched_rows + first_row, touched_columns + first_column
